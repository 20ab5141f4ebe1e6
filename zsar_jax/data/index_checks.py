"""Whether records are what their index says, before the first of them is read: everything that is wrong at once."""

import hashlib
import os
import tokenize
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from zsar_jax.data import storage
from zsar_jax.data.hashing import sha256_of_all
from zsar_jax.data.index_description import description_problems
from zsar_jax.data.index_format import COLUMNS, HASHED, feature_shapes
from zsar_jax.data.schema import FRAME_COLUMNS, SCHEMA, VIDEO_COLUMNS
from zsar_jax.errors import InputError
from zsar_jax.files import json_digest, parse_json

VERIFY = ("off", "size", "full")
_THREADS = 16
# What NumPy raises for a file that is gone, cut or has a damaged header.
_UNREADABLE = (
  OSError,
  EOFError,
  ValueError,
  TypeError,
  SyntaxError,
  OverflowError,
  MemoryError,
  tokenize.TokenError,
)


def read_description(directory: str, make: str) -> tuple[dict[str, Any], str]:
  """What `index.json` says, and its SHA-256, which names the whole index since it holds those of the files.

  Args:
    directory: of the records.
    make: how to make records there, for the message.

  Raises:
    InputError: no such directory, no (complete) index, a damaged one, one of another version.
  """
  file = storage.join(directory, "index", "index.json")
  if not storage.is_remote(directory) and not os.path.isdir(directory):
    raise InputError(f"no records at {directory}: there is no such directory; {make}")
  try:
    text = storage.read_bytes(file)
  except FileNotFoundError:
    raise InputError(f"no records at {directory}: {file} is missing; {make}") from None
  except OSError as error:
    raise InputError(f"{file} cannot be read ({error})") from None
  damaged = "Run the same data_prep.build again (data_prep.index, for records of TFDS)"
  try:
    description = parse_json(text)
  except ValueError:
    raise InputError(f"{file} is damaged (not JSON). {damaged}") from None
  if not isinstance(description, dict):
    raise InputError(f"{file} is damaged (not a JSON object). {damaged}")
  if type(description.get("schema")) is not int:
    raise InputError(f"{file} is damaged (schema is no number). {damaged}")
  if description["schema"] != SCHEMA:
    raise InputError(
      f"{directory} holds records of schema {description['schema']}, this version reads schema {SCHEMA}: "
      "build them again into another directory"
    )
  problems = description_problems(description)
  if problems:
    raise InputError(f"{file} is damaged ({'; '.join(problems)}). {damaged}")
  return description, hashlib.sha256(text).hexdigest()


def remedy(description: dict[str, Any], directory: str) -> str:
  """What to do about damaged records, as error messages say it."""
  if description["made_by"] == "data_prep.build":
    return "run the same data_prep.build again"
  return f"prepare the data set again, run python -m {description['made_by']} {directory}"


def open_columns(folder: str, description: dict[str, Any]) -> tuple[dict[str, np.ndarray], list[str]]:
  """The columns of an index, memory-mapped, and what is wrong with them.

  Numbers that point at classes, files, frames and letters of ids are looked at: all of them point at something.
  """
  columns: dict[str, np.ndarray] = {}
  problems: list[str] = []
  for name, dtype in COLUMNS.items():
    length = description["columns"][name]["length"]
    file = os.path.join(folder, f"{name}.npy")
    try:
      # An empty file cannot be mapped.
      column = np.load(file, mmap_mode="r") if length else np.zeros(0, dtype)
    except _UNREADABLE as error:
      problems.append(f"{file} {_unreadable(error)}")
      continue
    if column.shape != (length,) or column.dtype != dtype:
      found = f"{column.dtype} {column.shape}"
      problems.append(f"{file} holds {found}, expected {np.dtype(dtype)} ({length},)")
      continue
    columns[name] = column
  for name, what in (("label", "class_names"), ("shard", "shards")):
    column, count = columns.get(name, np.zeros(0)), len(description[what])
    if len(column) and not 0 <= column.min() <= column.max() < count:
      file = os.path.join(folder, f"{name}.npy")
      problems.append(f"{file} holds {name}s {column.min()} to {column.max()}, expected 0 to {count - 1}")
  return columns, problems or _relation_problems(folder, columns)


def _relation_problems(folder: str, columns: dict[str, np.ndarray]) -> list[str]:
  """Where columns, each of its own length and type, do not belong together."""
  num_videos, num_frames = len(columns["label"]), len(columns["frame_length"])
  lengths = dict.fromkeys([*VIDEO_COLUMNS, "shard"], num_videos) | dict.fromkeys(FRAME_COLUMNS, num_frames)
  lengths |= dict.fromkeys(("first_frame", "first_id_byte"), num_videos + 1)
  problems = [
    f"{os.path.join(folder, f'{name}.npy')} holds {len(columns[name])} values, expected {length}"
    for name, length in lengths.items()
    if len(columns[name]) != length
  ]
  if problems:
    return problems
  counts, letters = columns["num_frames"], np.diff(columns["first_id_byte"])
  same = (np.diff(columns["first_frame"]) == counts).all() and not (counts < 0).any()
  if not (same and _spans(columns["first_frame"], num_frames)):
    file, other = (os.path.join(folder, f"{name}.npy") for name in ("first_frame", "num_frames"))
    problems.append(f"{file} does not say where the frames that {other} counts begin")
  file, other = (os.path.join(folder, f"{name}.npy") for name in ("first_id_byte", "id_bytes"))
  if (letters < 0).any() or not _spans(columns["first_id_byte"], len(columns["id_bytes"])):
    problems.append(f"{file} does not say where the ids in {other} begin")
  elif not _are_utf8(columns["id_bytes"], columns["first_id_byte"][:-1][letters > 0]):
    problems.append(f"{other}, cut as {file} says, is not UTF-8")
  return problems


