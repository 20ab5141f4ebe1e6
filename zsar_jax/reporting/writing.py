"""From workdirs to `report.html` and its figures."""

import itertools
import pathlib
from collections.abc import Sequence

from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import write_text
from zsar_jax.reporting import page
from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.optional_files import EXAMPLES
from zsar_jax.reporting.run import Run, read_runs


def write_report(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path | None = None, names: Sequence[str] | None = None
) -> pathlib.Path:  # fmt: skip
  """Writes `report.html` and `figures/<name>.svg`, `figures/<name>.csv`; returns the page's path.

  One workdir is reported inside itself; several stand side by side in `out`, by default the folder `compare-<names>`
  beside the first. `names` are what the page calls the runs, by default the workdirs' own names.

  Raises:
    InputError: a workdir holds no readable evaluation (all problems of all workdirs at once), or names do not fit.
  """
  folders = [pathlib.Path(workdir) for workdir in workdirs]
  called = run_names(folders, names)
  runs = read_runs(folders)
  target = pathlib.Path(out) if out else default_folder(folders, called)
  try:
    (target / "figures").mkdir(parents=True, exist_ok=True)
    return write_files(target, runs, called, *draw(runs, called))
  except OSError as error:
    raise InputError(f"{target}: the report cannot be written: {error}") from error


def write_files(
  target: pathlib.Path, runs: Sequence[Run], names: Sequence[str], figures: Sequence[Figure], left_out: Sequence[str]
) -> pathlib.Path:  # fmt: skip
  """Writes what `draw` made, and the page around it, into a folder; returns the page's path. Raises OSError."""
  _check_names(figures)
  (target / "figures").mkdir(parents=True, exist_ok=True)
  for figure in figures:
    write_text(target / "figures" / f"{figure.name}.svg", figure.svg)
    write_text(target / "figures" / f"{figure.name}.csv", page.csv_text(figure.table))
  write_text(target / "report.html", page.render(runs, names, figures, left_out))
  return target / "report.html"


def _check_names(figures: Sequence[Figure]) -> None:
  """Figures of one name would write over each other and share the page's ids."""
  names = [figure.name for figure in figures]
  twice = sorted({name for name in names if names.count(name) > 1})
  assert not twice, f"several figures are called {', '.join(twice)}"


def run_names(folders: Sequence[pathlib.Path], names: Sequence[str] | None) -> list[str]:
  """What the runs are called: `names`, or as much of each path's end as tells them apart."""
  if not folders:
    raise InputError("no workdir was given, expected at least one")
  if names:
    problems = []
    if len(names) != len(folders):
      problems.append(f"--names has {len(names)} names for {len(folders)} workdirs, expected one for each")
    if len(set(names)) < len(names) or not all(names):
      problems.append(f"--names is {','.join(names)!r}, expected names that differ and are not empty")
    raise_all(problems)
    return list(names)
  resolved = [folder.resolve() for folder in folders]
  twice = sorted({str(folder) for folder in resolved if resolved.count(folder) > 1})
  raise_all([f"{folder} was given twice, expected different workdirs (or --names)" for folder in twice])
  for length in itertools.count(1):
    called = ["/".join(folder.parts[-length:]) for folder in resolved]
    if len(set(called)) == len(called):
      return called
  raise AssertionError("different paths differ in the end")


def default_folder(folders: Sequence[pathlib.Path], names: Sequence[str]) -> pathlib.Path:
  """The workdir itself; of several `compare-A-B` beside the first."""
  if len(folders) == 1:
    return folders[0]
  joined = "-".join(name.replace("/", "_").replace(" ", "_") for name in names)
  return folders[0].resolve().parent / f"compare-{joined[:80]}"


def draw(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[Figure], list[str]]:
  """The figures, and a sentence for each one that could not be drawn, and for examples that cannot be shown."""
  figures: list[Figure] = []
  left_out: list[str] = []
  try:
    from zsar_jax.reporting.figures import draw_figures

    for drawn in draw_figures(runs, names):
      if isinstance(drawn, Figure):
        figures.append(drawn)
      else:
        left_out.append(drawn)
  except ImportError as error:
    left_out.append(f"Figures were left out: {error}; pip install matplotlib scikit-learn.")
  left_out += [f"Examples: {run.faults[EXAMPLES]}" for run in runs if EXAMPLES in run.faults]
  return figures, left_out
