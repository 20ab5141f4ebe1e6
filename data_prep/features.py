"""Source: features that another program computed: folders of `.npy`, or one `.npz` of all videos."""

import argparse
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.folder import list_class_folders
from data_prep.listing import Listing, count_labels, raise_shortened
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError, raise_all

SUFFIXES = (".npy", ".npz")
_BESIDE = ("labels", "class_names", "video_ids")  # arrays of an .npz, beside its features
# What numpy and zipfile raise for a file that is damaged, encrypted or something else.
_UNREADABLE = (
  *(OSError, ValueError, EOFError, KeyError, IndexError, RuntimeError),
  *(zipfile.BadZipFile, zlib.error, struct.error),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    "--features",
    required=True,
    metavar="PATH",
    help="one folder a class of .npy ([T,D] or [D]), or one .npz: features [V,D] or [V,T,D], labels [V] (names, or\n"
    "numbers with class_names), optional video_ids [V]",
  )


def from_options(options: argparse.Namespace) -> Listing:
  path = Path(options.features)
  return list_array(path) if path.is_file() else list_feature_folders(path)


def list_feature_folders(root: Path) -> Listing:
  """One array a video in folders named as classes; InputError as `folder`, and where widths differ."""
  listing = list_class_folders(root, "--features", SUFFIXES, "walking/a.npy", "file of features")
  widths = {entry.path: _width(Path(entry.path)) for entry in listing.entries}
  counts = Counter(width for width in widths.values() if width)
  if len(counts) > 1:
    usual = counts.most_common(1)[0][0]
    problems = [f"{path}: {width}" for path, width in widths.items() if width not in (None, usual)]
    raise_shortened(problems, f"--features {root}: most have vectors of {usual} numbers, these do not:")
  return listing._replace(kind="features")


def _width(path: Path) -> int | None:
  """Numbers in a vector, from the file's header; None where it cannot be told: decoding will say why."""
  try:
    if path.suffix.lower() == ".npz":
      with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        with archive.open("features.npy" if "features.npy" in names else names[0]) as stream:
          return _header(stream)[-1]
    with open(path, "rb") as stream:
      return _header(stream)[-1]
  except _UNREADABLE:
    return None


def _header(stream: Any) -> tuple[int, ...]:
  """The shape of a stored array."""
  version = np.lib.format.read_magic(stream)
  read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
  return read(stream)[0]


def list_array(path: Path) -> Listing:
  """The videos of one `.npz`, rows of `features`; a video's id is its `video_ids`, or its row.

  Raises:
    InputError: not such a file; arrays that are missing or do not fit each other: all at once.
  """
  shape, stored, ignored = _read(path)
  _check(path, shape, stored)
  labels, names = _labels(path, stored)
  ids = stored.get("video_ids", np.array([f"{row:08d}" for row in range(len(labels))])).tolist()
  entries = [
    Entry(str(path), label, str(video_id), row=row)
    for row, (label, video_id) in enumerate(zip(labels, ids, strict=True))
  ]
  counts = count_labels(labels, len(names))
  empty = [name for name, count in zip(names, counts, strict=True) if not count]
  raise_all(empty, f"--features {path}: classes of class_names without a video:")
  return Listing(entries, names, ignored, kind="features")


class _Stored(NamedTuple):
  shape: tuple[int, ...]  # of `features`; () where there is none
  arrays: dict[str, np.ndarray]  # the others that have a meaning here; texts are never bytes
  ignored: list[str]


def _read(path: Path) -> _Stored:
  try:
    # Opened here, because numpy leaves a file open that turns out not to be an archive.
    with open(path, "rb") as file:
      single = file.read(6) == np.lib.format.MAGIC_PREFIX
      file.seek(0)
      if single:
        raise InputError(
          f"--features {path}: expected an .npz with features and labels, found one array {_header(file)}; "
          "arrays of single videos go into a folder of class folders"
        )
      with np.load(file, allow_pickle=False) as loaded:
        arrays = {name: _as_text(name, loaded[name]) for name in _BESIDE if name in loaded.files}
        shape: tuple[int, ...] = ()
        if "features" in loaded.files:
          with loaded.zip.open("features.npy") as stream:
            shape = _header(stream)
        return _Stored(shape, arrays, [n for n in loaded.files if n not in ("features", *_BESIDE)])
  except InputError:
    raise
  except _UNREADABLE as error:
    raise InputError(f"--features {path} cannot be read as .npz: {error}") from None


def _as_text(name: str, array: np.ndarray) -> np.ndarray:
  try:
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
  except UnicodeDecodeError as error:
    raise ValueError(f"{name} is not UTF-8 text ({error})") from error


def _check(path: Path, shape: tuple[int, ...], stored: dict[str, np.ndarray]) -> None:
  problems = []
  if len(shape) not in (2, 3) or 0 in shape:
    problems.append(f"features: expected [V,D] or [V,T,D], found {shape or 'none'}")
  for name in ("labels", "video_ids"):
    if name in stored and shape and stored[name].shape != shape[:1]:
      problems.append(f"{name}: expected one for each of {shape[0]} rows, found {stored[name].shape}")
  if "labels" not in stored:
    problems.append("labels: not there")
  elif stored["labels"].dtype.kind not in "iuU":
    problems.append(f"labels: expected class names or whole numbers, found {stored['labels'].dtype}")
  elif stored["labels"].dtype.kind in "iu" and "class_names" not in stored:
    problems.append("class_names: not there, and labels are numbers")
  if "class_names" in stored and (stored["class_names"].ndim != 1 or stored["class_names"].dtype.kind != "U"):
    named = stored["class_names"]
    problems.append(f"class_names: expected a list of names, found {named.dtype} {named.shape}")
  for name in _BESIDE:
    values = stored[name].ravel().tolist() if name in stored else []
    empty = [row for row, value in enumerate(values) if not str(value).strip()]
    if empty:
      problems.append(f"{name}: {len(empty)} are empty, the first in row {empty[0]}")
    if name != "labels" and len(set(values)) < len(values):
      problems.append(f"{name}: some occur twice")
  raise_all(problems, f"--features {path}:")


def _labels(path: Path, stored: dict[str, np.ndarray]) -> tuple[list[int], list[str]]:
  labels = stored["labels"]
  given = stored["class_names"].tolist() if "class_names" in stored else None
  if labels.dtype.kind in "iu":
    names = [str(name) for name in given or []]
    wrong = [
      f"row {row}: {label}" for row, label in enumerate(labels.tolist()) if not 0 <= label < len(names)
    ]
    raise_shortened(wrong, f"--features {path}: labels outside 0..{len(names) - 1}, the rows of class_names:")
    return labels.tolist(), names
  names = (
    [str(name) for name in given] if given is not None else sorted({str(label) for label in labels.tolist()})
  )
  rows = {name: row for row, name in enumerate(names)}
  wrong = [f"row {row}: {label!r}" for row, label in enumerate(labels.tolist()) if label not in rows]
  raise_shortened(wrong, f"--features {path}: labels that are not among class_names:")
  return [rows[label] for label in labels.tolist()], names
