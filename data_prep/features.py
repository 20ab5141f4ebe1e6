"""Source: features that another program computed: folders of `.npy`, or one `.npz` of all videos."""

import argparse
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.folder import list_class_folders
from data_prep.listing import Listing, count_labels, raise_shortened
from zsar_jax.data.records import Entry
from zsar_jax.errors import InputError, raise_all

SUFFIXES = (".npy", ".npz")


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
  except (OSError, ValueError, IndexError, zipfile.BadZipFile):
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
  try:
    with np.load(path, allow_pickle=False) as arrays:
      if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise InputError(f"--features {path}: expected an .npz with features and labels, found one array")
      stored = {name: arrays[name] for name in arrays.files if name != "features"}
      shape = _array_shape(path) if "features" in arrays.files else ()
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
    if isinstance(error, InputError):
      raise
    raise InputError(f"--features {path} cannot be read as .npz: {error}") from None
  _check(path, shape, stored)
  labels, names = _labels(path, stored)
  ids = (
    stored["video_ids"].tolist() if "video_ids" in stored else [f"{row:08d}" for row in range(len(labels))]
  )
  entries = [
    Entry(str(path), label, str(video_id), row=row)
    for row, (label, video_id) in enumerate(zip(labels, ids, strict=True))
  ]
  counts = count_labels(labels, len(names))
  empty = [name for name, count in zip(names, counts, strict=True) if not count]
  raise_all(empty, f"--features {path}: classes of class_names without a video:")
  known = ("features", "labels", "class_names", "video_ids")
  return Listing(entries, names, [name for name in stored if name not in known], kind="features")


def _array_shape(path: Path) -> tuple[int, ...]:
  with zipfile.ZipFile(path) as archive, archive.open("features.npy") as stream:
    return _header(stream)


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
  if "video_ids" in stored and len(np.unique(stored["video_ids"])) < stored["video_ids"].size:
    problems.append("video_ids: some occur twice")
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
