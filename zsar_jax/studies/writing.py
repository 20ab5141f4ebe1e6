"""What a study leaves behind: one table as CSV, Markdown and JSON, and its figures with the numbers in them."""

import csv
import io
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from zsar_jax.files import write_text
from zsar_jax.reporting.figures.study import ERRORS, study_figure
from zsar_jax.studies.plan import Place, Study
from zsar_jax.studies.results import Point
from zsar_jax.studies.runner import Failure

HEADING = ("metric", "series", "x", "mean", "error", "error of", "draws", "missing", "printed")
MOST_ROWS = 40  # of a table to read; the CSV has all


def write_results(folder: pathlib.Path, name: str, study: Study, points: Sequence[Point], workdirs: dict[str, str],
                  failures: Sequence[Failure]) -> list[pathlib.Path]:  # fmt: skip
  """Writes NAME.csv, NAME.md, NAME.json and, for every figure, .svg and .csv; gives their paths.

  Args:
    workdirs: run name -> where its report is, "" if it is not there.
  """
  folder.mkdir(parents=True, exist_ok=True)
  files = {
    f"{name}.csv": _csv([HEADING, *(_csv_row(study, point) for point in points)]),
    f"{name}.md": _markdown(study, points, failures),
    f"{name}.json": json.dumps(_as_dict(study, points, workdirs, failures), indent=1, ensure_ascii=False)
    + "\n",
  }
  for figure in draw(name, study, points):
    files[f"{figure.name}.svg"] = figure.svg
    files[f"{figure.name}.points.csv"] = _csv(figure.table)
  for file, text in files.items():
    write_text(folder / file, text)
  return [folder / file for file in files]


def draw(name: str, study: Study, points: Sequence[Point]) -> list[Any]:
  """One figure; where there are several series and several metrics, one a metric. None without a point."""
  there = [point for point in points if point.mean is not None]
  labels = list(dict.fromkeys(point.metric for point in there))
  several = len({point.series for point in there}) > 1
  groups = [[label] for label in labels] if several else [labels] if labels else []
  figures = []
  for group in groups:
    drawn = [point for point in there if point.metric in group]
    key = (lambda p: p.series) if several else (lambda p: p.metric)
    series: dict[str, list[tuple[Place, float | None, float | None, int, str]]] = {}
    for p in drawn:
      series.setdefault(key(p), []).append((p.x, p.mean, p.error, len(p.values), p.error_of))
    chances = {p.chance for p in drawn}
    figure = study_figure(
      study.title, study.x_label, f"{group[0]}, per cent" if len(group) == 1 else "per cent", series,
      chance=chances.pop() if len(chances) == 1 else None, printed=_printed(study, group, several),
      log_x=study.scale == "log", categorical=study.scale == "categories" and not study.by_distance,
    )  # fmt: skip
    stem = name if len(groups) == 1 else f"{name}-{_slug(group[0])}"
    figures.append(figure._replace(name=stem))
  return figures


def _printed(
  study: Study, labels: Sequence[str], several: bool
) -> dict[str, list[tuple[Place, float]]] | None:
  if several:
    return {series: list(points) for series, points in study.printed.get(labels[0], {}).items()} or None
  merged = {
    label: [point for points in study.printed.get(label, {}).values() for point in points] for label in labels
  }
  return {label: points for label, points in merged.items() if points} or None


def _printed_value(study: Study, point: Point) -> float | None:
  return dict(study.printed.get(point.metric, {}).get(point.series, ())).get(point.x)


def _csv_row(study: Study, point: Point) -> list[Any]:
  numbers = [None if number is None else round(number, 3) for number in (point.mean, point.error)]
  return [point.metric, point.series, point.x, *numbers, point.error_of, len(point.values), point.num_missing,
          _printed_value(study, point)]  # fmt: skip


def _csv(rows: Sequence[Sequence[Any]]) -> str:
  text = io.StringIO()
  csv.writer(text, lineterminator="\n").writerows(rows)
  return text.getvalue()


def _markdown(study: Study, points: Sequence[Point], failures: Sequence[Failure]) -> str:
  lines = [f"# {study.title}", "", f"In the paper: {study.shows}", ""]
  lines += [study.note, ""] if study.note else []
  lines += markdown_table(study, points)
  lines += ["", *(f"- failed: {failure.name} ({failure.reason})" for failure in failures)]
  return "\n".join(lines).rstrip() + "\n"


def markdown_table(study: Study, points: Sequence[Point]) -> list[str]:
  """A row for every series and x, a column for every metric: mean ± error, and the printed number."""
  labels = list(dict.fromkeys(point.metric for point in points))
  by_row: dict[tuple[str, Place], dict[str, Point]] = {}
  for point in points:
    by_row.setdefault((point.series, point.x), {})[point.metric] = point
  rows = [[series, _shown(x), *(_cell(study, cells.get(label)) for label in labels)]
          for (series, x), cells in by_row.items()]  # fmt: skip
  step = -(-len(rows) // MOST_ROWS) if study.by_distance else 1
  heading = ["series", study.x_label, *labels]
  lines = [heading, ["---"] * 2 + ["---:"] * len(labels), *rows[::step]]
  errors = sorted({point.error_of for point in points if point.error_of})
  after = f"± is {' or '.join(f'the {ERRORS[error]}' for error in errors)}." if errors else ""
  return ["| " + " | ".join(line) + " |" for line in lines] + (["", after] if after else [])


def _shown(x: Place) -> str:
  return x if isinstance(x, str) else f"{x:g}"


def _cell(study: Study, point: Point | None) -> str:
  if point is None:
    return "–"
  if point.mean is None:
    return "missing"
  text = f"{point.mean:.1f}" + (f" ± {point.error:.1f}" if point.error is not None else "")
  text += f" ({point.num_missing} missing)" if point.num_missing else ""
  printed = _printed_value(study, point)
  return text if printed is None else f"{text} (printed {printed:g})"


def _as_dict(
  study: Study, points: Sequence[Point], workdirs: dict[str, str], failures: Sequence[Failure]
) -> dict[str, Any]:
  return {
    "title": study.title,
    "shows": study.shows,
    "note": study.note,
    "x_label": study.x_label,
    "points": [point._asdict() | {"printed": _printed_value(study, point)} for point in points],
    "runs": [{"name": name, "report": report or None} for name, report in workdirs.items()],
    "failed": [failure._asdict() for failure in failures],
  }


def _slug(text: str) -> str:
  return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
