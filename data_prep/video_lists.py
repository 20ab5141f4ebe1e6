"""Lists of videos as data sets publish them: one path a line, alone, with its class's number, or with frames and label."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from data_prep.class_names import FolderLabels
from data_prep.listing import IMAGE_SUFFIXES, Listing, count_labels, lines_of, raise_shortened, stem
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.data.schema import Entry, Quarantined

_LINE = re.compile(r"(?P<path>\S.*?)(?P<numbers>(?:\s+\d+){0,2})")


class Listed(NamedTuple):
  """A video that a list names."""

  path: str  # as listed, often without a suffix
  label: int


def read_video_list(file: str | Path, class_names: Sequence[str], option: str = "--list") -> list[Listed]:
  """The videos of a list; the format is told from each line.

  `PATH` and `PATH NUMBER` (classes counted from 1) are UCF101's official test and training lists; `PATH FRAMES
  LABEL` (classes counted from 0) is what E2E's code and others use for UCF101, HMDB51 and ActivityNet. The class
  comes from the path's folders where one of them bears a class's name, and must then agree with the number.

  Raises:
    InputError: lines without a class, or whose number contradicts the folder: every one, with its number.
  """
  labels = FolderLabels(class_names)
  listed: list[Listed] = []
  problems: list[str] = []
  for number, line in enumerate(lines_of(file, option), 1):
    if not line.strip():
      continue
    match = _LINE.fullmatch(line.strip())
    assert match is not None  # any text that is not blank is a path
    path, numbers = match["path"], [int(n) for n in match["numbers"].split()]
    first = 1 if len(numbers) == 1 else 0  # what the list's own counting begins with
    told = numbers[-1] - first if numbers else None
    label = labels.of_parts(path.split("/")[:-1])
    if label is None and told is not None and 0 <= told < len(class_names):
      label = told
    if label is None:
      problems.append(f"line {number}: {line.strip()!r}: neither a folder nor a number tells its class")
    elif told not in (None, label):
      problems.append(
        f"line {number}: {path!r} is of {class_names[label]!r}, number {label + first}; the line says {numbers[-1]}"
      )
    else:
      listed.append(Listed(path, label))
  if not listed and not problems:
    problems.append("it is empty")
  raise_shortened(
    problems, f"{option} {file}: expected PATH, PATH NUMBER or PATH FRAMES LABEL in every line:"
  )
  return listed


def select(listing: Listing, listed: Sequence[Listed]) -> Listing:
  """Of a listing what a list names, in the list's order; the rest of the list is quarantined.

  A video is known by its class and its file's name; where no file is named so, by its name without the suffix, as
  lists often leave that out or give another. Several files of that name are ambiguous, and none of them is taken.
  """
  by_name = {(entry.label, _name(entry.path)): [entry] for entry in listing.entries}
  by_stem: dict[tuple[int, str], list[Entry]] = {}
  for entry in listing.entries:
    by_stem.setdefault((entry.label, stem(entry.path)), []).append(entry)
  chosen: dict[str, Entry] = {}
  bad: dict[tuple[int, str], Quarantined] = {}
  for item in listed:
    matches = by_name.get((item.label, _name(item.path))) or by_stem.get((item.label, _stem(item.path)), [])
    if len(matches) == 1:
      chosen[matches[0].video_id] = matches[0]
    else:
      bad[item.label, _name(item.path)] = Quarantined(item.path, _why_not(matches))
  notes = list(listing.notes)
  if len(listing.entries) > len(chosen):
    notes.append(f"passed over {len(listing.entries) - len(chosen)} that the list does not name")
  if len(chosen) + len(bad) < len(listed):
    notes.append(f"the list names {len(listed) - len(chosen) - len(bad)} more than once")
  labels = [*(entry.label for entry in chosen.values()), *(label for label, _ in bad)]
  return listing._replace(
    entries=list(chosen.values()),
    quarantined=[*listing.quarantined, *bad.values()],
    expected=count_labels(labels, len(listing.class_names)),
    notes=notes,
  )


def _why_not(matches: Sequence[Entry]) -> str:
  if not matches:
    return "missing: the list names it, the folder does not hold it"
  found = ", ".join(_name(entry.path) for entry in matches)
  return f"ambiguous: the folder holds {found}; name one with its suffix in the list, or remove the others"


def _name(path: str) -> str:
  return path.rsplit("/", 1)[-1]


def _stem(path: str) -> str:
  """The name without suffix; many lists leave the suffix out, and names may hold dots."""
  known = path.lower().endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
  return stem(path) if known else _name(path)
