"""The command line's videos and class names, checked before the model is read."""

import os
import pathlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zsar_jax.classes.class_lists import ClassList, read_class_list, shipped_lists
from zsar_jax.classes.embeddings import name_problems
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.errors import InputError, did_you_mean
from zsar_jax.files import is_file, is_folder
from zsar_jax.predicting.printing import shown

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MOST_KINDS = 5  # suffixes that are told


class Found(NamedTuple):
  """What the command line's paths hold."""

  videos: list[str]
  problems: list[str]
  passed_over: Counter[str]  # suffix -> files inside folders that are not called as videos are


def find_videos(given: Sequence[str]) -> Found:
  """Files as they are given, and the videos inside folders at any depth, sorted; linked folders are followed, each folder once.

  What begins with a dot inside a folder is passed over in silence; a file that is met again is named once.
  """
  videos: dict[str, str] = {}  # absolute path -> as given
  problems: list[str] = []
  passed_over: Counter[str] = Counter()
  for path in given:
    found = [path]
    if _URL.match(path):
      problems.append(f"{path!r} is a URL, expected a file or a folder: download it first")
      continue
    if is_folder(path):
      unreadable: list[str] = []
      found = sorted(_inside(path, unreadable, passed_over))
      problems += unreadable
      if not found and not unreadable:
        problems.append(f"folder {path!r} holds no video ({' '.join(VIDEO_SUFFIXES)})")
    elif not is_file(path):
      problems.append(f"{path!r}: {_why_no_file(path)}")
      continue
    for video in found:
      videos.setdefault(os.path.abspath(video), video)
  return Found(list(videos.values()), problems, passed_over)


def passed_over_note(passed_over: Counter[str]) -> str:
  """One line on the files inside folders that nobody looks at."""
  kinds = [
    f"{num} {shown(suffix) or 'without a suffix'}" for suffix, num in passed_over.most_common(_MOST_KINDS)
  ]
  total = passed_over.total()
  kinds += ["…"] if len(passed_over) > _MOST_KINDS else []
  return f"passed over in folders, as their names are not those of videos: {total} file{'s' * (total > 1)} ({', '.join(kinds)})"


def find_names(spec: str) -> tuple[ClassList, list[str]]:
  """(class names, problems) of `--classes`: a file with one name a line, a shipped list, or names between commas."""
  if is_file(spec) or spec in shipped_lists():
    try:
      given = read_class_list(spec)
    except InputError as error:
      return ClassList((), ""), [str(error)]
  else:
    names = [name.strip() for name in spec.split(",")]
    if len(names) > 1 and not names[-1]:
      names.pop()  # "fencing, archery," as lists in sentences end
    given = ClassList(tuple(names), "folder")
  if len(given.names) < 2:
    return given, [_too_few(spec)]
  return given, name_problems("--classes", given.names)


def check_folder(path: pathlib.Path) -> list[str]:
  """What keeps us from writing files into a folder, as far as that is seen without making it."""
  try:
    place = next(one for one in (path, *path.absolute().parents) if one.exists())
    why = "" if os.access(place, os.W_OK | os.X_OK) else "permission denied"
    why = why if place.is_dir() else f"{str(place)!r} is a file"
  except (OSError, ValueError) as error:
    why = getattr(error, "strerror", None) or str(error)
  return [f"--timeline {str(path)!r} cannot be written: {why}"] if why else []


def make_folder(path: pathlib.Path) -> None:
  """Makes the folder where it is missing.

  Raises:
    InputError: files cannot be written into it.
  """
  probe = path / f".writable.{os.getpid()}"
  try:
    path.mkdir(parents=True, exist_ok=True)
    probe.touch()
    probe.unlink()
  except (OSError, ValueError) as error:
    raise InputError(
      f"--timeline {str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}"
    ) from error


def _inside(folder: str, problems: list[str], passed_over: Counter[str]) -> Iterator[str]:
  def refused(error: OSError) -> None:
    problems.append(f"folder {error.filename!r} cannot be read: {error.strerror}")

  seen: set[tuple[int, int]] = set()
  for parent, folders, files in os.walk(folder, onerror=refused, followlinks=True):
    try:
      status = os.stat(parent)
    except OSError as error:  # gone meanwhile
      refused(error)
      continue
    if (status.st_dev, status.st_ino) in seen:  # a link back, or a second link
      folders.clear()
      continue
    seen.add((status.st_dev, status.st_ino))
    folders[:] = sorted(name for name in folders if not name.startswith("."))
    for name in files:
      if name.startswith("."):
        continue
      if name.lower().endswith(VIDEO_SUFFIXES):
        yield os.path.join(parent, name)
      else:
        passed_over[os.path.splitext(name)[1].lower()] += 1


def _why_no_file(path: str) -> str:
  if os.path.exists(path):
    return "neither a file nor a folder"
  parent = os.path.dirname(path) or "."
  try:
    beside = os.listdir(parent)
  except (OSError, ValueError):
    return "no such file or folder"
  return f"no such file or folder{did_you_mean(os.path.basename(path), beside)}"


def _too_few(spec: str) -> str:
  expected = (
    "expected at least two names separated by commas, a file with one name a line, or a shipped list "
    f"({', '.join(shipped_lists())})"
  )
  if not spec.strip():
    return f"--classes is empty: {expected}"
  if os.sep in spec or spec.endswith(".txt"):
    return f"--classes {spec!r}: no such file, or fewer than two names in it: {expected}"
  return f"--classes {spec!r} is one name and no file{did_you_mean(spec, shipped_lists())}: {expected}"
