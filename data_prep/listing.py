"""What a source holds, found against expected: the same for every source."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.errors import InputError, raise_all

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


class Listing(NamedTuple):
  """What a source holds."""

  entries: list[Entry]
  class_names: list[str]
  ignored: Sequence[str] = ()  # files passed over, relative to the source
  quarantined: Sequence[Quarantined] = ()  # what the source itself found unusable, in words
  expected: Sequence[int] | None = None  # videos of each class that the source's list expects; None: no list
  kind: str = "video"  # one of zsar_jax.data.schema.KINDS
  notes: Sequence[str] = ()  # what the user should know besides
  empty: Sequence[str] = ()  # classes left out because nothing of them is there


class Found(NamedTuple):
  """Files of a folder by their names; all paths relative to it, with forward slashes, sorted."""

  files: list[str]
  ignored: list[str]
  quarantined: list[Quarantined]


def find_files(root: Path, suffixes: Sequence[str]) -> Found:
  """Files under `root` at any depth that are named as wanted. Hidden ones (a leading dot) are passed over.

  Linked folders are followed, each real folder once.

  Raises:
    InputError: a folder that cannot be listed.
  """

  def refuse(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename}: {error.strerror}")

  found = Found([], [], [])
  seen: set[tuple[int, int]] = set()
  for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:
      folders.clear()
      continue
    seen.add((status.st_dev, status.st_ino))
    folders[:] = [name for name in folders if not name.startswith(".")]
    base = Path(folder).relative_to(root).as_posix()
    for name in files:
      if not name.startswith("."):
        _sort_in(found, name if base == "." else f"{base}/{name}", root, suffixes)
  found.files.sort(key=_parts)
  found.ignored.sort(key=_parts)
  found.quarantined.sort()
  return found


def _sort_in(found: Found, path: str, root: Path, suffixes: Sequence[str]) -> None:
  shown = os.fsencode(path).decode("utf-8", "backslashreplace")
  if os.path.splitext(path)[1].lower() not in suffixes:
    found.ignored.append(shown)
  elif shown != path:
    found.quarantined.append(Quarantined(f"{root}/{shown}", "unreadable: its name is not UTF-8; rename it"))
  else:
    found.files.append(path)


def _parts(path: str) -> list[str]:
  return path.split("/")


def stem(path: str) -> str:
  """A file's name without its suffix."""
  return os.path.splitext(path.rsplit("/", 1)[-1])[0]


def folder_at(path: str | Path, option: str, example: str) -> Path:
  """The path, if it is a folder; InputError otherwise. `example` says what it should hold."""
  root = Path(path)
  if not root.is_dir():
    kind = "is a file, not a folder" if root.exists() else "does not exist"
    raise InputError(f"{option} {root} {kind}: expected {example}")
  return root


def lines_of(path: str | Path, option: str) -> list[str]:
  """Lines of a UTF-8 text file; InputError where it cannot be read."""
  try:
    return Path(path).read_text(encoding="utf-8-sig").splitlines()
  except OSError as error:
    raise InputError(f"{option} {path} cannot be read: {error.strerror or error}") from None
  except UnicodeDecodeError as error:
    raise InputError(f"{option} {path} is not UTF-8 text: {error}") from None


def raise_shortened(problems: Sequence[str], heading: str, most: int = 50) -> None:
  """`raise_all`, for lists that may be wrong in every one of a million lines."""
  shown = list(problems[:most])
  if len(problems) > most:
    shown.append(f"… and {len(problems) - most} more")
  raise_all(shown, heading)


def count_labels(labels: Iterable[int], num_classes: int) -> list[int]:
  """How often every label occurs."""
  counts = Counter(labels)
  return [counts[label] for label in range(num_classes)]


def add_allow_missing(parser: argparse.ArgumentParser, noun: str = "video") -> None:
  """The option that `drop_empty_classes` asks for."""
  parser.add_argument("--allow_missing", action="store_true", help=f"leave out classes without a {noun}")


def drop_empty_classes(listing: Listing, allow_missing: bool, source: str) -> Listing:
  """The listing without the classes that have no entry.

  Raises:
    InputError: there is no entry at all; there are such classes and `allow_missing` is false (all named).
  """
  noun = "image" if listing.kind == "image" else "video"
  if not listing.entries:
    shown = "".join(f"\n  - {bad.path}: {bad.reason}" for bad in listing.quarantined[:5])
    raise InputError(f"{source}: no {noun} was found of {len(listing.class_names)} classes{shown}")
  counts = count_labels((e.label for e in listing.entries), len(listing.class_names))
  empty = [name for name, count in zip(listing.class_names, counts, strict=True) if not count]
  if not empty:
    return listing
  told = f"{len(empty)} of {len(counts)} classes have no {noun}"
  if not allow_missing:
    raise_all([", ".join(empty)], f"{source}: {told}; give --allow_missing to leave these classes out:")
  kept = [label for label, count in enumerate(counts) if count]
  new = {label: row for row, label in enumerate(kept)}
  return listing._replace(
    entries=[entry._replace(label=new[entry.label]) for entry in listing.entries],
    class_names=[listing.class_names[label] for label in kept],
    expected=None if listing.expected is None else [listing.expected[label] for label in kept],
    empty=empty,
  )
