"""Source: any folder of class folders of videos."""

from pathlib import Path
from typing import NamedTuple

from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.data.records import Entry
from zsar_jax.errors import InputError, raise_all


class Listing(NamedTuple):
  """What a source holds."""

  entries: list[Entry]
  class_names: list[str]
  ignored: list[str]  # files that are no videos by their names, relative to the source


def list_folder(videos: str | Path) -> Listing:
  """The videos under `videos/CLASS/`, at any depth, in sorted order; a folder's name is its class's name.

  Hidden files and folders (a leading dot) are passed over. A video's id is its path relative to `videos`.

  Raises:
    InputError: no such folder, nothing in it, or class folders without a video (all listed).
  """
  root = Path(videos)
  if not root.is_dir():
    kind = "is a file, not a folder" if root.exists() else "does not exist"
    raise InputError(
      f"--videos {root} {kind}: expected a folder of class folders, such as {root}/walking/a.mp4"
    )
  folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
  if not folders:
    raise InputError(
      f"--videos {root} holds no class folders: expected one a class, such as {root}/walking/a.mp4"
    )
  entries: list[Entry] = []
  ignored = [p.name for p in sorted(root.iterdir()) if p.is_file() and not p.name.startswith(".")]
  empty: list[str] = []
  for label, folder in enumerate(folders):
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _hidden(p, root)]
    found = [p for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
    ignored += [p.relative_to(root).as_posix() for p in files if p not in set(found)]
    entries += [Entry(str(p), label, p.relative_to(root).as_posix()) for p in found]
    if not found:
      empty.append(f"{folder} ({len(files)} other files)" if files else str(folder))
  suffixes = " ".join(VIDEO_SUFFIXES)
  raise_all(empty, f"class folders without a video ({suffixes}); fill or remove them:")
  return Listing(entries, [folder.name for folder in folders], ignored)


def _hidden(path: Path, root: Path) -> bool:
  return any(part.startswith(".") for part in path.relative_to(root).parts)
