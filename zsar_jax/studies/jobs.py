"""From a study to what has to be run: resolved configs, and the folder that each training has by its content."""

import hashlib
import json
import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from zsar_jax import config as configs
from zsar_jax.config import FREE_ON_RESUME, Config
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json
from zsar_jax.studies.plan import Run, Study

# Keys that change no number of a report.
NO_NUMBER = (
  "data.dir",
  "data.workers",
  "data.verify",
  "logging",
  "checkpoint",
  "eval.report",
  "eval.batch_size",
)


class Job(NamedTuple):
  """One run of a study, resolved. Jobs that train the same share `workdir`."""

  run: Run
  trained: Config
  evaluated: Config
  train_keys: dict[str, str]  # overrides of the run's config, as text
  evaluate_keys: dict[str, str]
  workdir: pathlib.Path
  source: "Job | None"  # whose weights it starts from

  @property
  def trains_alone(self) -> bool:
    """Whether training must not be told the evaluation's keys: other vectors may remove other seen classes."""
    return "vectors" in self.evaluate_keys

  @property
  def results(self) -> pathlib.Path:
    """Where this evaluation goes if the workdir holds another."""
    told = _kept(
      configs.to_flat(self.evaluated), (*NO_NUMBER, "model.init_from")
    )  # the workdir's name says that
    return self.workdir / "results" / _digest(told)


def plan_jobs(study: Study, workdir: pathlib.Path, overrides: Mapping[str, str], origin: str) -> list[Job]:
  """A job for every run, those first that others start from.

  Args:
    workdir: where trainings are kept, shared by all studies.
    overrides: keys from the command line, for all runs.

  Raises:
    InputError: configs that do not load, with all their problems; keys from the command line that the study varies.
  """
  raise_all(_varied(study, workdir, overrides), f"{origin}: keys on the command line hold for all runs:")
  jobs, problems = _make_jobs(study, workdir, overrides)
  raise_all(
    [f"{some_runs(names)}: {text}" for text, names in problems.items()], f"{origin}: runs cannot start:"
  )
  return jobs


def some_runs(names: list[str]) -> str:
  """What a message calls the runs that it is about."""
  return f"run {names[0]!r}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _make_jobs(
  study: Study, workdir: pathlib.Path, overrides: Mapping[str, str]
) -> tuple[list[Job], dict[str, list[str]]]:
  """The jobs that can start, and {problem: names of the runs that have it}."""
  jobs: dict[str, Job] = {}
  problems: dict[str, list[str]] = {}
  for run in study.everything:
    if run.init_from and run.init_from not in jobs:
      continue  # what it starts from has a problem, told once
    try:
      jobs[run.name] = _make_job(run, workdir, overrides, jobs.get(run.init_from))
    except InputError as error:
      problems.setdefault(str(error), []).append(run.name)
  return list(jobs.values()), problems


def _varied(study: Study, workdir: pathlib.Path, overrides: Mapping[str, str]) -> list[str]:
  """Keys in which the runs differ, by whatever sets them: one value for all would make them the same under different names."""
  if not _kept(overrides, NO_NUMBER):
    return []
  jobs, _ = _make_jobs(study, workdir, {})  # what only loads with the keys given has no value of its own
  problems = []
  for key in _kept(overrides, NO_NUMBER):
    # How long something is pretrained, and at which rate, is in no table.
    compared = [job for job in jobs if job.run in study.runs or not key.startswith("train.")]
    values = {_as_text(configs.to_flat(job.evaluated).get(key)) for job in compared}
    if len(values) > 1:
      told = ", ".join(value or "unset" for value in sorted(values))
      problems.append(f"'{key}' is what this study varies ({told}); leave it out")
  levels = {run.level or metric.level for run in study.runs for metric in study.metrics}
  if overrides.get("eval.num_clips") == "1" and len(levels) > 1:
    told = ", ".join(sorted(levels))
    problems.append(
      f"'eval.num_clips' 1 makes the levels that this study compares ({told}) the same; leave it out"
    )
  return problems


