"""The page: sections of tables, figures and examples, rendered into one HTML file that needs nothing else."""

import base64
import csv
import io
import pathlib
import urllib.parse
from collections.abc import Sequence
from typing import Any, NamedTuple

from zsar_jax.errors import InputError
from zsar_jax.reporting import class_tables, overview, results
from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.numbers import data_set_title
from zsar_jax.reporting.run import Run

TEMPLATES = pathlib.Path(__file__).parent / "templates"


class Example(NamedTuple):
  """A video with its answer; `frames` are data URIs of JPEGs."""

  dataset: str
  video_id: str
  class_name: str
  predicted: str
  score: float
  right: bool
  frames: list[str]


class Bar(NamedTuple):
  """A part of a prototype's recipe; start and share in per cent."""

  name: str
  start: float
  share: float


def render(
  runs: Sequence[Run], names: Sequence[str], figures: Sequence[Figure], left_out: Sequence[str]
) -> str:
  """The whole page as text. Raises InputError where jinja2 is not installed."""
  try:
    import jinja2
    import markupsafe
  except ImportError as error:
    raise InputError("the report needs jinja2, which is not installed: pip install jinja2") from error
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )

  # The page's own drawings and files: nothing in them was given by a user.
  def inline(file: str) -> Any:
    return markupsafe.Markup((TEMPLATES / file).read_text(encoding="utf-8"))

  def drawing(figure: Figure) -> Any:
    return markupsafe.Markup(figure.svg)

  environment.globals |= {"csv_uri": csv_uri, "inline": inline, "drawing": drawing}
  return environment.get_template("page.html.j2").render(_content(runs, names, figures, left_out))


def _content(
  runs: Sequence[Run], names: Sequence[str], figures: Sequence[Figure], left_out: Sequence[str]
) -> dict[str, Any]:
  sets = results.data_sets_of(runs)
  papers = [results.paper_tables(runs, names, name) for name in sets]
  training = [figure for figure in figures if figure.name.startswith("training")]
  return {
    "title": overview.title(runs, names),
    "several": len(runs) > 1,
    "facts": overview.facts(runs, names),
    "sentences": overview.sentences(runs, names),
    "notes": overview.notes(runs, names),
    "comparison": results.comparison_table(runs, names) if len(runs) > 1 else None,
    "results": [results.results_table(run, name if len(runs) > 1 else "") for run, name in zip(runs, names, strict=True)],
    "papers": [tables for tables in papers if tables],
    "incomparable": [name for run, name in zip(runs, names, strict=True) if not results.comparable(run)],
    "generalized": results.generalized_table(runs, names),
    "spaces": results.spaces_table(runs, names),
    "figures": [figure for figure in figures if figure not in training],
    "training": training,
    "left_out": list(left_out),
    "classes": class_tables.class_table(runs, names),
    "removed": class_tables.removed_table(runs, names),
    "recipes": recipes(runs, names),
    "examples": [(name, examples(run)) for run, name in zip(runs, names, strict=True) if run.examples],
    "config": class_tables.config_table(runs, names),
  }  # fmt: skip


def recipes(runs: Sequence[Run], names: Sequence[str]) -> list[tuple[str, list[tuple[str, list[Bar]]]]]:
  """(heading, [(class, bars)]) of each run and data set whose prototypes are combined from seen classes."""
  found = []
  for run, name in zip(runs, names, strict=True):
    for data_set in run.unseen:
      made = [(recipe.name, _bars(recipe.parts)) for recipe in class_tables.recipes_of(run, data_set)]
      if made:
        title = data_set_title(data_set)
        found.append((f"{title}, {name}" if len(runs) > 1 else title, made))
  return found


def _bars(parts: Sequence[tuple[str, float]], num: int = 12) -> list[Bar]:
  """The `num` largest shares, and the rest as one."""
  shown = list(parts[:num])
  if len(parts) > num:
    shown.append((f"{len(parts) - num} more", sum(share for _, share in parts[num:])))
  bars, start = [], 0.0
  for name, share in shown:
    bars.append(Bar(name, round(100 * start, 2), round(100 * share, 2)))
    start += share
  return bars


def examples(run: Run) -> list[tuple[str, list[Example], list[Example]]]:
  """(data set, right ones, wrong ones); frames whose file is gone are left out."""
  grouped: dict[str, tuple[list[Example], list[Example]]] = {}
  for one in run.examples:
    # Only files inside the folder: the list is data, not a path to follow.
    files = [run.workdir / "examples" / pathlib.PurePath(frame).name for frame in one["frames"]]
    frames = [_jpeg_uri(file) for file in files if file.is_file()]
    made = Example(
      one["dataset"], one["video_id"], one["class"], one["predicted"], one["score"], one["right"], frames
    )
    grouped.setdefault(made.dataset, ([], []))[0 if made.right else 1].append(made)
  return [(data_set_title(name), right, wrong) for name, (right, wrong) in grouped.items()]


def _jpeg_uri(file: pathlib.Path) -> str:
  return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()


def csv_text(table: Sequence[Sequence[Any]]) -> str:
  """Rows as CSV; None is an empty field."""
  buffer = io.StringIO()
  csv.writer(buffer, lineterminator="\n").writerows(table)
  return buffer.getvalue()


def csv_uri(table: Sequence[Sequence[Any]]) -> str:
  """The CSV as a link that holds it."""
  return "data:text/csv;charset=utf-8," + urllib.parse.quote(csv_text(table))
