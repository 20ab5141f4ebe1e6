"""Numbers, error bars, tables and figures."""

import csv
import json
import statistics

import numpy as np
import pytest
from making_studies import ALL, e2e, finish, finish_with_labels, half_row, make_study, plan, row

from zsar_jax.studies.plan import Metric
from zsar_jax.studies.results import collect
from zsar_jax.studies.writing import markdown_table, write_results

HALF = Metric("half", "figures_test", "half")


def points_of(study, tmp_path, *tops):
  """Finishes the jobs of a study with these accuracies (None: not run) and collects the points."""
  jobs = plan(study, tmp_path)
  for job, top1 in zip(jobs, tops, strict=True):
    if top1 is not None:
      finish(job, row(top1))
  return collect(study, jobs, pytest.fail)


def test_draws_are_averaged_and_their_spread_is_the_error(tmp_path):
  runs = [e2e(2, {"seed": draw}, draw=draw) for draw in range(4)] + [e2e(9, {"seed": 9})]
  two, nine = points_of(make_study(*runs), tmp_path, 10.0, 20.0, None, 60.0, 36.0)
  assert (two.series, two.x, two.mean, two.values, two.num_missing) == ("e2e", 2, 30.0, (10.0, 20.0, 60.0), 1)
  assert (two.error, two.error_of) == (statistics.stdev([10, 20, 60]), "draws")
  assert (nine.mean, nine.error_of, nine.chance) == (36.0, "videos", 8.3)
  assert nine.error == pytest.approx(100 * (38 / 104 * 66 / 104 / 104) ** 0.5)


def test_half_class_splits_have_their_own_spread(tmp_path):
  study = make_study(e2e(1), metrics=[HALF, HALF._replace(label="five", key="top5")])
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(50.0), half_row([66.0, 74.0], [88.0, 92.0], interval_videos=[60.0, 80.0]))
  one, five = collect(study, jobs, pytest.fail)
  assert (one.mean, one.error, one.error_of) == (70.0, 4.0, "splits")
  assert (five.mean, five.error, five.error_of) == (90.0, 2.0, "splits")


def test_one_split_has_no_spread(tmp_path):
  study = make_study(e2e(1), metrics=[HALF, HALF._replace(label="five", key="top5")])
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(50.0), half_row([70.0], [90.0], interval_videos=[60.0, 79.6]))
  one, five = collect(study, jobs, pytest.fail)
  assert (one.error, one.error_of) == (pytest.approx(5.0), "videos")
  assert (five.error, five.error_of) == (None, "")  # videos count in several halves, or in none


@pytest.mark.parametrize("interval", [None, [0.0, 0.0], [100.0, 100.0]])
@pytest.mark.parametrize("top1", [0.0, 100.0])
def test_no_accuracy_is_without_error(tmp_path, top1, interval):
  study = make_study(e2e(1))
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(top1, interval_videos=interval))
  (point,) = collect(study, jobs, pytest.fail)
  assert (point.error, point.error_of) == (pytest.approx(100 * (2 / 104 * 102 / 104 / 104) ** 0.5), "videos")


def test_the_interval_of_a_report_is_its_error(tmp_path):
  study = make_study(e2e(1))
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(50.0, interval_videos=[42.0, 61.6]))
  (point,) = collect(study, jobs, pytest.fail)
  assert (point.error, point.error_of) == (pytest.approx(5.0), "videos")


def test_a_run_reads_the_level_and_space_it_asks_for(tmp_path):
  study = make_study(e2e(1), e2e(2, level="single"), e2e(3, space="words"))
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(30.0), row(20.0, level="single"), row(10.0, space="words"))
  assert [point.mean for point in collect(study, jobs, pytest.fail)] == [30.0, 20.0, 10.0]


def test_a_row_that_is_not_there_is_told_and_missing(tmp_path):
  study = make_study(e2e(1, level="scores"))
  jobs = plan(study, tmp_path)
  finish(jobs[0], row(30.0))
  told = []
  (point,) = collect(study, jobs, told.append)
  assert (point.mean, point.num_missing) == (None, 1)
  assert (
    "e2e, 1: its report has no top1 of figures_test, all, scores, semantic; it holds video semantic"
    in told[0]
  )


