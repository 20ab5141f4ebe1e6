"""Source: ActivityNet: JSON annotations, of which every labelled segment becomes one video."""

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.class_names import official_names, refuse_unknown
from data_prep.listing import (
  Found,
  Listing,
  add_allow_missing,
  count_labels,
  drop_empty_classes,
  find_files,
  folder_at,
  raise_shortened,
  stem,
)
from data_prep.video_lists import read_video_list
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.errors import InputError
from zsar_jax.files import parse_json

SUBSETS = ("training", "validation")
# Durations in the annotations are rounded, and decoders count a little differently.
_SECONDS_TOLERATED = 1.0


class Segment(NamedTuple):
  """A labelled part of a video."""

  start: float  # seconds
  end: float
  label: str


class Video(NamedTuple):
  """A video of the annotations."""

  subset: str
  duration: float  # seconds
  segments: list[Segment]


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("--annotations", metavar="JSON", help="such as activity_net.v1-3.min.json")
  parser.add_argument(
    "--list", metavar="FILE", help="instead: PATH FRAMES LABEL a line; whole videos are taken"
  )
  parser.add_argument("--videos", required=True, metavar="DIR", help="holds v_ID.* or ID.*, at any depth")
  parser.add_argument("--subset", choices=SUBSETS, help="default: both")
  add_allow_missing(parser)


def from_options(options: argparse.Namespace) -> Listing:
  if bool(options.annotations) == bool(options.list) or (options.list and options.subset):
    raise InputError("activitynet needs --annotations JSON [--subset SUBSET], or --list FILE: one of the two")
  names = official_names("activitynet200")
  if options.list:
    return list_whole(options.list, options.videos, names, options.allow_missing)
  subsets = (options.subset,) if options.subset else SUBSETS
  return list_segments(options.annotations, options.videos, names, subsets, options.allow_missing)


def list_segments(
  annotations: str | Path,
  videos: str | Path,
  class_names: list[str],
  subsets: tuple[str, ...] = SUBSETS,
  allow_missing: bool = False,
) -> Listing:
  """Every labelled segment of the subsets, as one video `ID_K` (K counts a video's segments from 0).

  Raises:
    InputError: wrong annotations (every place), unknown labels, no such folder, classes without a video (unless
      `allow_missing`).
  """
  database = _database(annotations)
  chosen = {key: video for key, video in database.items() if video.subset in subsets}
  others = Counter(video.subset for key, video in database.items() if key not in chosen)
  refuse_unknown((s.label for v in chosen.values() for s in v.segments), class_names, f"{annotations}")
  rows = {name: row for row, name in enumerate(class_names)}
  found, files = _files(videos)
  entries: list[Entry] = []
  quarantined: list[Quarantined] = []
  labels: list[int] = []
  for key, video in chosen.items():
    for number, segment in enumerate(video.segments):
      name, label = f"{key}_{number}", rows[segment.label]
      labels.append(label)
      start, end, duration = segment.start, segment.end, video.duration
      if not _inside(start, end, duration):
        reason = f"segment outside the video: {start:g} to {end:g} s of {duration:g} s in the annotations"
        quarantined.append(Quarantined(name, reason))
      elif key not in files:
        quarantined.append(Quarantined(name, f"missing: no v_{key}.* or {key}.*"))
      else:
        entries.append(Entry(files[key], label, name, start, min(end, duration)))
  notes = [f"passed over {count} videos of subset {name!r}" for name, count in sorted(others.items())]
  expected = count_labels(labels, len(class_names))
  listing = Listing(
    entries, class_names, found.ignored, [*found.quarantined, *quarantined], expected, notes=notes
  )
  return drop_empty_classes(listing, allow_missing, f"--videos {videos}")


def list_whole(
  file: str | Path, videos: str | Path, class_names: list[str], allow_missing: bool = False
) -> Listing:
  """The videos of a list `PATH FRAMES LABEL`, whole, one label each: what E2E is tested on (Section 4)."""
  listed = read_video_list(file, class_names)
  found, files = _files(videos)
  keys = [_key(item.path.rsplit("/", 1)[-1]) for item in listed]
  present = [(key, item) for key, item in zip(keys, listed, strict=True) if key in files]
  missing = [
    Quarantined(item.path, f"missing: no v_{key}.* or {key}.*")
    for key, item in zip(keys, listed, strict=True)
    if key not in files
  ]
  entries = [Entry(files[key], item.label, key) for key, item in present]
  expected = count_labels((item.label for item in listed), len(class_names))
  listing = Listing(entries, class_names, found.ignored, [*found.quarantined, *missing], expected)
  return drop_empty_classes(listing, allow_missing, f"--videos {videos}")


def _inside(start: float, end: float, duration: float) -> bool:
  return 0 <= start < min(end, duration) and end <= duration + _SECONDS_TOLERATED


def _files(videos: str | Path) -> tuple[Found, dict[str, str]]:
  """Files by YouTube id."""
  root = folder_at(videos, "--videos", f"videos such as {videos}/v_sJFgo9H6zNo.mp4")
  found = find_files(root, VIDEO_SUFFIXES)
  files: dict[str, str] = {}
  for path in reversed(found.files):
    files[_key(stem(path))] = str(root / path)
  return found, files


def _key(name: str) -> str:
  # A YouTube id has 11 characters and may itself begin with v_.
  return name[2:] if name.startswith("v_") and len(name) != 11 else name


def _database(file: str | Path) -> dict[str, Video]:
  try:
    items = list(parse_json(Path(file).read_text(encoding="utf-8"))["database"].items())
  except OSError as error:
    raise InputError(f"--annotations {file} cannot be read: {error.strerror or error}") from None
  except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
    expected = '{"database": {ID: {"subset", "duration", "annotations": [{"segment", "label"}]}}}'
    raise InputError(f"--annotations {file}: expected JSON such as {expected}") from None
  problems: list[str] = []
  database = {key: _video(key, told, problems) for key, told in items}
  raise_shortened(problems, f"--annotations {file}: videos that cannot be used:")
  return database


def _video(key: str, told: Any, problems: list[str]) -> Video:
  """A video as the annotations tell of it; what is wrong with it is added to `problems`."""
  try:
    subset, duration = told["subset"], _seconds(told["duration"])
    annotations = [(annotation["segment"], annotation["label"]) for annotation in told["annotations"]]
  except (KeyError, TypeError) as error:
    expected = "subset, duration and annotations with segment [start, end] and label"
    problems.append(f"{key}: expected {expected} ({error!r})")
    return Video("", 0.0, [])
  if not isinstance(subset, str):
    problems.append(f"{key}: its subset is {subset!r}, expected a text")
  if duration is None:
    problems.append(f"{key}: its duration is {told['duration']!r}, expected seconds")
  segments = []
  for segment, label in annotations:
    times = [_seconds(time) for time in segment] if isinstance(segment, list) else []
    numbers = [time for time in times if time is not None]
    if len(times) != 2 or len(numbers) != 2:
      problems.append(f"{key}: a segment is {segment!r}, expected [start, end] in seconds")
    if not isinstance(label, str):
      problems.append(f"{key}: a label is {label!r}, expected a text")
    start, end = numbers if len(numbers) == 2 else (0.0, 0.0)
    segments.append(Segment(start, end, label))
  return Video(subset, duration or 0.0, segments)


def _seconds(value: Any) -> float | None:
  """A time, written as a number or as a text; None for anything else."""
  try:
    seconds = (
      float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    )
  except (ValueError, OverflowError):
    return None
  return seconds if math.isfinite(seconds) else None
