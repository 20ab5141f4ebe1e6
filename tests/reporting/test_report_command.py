"""The command, in a process of its own as a user starts it: without JAX and TensorFlow, and without what draws."""

import pathlib

import pytest
from without import HEAVY, run_without

from zsar_jax.errors import InputError
from zsar_jax.reporting.writing import default_folder, run_names, write_report


def test_it_runs_without_jax_tensorflow_and_what_draws(rest_run, e2e_run, tmp_path):
  out = tmp_path / "page"
  blocked = (*HEAVY, "matplotlib", "sklearn")
  done = run_without(blocked, [rest_run, e2e_run, "--out", out, "--names", "one,two"])
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(out / "report.html")
  html = (out / "report.html").read_text(encoding="utf-8")
  assert "one and two: naming unseen actions" in html
  assert "matplotlib" in html
  assert "<html" in html


def test_figures_are_drawn_without_jax_and_tensorflow(semantic_page):
  stems = {path.stem for path in (semantic_page.parent / "figures").glob("*.svg")}
  assert len(stems) > 10
  assert stems == {path.stem for path in (semantic_page.parent / "figures").glob("*.csv")}


def test_wrong_input_ends_with_2_and_one_message(tmp_path):
  done = run_without(HEAVY, [tmp_path / "nowhere", tmp_path / "neither"])
  assert done.returncode == 2
  assert "Traceback" not in done.stderr
  assert "nowhere: no such folder" in done.stderr
  assert "neither: no such folder" in done.stderr


def test_names_come_from_the_folders():
  first, second, third = (pathlib.Path(f"/runs/{x}") for x in ("a/demo", "b/demo", "b/other"))
  assert run_names([first], None) == ["demo"]
  assert run_names([second, third], None) == ["demo", "other"]
  assert run_names([first, second], None) == ["a/demo", "b/demo"]
  assert default_folder([first], ["demo"]) == first
  assert default_folder([second, third], ["demo", "other"]) == pathlib.Path("/runs/b/compare-demo-other")


@pytest.mark.parametrize("names", [["one"], ["one", "one"], ["one", ""]])
def test_names_that_do_not_fit(names, rest_run, e2e_run):
  with pytest.raises(InputError, match="--names"):
    write_report([rest_run, e2e_run], names=names)


def test_the_same_workdir_twice(rest_run):
  with pytest.raises(InputError, match="given twice"):
    write_report([rest_run, rest_run])


def test_a_folder_that_cannot_be_written(rest_run, tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot be written"):
    write_report([rest_run], tmp_path / "file")