def test_a_data_set_that_a_run_is_not_tested_on_gives_no_point(tmp_path):
  study = make_study(e2e(1), metrics=[ALL, Metric("other", "ucf101")])
  assert [point.metric for point in points_of(study, tmp_path, 30.0)] == ["all"]


def test_accuracy_beyond_distances(tmp_path):
  study = make_study(e2e(1), by_distance=True, scale="linear")
  jobs = plan(study, tmp_path)
  per_class, distances = {"a": 100.0, "b": 50.0, "c": 0.0}, {"a": 0.1, "b": 0.2, "c": 0.4}
  label = np.repeat([0, 1, 2], [1, 4, 5])
  finish_with_labels(
    jobs[0],
    label,
    ["a", "b", "c"],
    row(30.0, per_class=per_class),
    class_distances={"figures_test": distances},
  )
  points = collect(study, jobs, pytest.fail)
  assert [(point.x, point.mean) for point in points] == [
    (0.09, 30.0),
    (0.1, pytest.approx(200 / 9)),
    (0.2, 0.0),
  ]
  assert points[0].error == pytest.approx(100 * (5 / 14 * 9 / 14 / 14) ** 0.5)
  assert points[-1].error > 0


def test_table_has_means_errors_printed_numbers_and_gaps(tmp_path):
  study = make_study(
    e2e(2), e2e(4, {"seed": 1}), e2e(4, series="other"), printed={"all": {"e2e": [(2, 31.0)]}}
  )
  lines = markdown_table(study, points_of(study, tmp_path, 36.0, None, None))
  assert lines[:3] == [
    "| series | classes | all |",
    "| --- | --- | ---: |",
    "| e2e | 2 | 36.0 ± 4.7 (printed 31) |",
  ]
  assert lines[3] == "| e2e | 4 | missing |"
  assert lines[-1] == "± is the standard error over test videos."


@pytest.mark.parametrize("scale", ["linear", "log", "categories"])
def test_files_hold_table_numbers_and_figures(tmp_path, scale):
  runs = [e2e(x, {"seed": x}, series=s) for s in ("one", "two") for x in (2, 4)]
  runs = [run._replace(train={"seed": i}) for i, run in enumerate(runs)]
  study = make_study(*runs, scale=scale, printed={"all": {"one": [(2, 31.0), (8, 40.0)]}}, note="A note.")
  points = points_of(study, tmp_path, 36.0, 40.0, None, 50.0)
  files = write_results(
    tmp_path / "out", "mine", study, points, {"one, 2": "x/report.json", "two, 2": ""}, []
  )
  assert [file.name for file in files] == ["mine.csv", "mine.md", "mine.json", "mine.svg", "mine.points.csv"]
  table = list(csv.DictReader(files[0].read_text().splitlines()))
  assert (table[0]["mean"], table[0]["printed"], table[2]["mean"], table[2]["missing"]) == (
    "36.0",
    "31.0",
    "",
    "1",
  )
  text = files[1].read_text()
  assert text.startswith("# A study\n\nIn the paper: it works.\n\nA note.\n")
  content = json.loads(files[2].read_text())
  assert content["points"][0]["mean"] == 36.0
  assert content["runs"] == [
    {"name": "one, 2", "report": "x/report.json"},
    {"name": "two, 2", "report": None},
  ]
  assert files[3].read_text().startswith("<svg")
  drawn = list(csv.DictReader(files[4].read_text().splitlines()))
  assert {line["error of"] for line in drawn if line["error"]} == {"standard error over test videos"}


def test_several_metrics_and_series_make_a_figure_each(tmp_path):
  study = make_study(
    e2e(1, {"seed": 0}),
    e2e(1, {"seed": 1}, series="b"),
    metrics=[ALL, ALL._replace(label="Top 5", key="top5")],
  )
  points = points_of(study, tmp_path, 36.0, 40.0)
  files = write_results(tmp_path / "out", "mine", study, points, {}, [])
  assert {"mine-all.svg", "mine-top-5.svg"} <= {file.name for file in files}


def test_a_study_without_a_result_writes_its_table(tmp_path):
  study = make_study(e2e(1))
  files = write_results(tmp_path / "out", "mine", study, points_of(study, tmp_path, None), {}, [])
  assert [file.suffix for file in files] == [".csv", ".md", ".json"]
  assert "| missing |" in files[1].read_text()
