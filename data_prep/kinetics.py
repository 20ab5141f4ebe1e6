"""Source: Kinetics-400/600/700: annotation CSVs and a folder of videos, trimmed or not."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from data_prep.class_names import official_names, refuse_unknown
from data_prep.csv_file import read_rows, seconds
from data_prep.listing import (
  Listing,
  add_allow_missing,
  count_labels,
  drop_empty_classes,
  find_files,
  folder_at,
  raise_shortened,
  stem,
)
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.errors import InputError

_REQUIRED = ("label", "youtube_id", "time_start", "time_end")


class Segment(NamedTuple):
  """A line of the annotations."""

  label: str
  youtube_id: str
  start: float  # seconds
  end: float

  @property
  def name(self) -> str:
    """What the segment's own file is called, without suffix."""
    return f"{self.youtube_id}_{int(self.start):06d}_{int(self.end):06d}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    "--annotations", required=True, nargs="+", metavar="CSV", help="label,youtube_id,time_start,time_end,..."
  )
  parser.add_argument(
    "--videos", required=True, metavar="DIR", help="holds ID_START_END.mp4 or untrimmed ID.mp4, at any depth"
  )
  parser.add_argument(
    "--classes", metavar="NAME|FILE", help="such as kinetics400 (default: the annotations' classes, sorted)"
  )
  add_allow_missing(parser)


def from_options(options: argparse.Namespace) -> Listing:
  names = official_names(options.classes) if options.classes else None
  return list_kinetics(options.annotations, options.videos, names, options.allow_missing)


def list_kinetics(
  annotations: Sequence[str | Path],
  videos: str | Path,
  class_names: list[str] | None = None,
  allow_missing: bool = False,
) -> Listing:
  """The segments of annotation files, each from its own file or cut from the whole video.

  Files are known by their exact names at any depth under `videos`: `<id>_<start:06d>_<end:06d>.*` is the
  segment, `<id>.*` the whole video. Of several, the one in the class's folder is taken. A video's id is the
  segment's name. What YouTube no longer has is quarantined as missing.

  Raises:
    InputError: wrong annotations (every line, with its number), labels outside `class_names`, no such folder, classes
      without a video (unless `allow_missing`).
  """
  root = folder_at(videos, "--videos", f"videos such as {videos}/0wR5jVB-WPk_000417_000427.mp4")
  segments, quarantined, notes = _segments(annotations)
  names = class_names or sorted({segment.label for segment in segments})
  refuse_unknown((segment.label for segment in segments), names, "--annotations")
  rows = {name: row for row, name in enumerate(names)}
  found = find_files(root, VIDEO_SUFFIXES)
  files: dict[str, list[str]] = {}
  for path in found.files:
    files.setdefault(stem(path), []).append(path)
  entries: list[Entry] = []
  used: set[str] = set()
  for segment in segments:
    trimmed = _choose(files.get(segment.name), segment.label)
    whole = _choose(files.get(segment.youtube_id), segment.label)
    if trimmed:
      entries.append(Entry(str(root / trimmed), rows[segment.label], segment.name))
    elif whole:
      entry = Entry(str(root / whole), rows[segment.label], segment.name, segment.start, segment.end)
      entries.append(entry)
    else:
      quarantined.append(Quarantined(segment.name, f"missing: no {segment.name}.* or {segment.youtube_id}.*"))
    used.update(filter(None, (trimmed or whole,)))
  listing = Listing(
    entries,
    names,
    [*found.ignored, *(path for path in found.files if path not in used)],
    [*found.quarantined, *quarantined],
    count_labels((rows[segment.label] for segment in segments), len(names)),
    notes=notes,
  )
  return drop_empty_classes(listing, allow_missing, str(root))


def _choose(paths: list[str] | None, label: str) -> str | None:
  if not paths:
    return None
  folder = label.replace(" ", "_")
  return next((p for p in paths if folder in p.replace(" ", "_").split("/")[:-1]), paths[0])


def _segments(annotations: Sequence[str | Path]) -> tuple[list[Segment], list[Quarantined], list[str]]:
  """Segments in the files' order, each once; those listed again under another label; what to tell."""
  problems: list[str] = []
  segments: dict[str, Segment] = {}
  quarantined: list[Quarantined] = []
  repeated = 0
  for file in annotations:
    for segment in _read(file, problems):
      before = segments.setdefault(segment.name, segment)
      repeated += before is not segment and before.label == segment.label
      if before.label != segment.label:
        reason = (
          f"label unknown: the annotations give {before.label!r} and {segment.label!r}; the first is kept"
        )
        quarantined.append(Quarantined(segment.name, reason))
  raise_shortened(problems, "--annotations: lines that cannot be used:")
  notes = [f"the annotations name {repeated} segments more than once"] if repeated else []
  return list(segments.values()), quarantined, notes


def _read(file: str | Path, problems: list[str]) -> list[Segment]:
  columns: dict[str, int] = {}
  segments: list[Segment] = []
  for number, cells in read_rows(file, "--annotations"):
    if not columns:
      columns = {name.strip(): column for column, name in enumerate(cells)}
      _check_header(file, columns, len(cells))
      continue
    try:
      segments.append(_segment(cells, columns))
    except ValueError as error:
      problems.append(f"{file} line {number}: {error}")
  if not segments and not problems:
    problems.append(f"{file}: it names no video")
  return segments


def _check_header(file: str | Path, columns: dict[str, int], num_columns: int) -> None:
  missing = [name for name in _REQUIRED if name not in columns]
  if missing == ["label"]:
    raise InputError(
      f"--annotations {file} has no labels: it is a test list without answers. "
      "Give a list with a 'label' column, such as the validation list, or the test list with answers"
    )
  if not missing and len(columns) < num_columns:
    raise InputError(f"--annotations {file}: the first line names a column twice: {','.join(columns)}")
  if missing:
    raise InputError(
      f"--annotations {file}: the first line has no column {', '.join(missing)}; expected {','.join(_REQUIRED)}"
    )


def _segment(cells: list[str], columns: dict[str, int]) -> Segment:
  if len(cells) != len(columns):
    raise ValueError(f"{len(cells)} values, expected {len(columns)} ({','.join(columns)})")
  label, youtube_id, begin, finish = (cells[columns[name]].strip() for name in _REQUIRED)
  if not label or not youtube_id:
    raise ValueError("no label" if not label else "no youtube_id")
  start, end = seconds(begin, "time_start"), seconds(finish, "time_end")
  if start is None or end is None or end <= start:
    raise ValueError(f"time_start {begin!r}, time_end {finish!r}: expected seconds, the end after the start")
  return Segment(label, youtube_id, start, end)
