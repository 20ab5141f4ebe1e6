"""Study files and their checks."""

import pytest
from making_studies import ALL, e2e, make_study

from zsar_jax.errors import InputError
from zsar_jax.studies.plan import Run, check_study, load_study

FILE = """
from zsar_jax.studies.plan import Metric, Run, Study

def get_study(variant=""):
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}")
  return Study("T", "S.", "x", [Metric("all", "figures_test")], [Run("e2e", 2, "configs/demo.py:e2e")], scale="log")
"""


def test_names_say_series_place_and_draw():
  assert Run("e2e", 10, "c.py").name == "e2e, 10"
  assert Run("e2e", 0.5, "c.py", draw=3).name == "e2e, 0.5, draw 3"
  assert Run("ResT", "RNN", "c.py").name == "ResT, RNN"


def test_reads_a_file_with_its_variants(tmp_path):
  file = tmp_path / "mine.py"
  file.write_text(FILE)
  assert (
    load_study(str(file)).runs == load_study(f"{file}:demo").runs == [Run("e2e", 2, "configs/demo.py:e2e")]
  )
  with pytest.raises(
    InputError, match=r"mine.py:other: the study file fails: ValueError: there is no variant 'other'"
  ):
    load_study(f"{file}:other")


def test_tells_a_missing_file_and_the_nearest_one():
  with pytest.raises(InputError, match=r"num_clases.py: no such study file; did you mean .*num_classes"):
    load_study("configs/studies/num_clases.py")


def test_a_file_must_give_a_study(tmp_path):
  file = tmp_path / "mine.py"
  file.write_text("def get_study(variant=''):\n  return 3\n")
  with pytest.raises(InputError, match="get_study gave int"):
    load_study(str(file))


def test_everything_wrong_is_told_at_once():
  study = make_study(
    e2e(2), e2e(2), e2e("many", init_from="nobody"), e2e(4, evaluate={"data.max_classes": 4, "eval.num_clips": 1}),
    metrics=[ALL, ALL], printed={"alll": {}}, scale="linear",
  )  # fmt: skip
  with pytest.raises(InputError) as error:
    check_study(study, "mine.py")
  for part in (
    "mine.py: the study is wrong",
    "2 runs are called 'e2e, 2'",
    "2 metrics are called 'all'",
    "'alll', which is no metric; did you mean 'all'",
    "starts from 'nobody', but no run before it has that name",
    "'data.max_classes' in `evaluate` changes what is trained",
    "run 'e2e, many': x is 'many', expected a number",
  ):
    assert part in str(error.value)
  assert "eval.num_clips" not in str(error.value)


def test_places_that_an_axis_cannot_show_are_told():
  with pytest.raises(InputError) as error:
    check_study(make_study(e2e(0), e2e(-1, series="other"), e2e(2), scale="log"), "mine.py")
  for part in ("run 'e2e, 0': x is 0, expected a number above 0", "run 'other, -1': x is -1"):
    assert part in str(error.value)
  assert "x is 2" not in str(error.value)
  check_study(make_study(e2e(0), scale="linear"), "mine.py")
  with pytest.raises(InputError, match="distances may be 0"):
    check_study(make_study(e2e("all"), scale="log", by_distance=True), "mine.py")


def test_printed_values_stand_beside_runs():
  printed = {"all": {"e2e": [(2, 30.0), (5, 40.0)], "e2ee": [(2, 1.0)]}}
  with pytest.raises(InputError) as error:
    check_study(make_study(e2e(2), e2e(4), printed=printed), "mine.py")
  assert "'all', 'e2e' stands at x 5, where no run is: expected one of 2, 4" in str(error.value)
  assert "the series 'e2ee', which no run is of; did you mean 'e2e'" in str(error.value)
  assert "x 2," not in str(error.value)
  check_study(make_study(e2e("all"), by_distance=True, printed={"all": {"e2e": [(0.57, 0.0)]}}), "mine.py")


def test_an_empty_study_is_refused():
  with pytest.raises(InputError, match=r"no runs[\s\S]*no metrics"):
    check_study(make_study(metrics=[]), "mine.py")


def test_a_run_may_start_from_an_earlier_one_only():
  first, second = e2e(2), e2e(4, init_from="e2e, 2")
  check_study(make_study(first, second), "mine.py")
  check_study(make_study(second, pretraining=[first]), "mine.py")
  with pytest.raises(InputError, match="no run before it"):
    check_study(make_study(second, first), "mine.py")