def _make_job(run: Run, workdir: pathlib.Path, overrides: Mapping[str, str], source: "Job | None") -> Job:
  train = {key: _as_text(value) for key, value in run.train.items()}
  if source is not None:
    train["model.init_from"] = str(source.workdir)
  train |= {"eval.report": "false", **overrides}
  evaluate = {key: _as_text(value) for key, value in run.evaluate.items() if key not in overrides}
  trained = configs.load(run.config, train)
  evaluated = configs.load(run.config, train | evaluate)
  if "vectors" in evaluate and trained.method != "rest":
    raise InputError("'vectors' in `evaluate` is for ResT alone: other methods are trained towards them")
  file, _, variant = run.config.partition(":")
  stem = pathlib.Path(file).stem + (f"-{variant}" if variant else "")
  folder = workdir / "runs" / f"{stem}-{_digest(_training(trained, source))}"
  return Job(run, trained, evaluated, train, evaluate, folder, source)


def _training(config: Config, source: "Job | None") -> dict[str, Any]:
  """Everything that parameters depend on."""
  kept = _kept(configs.to_flat(config), FREE_ON_RESUME)
  if source is not None:
    kept["model.init_from"] = source.workdir.name  # a run is known by its content, wherever it lies
  return kept


def command(job: Job, *, evaluate_only: bool, results: pathlib.Path | None = None) -> list[str]:
  """The command line that trains a job (with the evaluation that comes with it), or evaluates it into `results`."""
  keys = job.train_keys if job.trains_alone and not evaluate_only else job.train_keys | job.evaluate_keys
  argv = [sys.executable, "-m", "zsar_jax.main", "--config", job.run.config, "--workdir", str(job.workdir)]
  argv += ["--evaluate_only"] if evaluate_only else []
  argv += ["--results", str(results)] if results is not None else []
  return argv + [f"--config.{key}={value}" for key, value in keys.items()]


def commands_left(job: Job) -> list[tuple[str, list[str]]]:
  """(what it does, command) of everything that is still to be run for a job; empty when its report is there."""
  if find_report(job) is not None:
    return []
  evaluate = ("evaluated", command(job, evaluate_only=True, results=job.results))
  if is_trained(job):
    return [evaluate]
  train = ("trained", command(job, evaluate_only=False))
  return [train, evaluate] if job.trains_alone else [train]


def as_typed(argv: list[str]) -> str:
  """A command as one would type it."""
  return shlex.join(["python", *argv[1:]])


def is_trained(job: Job) -> bool:
  """Whether training came to its end: an evaluation, of this job or of another, follows it at once."""
  free = (*FREE_ON_RESUME, "vectors") if job.trains_alone else FREE_ON_RESUME
  return any(_is_report_of(file, job, free) for file in sorted(job.workdir.glob("report*.json")))


def find_report(job: Job) -> pathlib.Path | None:
  """The report of exactly this run, if it is there."""
  order = job.evaluated.eval.frame_order
  name = "report.json" if order == "natural" else f"report-{order}.json"
  for file in (job.workdir / name, job.results / name):
    if _is_report_of(file, job, NO_NUMBER):
      return file
  return None


def _is_report_of(file: pathlib.Path, job: Job, free: tuple[str, ...]) -> bool:
  """Whether a file is a report whose config is the job's, but for the `free` keys."""
  free = (*free, "model.init_from") if job.source is not None else free  # the folder's name says it
  try:
    report = parse_json(file.read_text(encoding="utf-8"))
    saved = configs.from_dict(report["config"], str(file))
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return False  # not there, or no report of this version
  return _kept(configs.to_flat(saved), free) == _kept(configs.to_flat(job.evaluated), free)


def _kept(flat: Mapping[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
  return {k: v for k, v in flat.items() if not any(k == i or k.startswith(i + ".") for i in ignored)}


def _digest(values: Mapping[str, Any]) -> str:
  """Names a folder. Defaults are left out, so that keys which later versions add change no name."""
  defaults = configs.to_flat(Config())
  told = {key: value for key, value in values.items() if key not in defaults or value != defaults[key]}
  return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _as_text(value: Any) -> str:
  """A value as the command line takes it."""
  if isinstance(value, (tuple, list)):
    return ",".join(map(str, value))
  return "" if value is None else str(value)
