"""Every shipped study, in both versions: it expands, every run's config loads, and its demo is small and shares trainings."""

import pathlib

import pytest

from zsar_jax.reporting.printed import PRINTED, printed_rows
from zsar_jax.studies.jobs import plan_jobs
from zsar_jax.studies.plan import load_study

ROOT = pathlib.Path(__file__).parent.parent
STUDIES = sorted((ROOT / "configs" / "studies").glob("*.py"))
DATA_SETS = {"ucf101", "hmdb51", "activitynet200", "figures_test", "figures_seen_test"}


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
  monkeypatch.chdir(ROOT)


def jobs_of(file, variant, workdir):
  path = f"{file}{variant}"
  study = load_study(path)
  return study, plan_jobs(study, workdir, {}, path)


def new_trainings(jobs):
  return {job.workdir for job in jobs}


@pytest.mark.parametrize("variant", ["", ":demo"])
@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_study_expands_and_every_config_loads(file, variant, tmp_path):
  study, jobs = jobs_of(file, variant, tmp_path)
  assert len(jobs) == len(study.runs) + len(study.pretraining)
  tested = {text.partition(":")[0] for job in jobs for text in job.evaluated.data.unseen}
  for metric in study.metrics:
    assert metric.data_set in tested & DATA_SETS
  assert study.shows.endswith(".")
  assert (variant == ":demo") == all(job.run.config.startswith("configs/demo.py") for job in jobs)
  assert (variant == ":demo") <= ("Generated video" in study.note)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_printed_values_are_those_that_reports_show_for_as_many_clips(file, tmp_path):
  study, jobs = jobs_of(file, "", tmp_path)
  runs = {(job.run.series, job.run.x): job for job in jobs}
  metrics = {metric.label: metric for metric in study.metrics}
  told = [(metrics[label], runs[series, x], value) for label, by_series in study.printed.items()
          for series, points in by_series.items() for x, value in points]  # fmt: skip
  for metric, job, value in told:
    num_clips = 1 if (job.run.level or metric.level) == "single" else job.evaluated.eval.num_clips
    rows = [row for row in printed_rows(metric.data_set, metric.protocol) if row.num_clips == num_clips]
    assert value in [getattr(row, metric.key) for row in rows], (metric.label, job.run.name, value)


def test_recurrent_networks_are_printed_and_run_with_transfer(tmp_path):
  _, jobs = jobs_of(ROOT / "configs" / "studies" / "rest_architecture.py", "", tmp_path)
  recurrent = [job for job in jobs if job.run.x in ("RNN", "LSTM")]
  assert [(job.run.space, job.evaluated.transfer.space) for job in recurrent] == [("", "visual")] * 2
  details = {row.detail for row in PRINTED if (row.paper, row.table) == ("ResT", "Table 3a")}
  assert not any("no transfer" in detail for detail in details)


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_demo_is_a_matter_of_minutes(file, tmp_path):
  _, jobs = jobs_of(file, ":demo", tmp_path)
  assert len(new_trainings(jobs)) <= 7
  for job in jobs:
    train = job.trained.train
    assert train.warmup.steps + train.joint.steps <= 800


@pytest.mark.parametrize(("variant", "told"), [("", "training"), (":demo", "on generated video")])
def test_docstrings_tell_how_many_trainings_there_are(tmp_path, variant, told):
  for file in STUDIES:
    num = len(new_trainings(jobs_of(file, variant, tmp_path)[1]))
    line = next(line for line in file.read_text().splitlines() if f"{file.name}{variant} " in line)
    assert f" {num} {told}" in line, file.name


def test_studies_share_trainings(tmp_path):
  everything = [new_trainings(jobs_of(file, ":demo", tmp_path)[1]) for file in STUDIES]
  assert len(set().union(*everything)) < 0.75 * sum(map(len, everything))
