"""Source: a CSV file of videos, `path,label[,start,end]`."""

import argparse
import csv
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep.class_names import official_names
from data_prep.listing import Listing, add_allow_missing, count_labels, drop_empty_classes, raise_shortened
from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.errors import InputError, did_you_mean

COLUMNS = ("path", "label", "start", "end")


class Line(NamedTuple):
  """A line of the CSV; start and end in seconds."""

  number: int  # in the file, from 1
  path: str
  label: str
  start: float
  end: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    "--csv",
    required=True,
    metavar="FILE",
    help="path,label[,start,end] (seconds); the header may be left out",
  )
  parser.add_argument("--videos", metavar="DIR", help="what paths start from (default: the CSV's folder)")
  parser.add_argument(
    "--classes", metavar="NAME|FILE", help="fixes the classes and their order (default: the CSV's, sorted)"
  )
  add_allow_missing(parser)


def from_options(options: argparse.Namespace) -> Listing:
  names = official_names(options.classes) if options.classes else None
  return list_csv(options.csv, options.videos, names, options.allow_missing)


def list_csv(
  file: str | Path,
  videos: str | Path | None = None,
  class_names: list[str] | None = None,
  allow_missing: bool = False,
) -> Listing:
  """The videos of a CSV file (UTF-8, comma-separated, quoted where need be), in its order.

  The first line is a header where it names a `path` and a `label`; columns may then stand in any order. A
  video's id is its path as written, with `#START-END` where it has a segment. Labels are class names.

  Raises:
    InputError: the file is unreadable or no such CSV, lines are wrong (each with its number), a class has no video
      (unless `allow_missing`).
  """
  root = Path(videos) if videos else Path(file).parent
  lines = _read(Path(file))
  names = class_names or sorted({line.label for line in lines})
  rows = {name: row for row, name in enumerate(names)}
  entries: list[Entry] = []
  quarantined: list[Quarantined] = []
  for line in lines:
    path = root / line.path
    where = f"({Path(file).name} line {line.number})"
    if line.label not in rows:
      close = did_you_mean(line.label, names)
      quarantined.append(Quarantined(str(path), f"label unknown: {line.label!r}{close} {where}"))
    elif line.end is not None and line.end <= line.start:
      reason = (
        f"segment outside the video: it ends at {line.end:g} s, before it starts at {line.start:g} s {where}"
      )
      quarantined.append(Quarantined(str(path), reason))
    elif not path.is_file():
      quarantined.append(Quarantined(str(path), f"missing: no such file {where}"))
    else:
      entries.append(Entry(str(path), rows[line.label], _video_id(line), line.start, line.end))
  expected = count_labels((rows[line.label] for line in lines if line.label in rows), len(names))
  listing = Listing(entries, names, quarantined=quarantined, expected=expected)
  return drop_empty_classes(listing, allow_missing, f"--csv {file}")


def _video_id(line: Line) -> str:
  if line.start == 0 and line.end is None:
    return line.path
  return f"{line.path}#{line.start:g}-{'' if line.end is None else f'{line.end:g}'}"


def _read(file: Path) -> list[Line]:
  lines: list[Line] = []
  problems: list[str] = []
  columns: tuple[str, ...] | None = None
  first: dict[str, int] = {}  # line of every video id
  for number, cells in read_rows(file, "--csv"):
    if columns is None:
      header = tuple(cell.strip().casefold() for cell in cells)
      columns = COLUMNS[: len(cells)]
      if "path" in header and "label" in header:
        columns = header
        problems += [
          f"line {number}: column {c!r}{did_you_mean(c, COLUMNS)}" for c in header if c not in COLUMNS
        ]
        problems += [
          f"line {number}: column {c!r} is there {n} times" for c, n in Counter(header).items() if n > 1
        ]
        continue
    try:
      line = _line(number, cells, columns)
    except ValueError as error:
      problems.append(f"line {number}: {error}")
      continue
    if (before := first.setdefault(_video_id(line), number)) != number:
      problems.append(
        f"line {number}: {line.path!r} is in line {before} already; one label a video or segment"
      )
    lines.append(line)
  if not lines and not problems:
    problems.append("it names no video")
  raise_shortened(problems, f"--csv {file}: expected {','.join(COLUMNS[:2])} or {','.join(COLUMNS)}:")
  return lines


def _line(number: int, cells: list[str], columns: tuple[str, ...]) -> Line:
  if len(columns) < 2:
    raise ValueError(
      f"{','.join(cells)!r} has one value; expected at least a path and a label with a comma between"
    )
  if len(cells) != len(columns):
    raise ValueError(
      f"{len(cells)} values, expected {len(columns)} ({','.join(columns)}); quote names with commas"
    )
  values = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
  empty = [name for name in COLUMNS[:2] if not values[name]]
  if empty:
    raise ValueError(f"no {' and no '.join(empty)}")
  start = seconds(values.get("start", ""), "start") or 0.0
  return Line(number, values["path"], values["label"], start, seconds(values.get("end", ""), "end"))


def seconds(text: str, name: str) -> float | None:
  """A time that a list gives; None where it is left empty. ValueError for anything else."""
  if not text:
    return None
  try:
    value = float(text)
  except ValueError:
    value = -1.0
  if not 0 <= value < 1e9:
    raise ValueError(f"{name} {text!r}: expected seconds, 0 or more")
  return value


def read_rows(file: str | Path, option: str) -> Iterator[tuple[int, list[str]]]:
  """(line number, cells) of a CSV file's lines that are not blank; InputError where it cannot be read."""
  try:
    with open(file, encoding="utf-8-sig", newline="") as stream:
      reader = csv.reader(stream, strict=True)
      for cells in reader:
        if any(cell.strip() for cell in cells):
          yield reader.line_num, cells
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
    raise InputError(f"{option} {file} cannot be read as CSV in UTF-8: {reason}") from None