def _spans(firsts: np.ndarray, total: int) -> bool:
  return firsts[0] == 0 and firsts[-1] == total


def _are_utf8(letters: np.ndarray, starts: np.ndarray) -> bool:
  """Whether texts that follow one another, each from one of the starts to the next, are UTF-8."""
  try:
    letters.tobytes().decode()
  except UnicodeDecodeError:
    return False
  return not (letters[starts] & 0b1100_0000 == 0b1000_0000).any()  # no start inside a letter


def _unreadable(error: Exception) -> str:
  """The end of a sentence about a file."""
  reason = (error.strerror if isinstance(error, OSError) else None) or error
  whole = ": it may be whole, get leave to read it" if isinstance(error, PermissionError) else ""
  return f"cannot be read ({reason}){whole}"


def feature_problems(directory: str, description: dict[str, Any]) -> list[str]:
  """Where the features that TFDS's metadata names are not those the index was made of."""
  file = storage.join(directory, "features.json")
  try:
    found = feature_shapes(directory)
  except (OSError, ValueError) as error:
    reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
    return [f"{file} {reason}"]
  expected = description["features"]
  return [
    f"{file}: feature {name!r} is {_told(found.get(name))}, expected {_told(expected.get(name))}"
    for name in sorted({*found, *expected})
    if found.get(name) != expected.get(name)
  ]


def _told(feature: dict[str, Any] | None) -> str:
  if feature is None:
    return "absent"
  classes = f" of {feature['num_classes']} classes" if "num_classes" in feature else ""
  shape = ", ".join("any" if size is None else str(size) for size in feature["shape"])
  return f"{feature['dtype']} [{shape}]{classes}"


def file_problems(directory: str, description: dict[str, Any]) -> list[str]:
  """Record files that are missing, too many or of another size than was written."""
  shards = description["shards"]
  paths = [storage.join(directory, shard["file"]) for shard in shards]
  if storage.is_remote(directory):
    with ThreadPoolExecutor(_THREADS) as pool:  # each answer takes long
      states = list(pool.map(_state, paths))
  else:
    states = [_state(path) for path in paths]
  problems = [
    f"{path} {state if isinstance(state, str) else f'has {state} bytes'}, expected {shard['size']} bytes"
    for path, state, shard in zip(paths, states, shards, strict=True)
    if state != shard["size"]
  ]
  known = {shard["file"] for shard in shards}
  prefixes = {name.partition(".tfrecord")[0] + ".tfrecord" for name in known}
  try:
    names = storage.list_names(directory)
  except OSError as error:
    return [*problems, f"{directory} {_unreadable(error)}"]
  for name in names:
    whole = ".tmp" not in name and ".incomplete" not in name
    if name not in known and whole and name.partition("-of-")[0].rpartition("-")[0] in prefixes:
      problems.append(f"{storage.join(directory, name)} is not one of the {len(known)} files of the index")
  return problems


def _state(path: str) -> int | str:
  """Bytes of a file, or what is wrong with it."""
  try:
    size = storage.file_size(path)
  except OSError as error:
    return _unreadable(error)
  return "is missing" if size is None else size


def signature_problems(directory: str, description: dict[str, Any]) -> list[str]:
  """Whether index.json says what was written, by its own SHA-256; older ones have none."""
  if description.get("sha256", written := json_digest(description)) == written:
    return []
  file = storage.join(directory, "index", "index.json")
  return [f"{file} was changed after it was written: it does not have its own SHA-256"]


def value_problems(folder: str, description: dict[str, Any]) -> list[str]:
  """Whether the columns whose values nothing else proves (`HASHED`) are, to the byte, what was written."""
  problems = []
  for name in HASHED:
    file, written = os.path.join(folder, f"{name}.npy"), description["columns"][name]["sha256"]
    try:
      if written and storage.sha256(file) != written:
        problems.append(f"{file} was changed after it was written: its SHA-256 is not index.json's")
    except OSError as error:
      problems.append(f"{file} {_unreadable(error)}")
  return problems


def hash_problems(directory: str, folder: str, description: dict[str, Any]) -> list[str]:
  """Record files and columns whose SHA-256 is not what was written. Reads everything: shows a bar on stderr."""
  files = {storage.join(directory, shard["file"]): shard["sha256"] for shard in description["shards"]}
  files |= {os.path.join(folder, f"{n}.npy"): c["sha256"] for n, c in description["columns"].items()}
  sizes = {path: size for path in files if isinstance(size := _state(path), int)}
  found = dict(zip(sizes, sha256_of_all(list(sizes), sum(sizes.values())), strict=True))
  problems = []
  for path, digest in found.items():
    if isinstance(digest, OSError):
      problems.append(f"{path} {_unreadable(digest)}")
    elif digest != files[path]:
      problems.append(f"{path} has SHA-256 {digest}, expected {files[path]}: delete it")
  return problems
