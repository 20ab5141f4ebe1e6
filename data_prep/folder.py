"""Source: any folder of class folders of videos."""

import argparse
from pathlib import Path

from data_prep.listing import Listing, find_files, folder_at
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError, raise_all


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("--videos", required=True, metavar="DIR", help="holds one folder a class")


def from_options(options: argparse.Namespace) -> Listing:
  return list_folder(options.videos)


def list_folder(videos: str | Path) -> Listing:
  """The videos under `videos/CLASS/`, at any depth, in sorted order; a folder's name is its class's name.

  Hidden files and folders (a leading dot) are passed over. A video's id is its path relative to `videos`.

  Raises:
    InputError: no such folder, nothing in it, or class folders without a video (all listed).
  """
  return list_class_folders(Path(videos), "--videos", VIDEO_SUFFIXES, "walking/a.mp4", "video")


def list_class_folders(
  root: Path, option: str, suffixes: tuple[str, ...], example: str, kind: str
) -> Listing:
  """As `list_folder`, of any kind of file; `example` is a path in such a folder."""
  folder_at(root, option, f"a folder of class folders, such as {root}/{example}")
  names = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
  if not names:
    raise InputError(
      f"{option} {root} holds no class folders: expected one a class, such as {root}/{example}"
    )
  found = find_files(root, suffixes)
  rows = {name: row for row, name in enumerate(names)}
  entries = [Entry(str(root / p), rows[_top(p)], p) for p in found.files if "/" in p]
  full = {entry.label for entry in entries}
  empty = [str(root / name) + _others(name, found.ignored) for name in names if rows[name] not in full]
  raise_all(empty, f"class folders without a {kind} ({' '.join(suffixes)}); fill or remove them:")
  outside = [p for p in found.files if "/" not in p]
  ignored = sorted(found.ignored, key=lambda p: ("/" in p, p))
  return Listing(entries, names, ignored, found.quarantined, notes=_outside(outside, kind), kind=kind)


def _outside(files: list[str], kind: str) -> list[str]:
  """A line about files that lie beside the class folders, if there are any."""
  if not files:
    return []
  several = len(files) > 1
  shown = ", ".join(files[:5]) + (", …" if len(files) > 5 else "")
  return [
    f"passed over {len(files)} {kind}{'s that lie' if several else ' that lies'} in no class folder: {shown}"
  ]


def _top(path: str) -> str:
  return path.split("/", 1)[0]


def _others(name: str, ignored: list[str]) -> str:
  num = sum(_top(path) == name for path in ignored)
  return f" ({num} other files)" if num else ""
