"""A study: many runs, one table, one figure. `python -m zsar_jax.study --config configs/studies/num_classes.py[:demo]`

Trains and evaluates whatever is missing of a study, one run after another; started again, it goes on where it stopped. Trainings lie in
WORKDIR/runs under names made of their content, so that studies which need the same one train it once; the table (CSV, Markdown, JSON)
and the figures (SVG, CSV) go to WORKDIR/STUDY. Keys of the config given here (`--config.data.dir=DIR`) hold for all runs.
Exit codes: 0 done, 1 a run failed (the others were run), 2 wrong input, 130/143 stopped by a signal.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from zsar_jax import commands
from zsar_jax.main import default_workdir
from zsar_jax.studies.checks import check_inputs, select
from zsar_jax.studies.jobs import Job, as_typed, commands_left, find_report, plan_jobs
from zsar_jax.studies.plan import Study, load_study
from zsar_jax.studies.results import collect, read_metric, read_report
from zsar_jax.studies.runner import run_jobs
from zsar_jax.studies.writing import markdown_table, write_results


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
  parser = argparse.ArgumentParser(prog="zsar_jax.study", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument(
    "--config", required=True, metavar="FILE.py[:variant]", help="the study; `:demo` is on generated video"
  )
  parser.add_argument(
    "--workdir", type=pathlib.Path, default=pathlib.Path("runs/studies"), help="default: %(default)s"
  )
  parser.add_argument(
    "--only", metavar="TEXT", help="run only what has TEXT in its name (and what that starts from)"
  )
  parser.add_argument("--dry_run", action="store_true", help="say what would be run, and check every config")
  args, overrides = commands.parse_with_config(parser, argv)
  return run_study(args.config, args.workdir, overrides, args.only or "", dry_run=args.dry_run)


def run_study(
  path: str, workdir: pathlib.Path, overrides: dict[str, str], only: str, *, dry_run: bool
) -> int:
  """Runs what is missing and writes the results; returns 1 where a run failed, else 0.

  Raises:
    InputError: the study, a config, a data set or `only` is wrong; nothing was run yet.
  """
  study = load_study(path)
  jobs = plan_jobs(study, workdir, overrides, path)
  chosen = select(jobs, only)
  if dry_run:
    _show_plan(chosen)
    return 0
  check_inputs([job for job in chosen if commands_left(job)], path)
  plotted = jobs[len(study.pretraining) :]
  failures = run_jobs(chosen, workdir / "compiled", _say, lambda job: _summary(study, job))
  points = collect(study, plotted, _say)
  name = default_workdir(path).name
  reports = {job.run.name: str(find_report(job) or "") for job in jobs}
  files = write_results(workdir / name, name, study, points, reports, failures)
  print("\n".join(["", study.title, "", *markdown_table(study, points), "", *map(str, files)]))
  return 1 if failures else 0


def _say(text: str) -> None:
  print(text, flush=True)


def _summary(study: Study, job: Job) -> str:
  """The numbers of a finished run."""
  report = read_report(job)
  if report is None or job.run not in study.runs:
    return str(job.workdir)
  told = [(metric.label, read_metric(job, metric, report, lambda _: None)) for metric in study.metrics]
  return ", ".join(f"{label} {reading.value:.1f}" for label, reading in told if reading is not None)


def _show_plan(jobs: Sequence[Job]) -> None:
  planned: dict[pathlib.Path, set[pathlib.Path]] = {}
  for number, job in enumerate(jobs, 1):
    left = commands_left(job)
    before = planned.setdefault(job.workdir, set())
    if not left:
      state = "is there"
    elif job.results in before:
      state = "the run above, read otherwise"
    else:
      state = "the training above, evaluated otherwise" if before else "to be run"
    print(f"[{number}/{len(jobs)}] {job.run.name}: {state} ({job.workdir})")
    if not before:
      print("".join(f"    {as_typed(argv)}\n" for _, argv in left), end="")
    before.add(job.results)


if __name__ == "__main__":
  sys.exit(main())
