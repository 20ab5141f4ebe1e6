"""What a study is: runs of configs, the numbers to read from their reports, and the printed ones to set beside them.

A study file (`configs/studies/*.py`) defines `get_study(variant="") -> Study`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.python_files import call_in_file

NOTHING: Mapping[str, Any] = MappingProxyType({})
SCALES = ("linear", "log", "categories")
EVALUATION = (
  "eval.",
  "transfer.",
)  # keys that change no parameter; `vectors` is one too where the method is ResT

Place = float | str  # of a point on the x axis
Printed = Mapping[str, Mapping[str, Sequence[tuple[Place, float]]]]


class Metric(NamedTuple):
  """One number of a report: a key of one row."""

  label: str
  data_set: str
  protocol: str = "all"
  key: str = "top1"
  level: str = "video"
  space: str = ""  # empty: the one of the primary row


class Run(NamedTuple):
  """One point: a config, what it trains otherwise, and how that is evaluated.

  `level` and `space` read another row of the same report than the metric says, at no cost.
  """

  series: str
  x: Place
  config: str  # `FILE.py` or `FILE.py:variant`
  train: Mapping[str, Any] = NOTHING  # keys that change what is trained
  evaluate: Mapping[str, Any] = NOTHING  # eval.*, transfer.*; of ResT also `vectors`
  draw: int = 0  # runs that differ in it alone are averaged, and their spread is the error bar
  init_from: str = ""  # name of an earlier run, whose weights this one starts from
  level: str = ""
  space: str = ""

  @property
  def name(self) -> str:
    """Unique in a study."""
    x = self.x if isinstance(self.x, str) else f"{self.x:g}"
    return f"{self.series}, {x}" + (f", draw {self.draw}" if self.draw else "")


class Study(NamedTuple):
  """Everything about one experiment."""

  title: str
  shows: str  # what the paper found, in one sentence
  x_label: str
  metrics: Sequence[Metric]
  runs: Sequence[Run]
  scale: str = "categories"  # of the x axis: linear, log or categories
  pretraining: Sequence[Run] = ()  # runs that others start from; in no table
  printed: Printed = NOTHING  # metric label -> series -> (x, per cent) of the paper
  note: str = ""  # what a reader of the numbers must know
  by_distance: bool = (
    False  # x is the classes' distance from the training classes (E2E Fig. 7): a curve a run
  )

  @property
  def everything(self) -> list[Run]:
    """All runs, those first that others start from."""
    return [*self.pretraining, *self.runs]


def load_study(path: str) -> Study:
  """Reads `FILE.py` or `FILE.py:variant`.

  Raises:
    InputError: no such file, it fails, or the study is inconsistent (everything wrong at once).
  """
  study = call_in_file(path, "get_study", "study", "configs/studies")
  if not isinstance(study, Study):
    raise InputError(f"{path}: get_study gave {type(study).__name__}, expected a zsar_jax.studies.plan.Study")
  check_study(study, path)
  return study


def check_study(study: Study, origin: str) -> None:
  """Raises InputError that lists everything inconsistent in a study; opens no config."""
  names = [run.name for run in study.everything]
  labels = [metric.label for metric in study.metrics]
  problems = [] if study.runs else ["it has no runs"]
  problems += [] if labels else ["it has no metrics"]
  problems += [f"{count} runs are called {name!r}" for name, count in Counter(names).items() if count > 1]
  problems += [
    f"{count} metrics are called {label!r}" for label, count in Counter(labels).items() if count > 1
  ]
  problems += [f"printed values are for {label!r}, which is no metric{did_you_mean(label, labels)}"
               for label in study.printed if label not in labels]  # fmt: skip
  for i, run in enumerate(study.everything):
    problems += [f"run {run.name!r}: {problem}" for problem in _run_problems(run, names[:i])]
  problems += [*_axis_problems(study), *_printed_problems(study)]
  raise_all(problems, f"{origin}: the study is wrong:")


def _axis_problems(study: Study) -> list[str]:
  if study.scale not in SCALES:
    return [f"scale is {study.scale!r}, expected one of {', '.join(SCALES)}"]
  if study.by_distance:
    return ["scale is 'log', but distances may be 0: take linear"] if study.scale == "log" else []
  if study.scale == "categories":
    return []
  problems = [f"run {r.name!r}: x is {r.x!r}, expected a number" for r in study.runs if isinstance(r.x, str)]
  if study.scale == "log":
    problems += [
      f"run {r.name!r}: x is {r.x!r}, expected a number above 0, for scale is 'log'"
      for r in study.runs
      if not isinstance(r.x, str) and not r.x > 0
    ]
  return problems


def _printed_problems(study: Study) -> list[str]:
  """Printed numbers stand beside runs: a slip in a name or place would leave them out of the table, silently."""
  places: dict[str, list[Place]] = {}
  for run in study.runs:
    places.setdefault(run.series, []).append(run.x)
  problems = []
  for label, by_series in study.printed.items():
    for series, points in by_series.items():
      if series not in places:
        near = did_you_mean(series, places)
        problems.append(
          f"printed values of {label!r} are for the series {series!r}, which no run is of{near}"
        )
      elif not study.by_distance:  # there, x comes from the classes
        problems += [
          f"a printed value of {label!r}, {series!r} stands at x {x!r}, where no run is: expected one of "
          f"{', '.join(dict.fromkeys(map(repr, places[series])))}"
          for x, _ in points
          if x not in places[series]
        ]
  return problems


def _run_problems(run: Run, earlier: Sequence[str]) -> list[str]:
  problems = [
    f"{key!r} in `evaluate` changes what is trained: put it into `train`"
    for key in run.evaluate
    if not key.startswith(EVALUATION) and key != "vectors"
  ]
  if run.init_from and run.init_from not in earlier:
    known = did_you_mean(run.init_from, earlier)
    problems.append(f"it starts from {run.init_from!r}, but no run before it has that name{known}")
  return problems
