"""Whether records are what their index says, before the first of them is read: everything that is wrong at once."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from zsar_jax.data import storage
from zsar_jax.data.hashing import sha256_of_all
from zsar_jax.data.index_format import COLUMNS, KEYS, feature_shapes
from zsar_jax.data.records import SCHEMA
from zsar_jax.errors import InputError

VERIFY = ("off", "size", "full")
_THREADS = 16


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
    description = json.loads(text)
  except ValueError:
    raise InputError(f"{file} is damaged (not JSON). {damaged}") from None
  if not isinstance(description, dict):
    raise InputError(f"{file} is damaged (not a JSON object). {damaged}")
  if description.get("schema") != SCHEMA:
    raise InputError(
      f"{directory} holds records of schema {description.get('schema')}, this version reads schema {SCHEMA}: "
      "build them again into another directory"
    )
  lacking = [key for key in KEYS if key not in description]
  lacking += [f"columns.{name}" for name in COLUMNS if name not in description.get("columns", {})]
  if lacking:
    raise InputError(f"{file} is damaged (it lacks {', '.join(lacking)}). {damaged}")
  return description, hashlib.sha256(text).hexdigest()


def remedy(description: dict[str, Any], directory: str) -> str:
  """What to do about damaged records, as error messages say it."""
  if description["made_by"] == "data_prep.build":
    return "run the same data_prep.build again"
  return f"prepare the data set again, run python -m {description['made_by']} {directory}"


def open_columns(folder: str, description: dict[str, Any]) -> tuple[dict[str, np.ndarray], list[str]]:
  """The columns of an index, memory-mapped, and what is wrong with them."""
  columns: dict[str, np.ndarray] = {}
  problems: list[str] = []
  for name, dtype in COLUMNS.items():
    length = description["columns"][name]["length"]
    file = os.path.join(folder, f"{name}.npy")
    try:
      # An empty file cannot be mapped.
      columns[name] = np.load(file, mmap_mode="r") if length else np.zeros(0, dtype)
    except (OSError, ValueError, EOFError) as error:
      problems.append(f"{file} cannot be read ({error})")
      continue
    if columns[name].shape != (length,) or columns[name].dtype != dtype:
      found = f"{columns[name].dtype} {columns[name].shape}"
      problems.append(f"{file} holds {found}, expected {np.dtype(dtype)} ({length},)")
  label, num_classes = columns.get("label"), len(description["class_names"])
  if label is not None and len(label) and not 0 <= label.min() <= label.max() < num_classes:
    file = os.path.join(folder, "label.npy")
    problems.append(f"{file} holds labels {label.min()} to {label.max()}, expected 0 to {num_classes - 1}")
  return columns, problems


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
      sizes = list(pool.map(storage.file_size, paths))
  else:
    sizes = [storage.file_size(path) for path in paths]
  problems = [
    f"{path} {'is missing' if size is None else f'has {size} bytes'}, expected {shard['size']} bytes"
    for path, size, shard in zip(paths, sizes, shards, strict=True)
    if size != shard["size"]
  ]
  known = {shard["file"] for shard in shards}
  prefixes = {name.partition(".tfrecord")[0] + ".tfrecord" for name in known}
  for name in storage.list_names(directory):
    whole = ".tmp" not in name and ".incomplete" not in name
    if name not in known and whole and name.partition("-of-")[0].rpartition("-")[0] in prefixes:
      problems.append(f"{storage.join(directory, name)} is not one of the {len(known)} files of the index")
  return problems


def hash_problems(directory: str, folder: str, description: dict[str, Any]) -> list[str]:
  """Record files and columns whose SHA-256 is not what was written. Reads everything: shows a bar on stderr."""
  files = {storage.join(directory, shard["file"]): shard["sha256"] for shard in description["shards"]}
  files |= {os.path.join(folder, f"{n}.npy"): c["sha256"] for n, c in description["columns"].items()}
  sizes = [storage.file_size(path) for path in files]
  there = [path for path, size in zip(files, sizes, strict=True) if size is not None]
  found = dict(zip(there, sha256_of_all(there, sum(filter(None, sizes))), strict=True))
  return [
    f"{path} has SHA-256 {found[path]}, expected {expected}: delete it"
    for path, expected in files.items()
    if path in found and found[path] != expected
  ]
