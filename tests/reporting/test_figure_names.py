"""Figures never write over each other, whatever runs and data sets are called."""

import itertools

import pytest

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import confusion, distance, per_class, reading
from zsar_jax.reporting.run import read_run
from zsar_jax.reporting.writing import write_files


@pytest.fixture(scope="module")
def three(rest_run, e2e_run):
  """Three runs on one data set."""
  runs = [read_run(rest_run), read_run(e2e_run), read_run(rest_run)]
  return [
    run._replace(report=run.report | {
      "evaluations": [row for row in run.report["evaluations"] if row["dataset"] != "ucf101"]})
    for run in runs
  ]  # fmt: skip


@pytest.mark.parametrize("names", [["甲", "乙", "丙"], ["run_a", "run-a", "Run A"], ["a 1", "a", "a-1"]])
def test_runs_whose_names_leave_the_same_letters(three, names):
  pairs = [reading.of_pair(three, names, three[a], three[b]) for a, b in itertools.combinations(range(3), 2)]
  assert len(set(pairs)) == 3
  assert all(pairs)
  assert reading.of_pair(three[:2], names[:2], three[0], three[1]) == ""


def test_every_pair_of_runs_has_figures_of_its_own(three, monkeypatch):
  for module in (per_class, distance, confusion):  # the names are asked for, not the drawings
    monkeypatch.setattr(module, "finish", lambda _, *told: Figure(*told[:3], "", [], ""))
  names = ["甲", "run_a", "run-a"]
  drawn = [
    *per_class.change_figures(three, names),
    *distance.distance_figures(three, names),
    *confusion.confusion_figures(three, names),
  ]
  stems = [each.name for each in drawn]
  assert len(stems) == len(set(stems)) == 3 + (1 + 3) + (3 + 3)
  assert "change-hmdb51-1-run-a-2" in stems


def test_data_sets_whose_names_leave_the_same_letters():
  names = ["mine", "Mine", "MINE", "my_set", "my-set", "my__set", "動作", "动作"]
  stems = [reading.of_set(name) for name in names]
  assert len(set(stems)) == len(names)
  assert stems[0] == "mine"
  assert stems[3] == "my-set"
  assert reading.of_set("figures_test") == "figures-test"


def test_figures_of_one_name_are_refused(rest_run, tmp_path):
  figure = Figure("same", "Title", "Caption.", "<svg/>", [["x"]], "alt")
  with pytest.raises(AssertionError, match="same"):
    write_files(tmp_path, [read_run(rest_run)], ["run"], [figure, figure], [])
