"""Files that a page can do without: found beside the training, and never the end of a page."""

import json
import shutil

import numpy as np
import pytest

from zsar_jax.reporting.figures.training import training_figure
from zsar_jax.reporting.figures.tuning import tuning_figures
from zsar_jax.reporting.run import read_run
from zsar_jax.reporting.writing import draw


@pytest.fixture
def workdir(rest_run, tmp_path):
  return shutil.copytree(rest_run, tmp_path / "run")


@pytest.fixture
def results(rest_run, tmp_path):
  """What an evaluation with `--results` leaves: all but what the training wrote."""
  folder = shutil.copytree(rest_run, tmp_path / "results")
  shutil.rmtree(folder / "checkpoints")
  for name in ("metrics.jsonl", "tuning.json", "config.json"):
    (folder / name).unlink()
  return folder


def _rewrite(path, change):
  held = json.loads(path.read_text())
  change(held)
  path.write_text(json.dumps(held))


def _told_of_tuning(workdir):
  (told,) = tuning_figures([read_run(workdir)], ["run"])
  assert isinstance(told, str)
  return told


def test_metrics_and_tuning_come_from_the_training_where_the_folder_has_none(results, rest_run):
  run, trained = read_run(results), read_run(rest_run)
  assert len(run.metrics) == len(trained.metrics) > 0
  assert run.tuning == trained.tuning
  assert not isinstance(training_figure([run], ["run"]), str)


@pytest.mark.parametrize("told", [None, "", 3, "/no/such/folder"])
def test_an_older_or_moved_report_is_its_own_workdir(results, told):
  _rewrite(results / "report.json", lambda report: report.update(workdir=told))
  run = read_run(results)
  assert (run.metrics, run.tuning) == ([], None)
  assert "no metrics.jsonl" in training_figure([run], ["run"])
  assert "not run (python -m zsar_jax.tune" in _told_of_tuning(results)


def test_a_moved_workdir_does_not_look_where_it_was(workdir):
  (workdir / "metrics.jsonl").unlink()
  assert read_run(workdir).metrics == []


def test_the_command_for_results_elsewhere_names_both_folders(results, rest_run):
  (results / "embeddings.npz").unlink()
  with pytest.raises(ValueError, match=f"--workdir {rest_run} --evaluate_only --results {results}"):
    read_run(results)


def test_tuning_of_another_checkpoint_is_told_apart_from_none(workdir):
  _rewrite(workdir / "tuning.json", lambda tuning: tuning.update(checkpoint="another"))
  assert read_run(workdir).tuning is None
  told = _told_of_tuning(workdir)
  assert "was searched with another checkpoint (another, the evaluation is of" in told
  assert "not run" not in told


def test_an_e2e_run_is_not_told_to_search(e2e_run):
  assert tuning_figures([read_run(e2e_run)], ["run"]) == []


@pytest.mark.parametrize(
  ("change", "told"),
  [
    (lambda t: t.pop("grid"), "no 'grid'"),
    (lambda t: t.pop("scores"), "no 'scores'"),
    (lambda t: t["grid"].pop("distinctiveness"), "'grid' has no numbers"),
    (lambda t: t["chosen"].pop("score"), "'chosen' has no number 'score'"),
    (lambda t: t["scores"].pop(), "'scores' is of shape [4, 5, 4], expected numbers of shape [5, 5, 4]"),
    (lambda t: t["deviations"][0].pop(), "'deviations' is no array of numbers"),
    (lambda t: t.update(scores=np.full((5, 5, 4), np.nan).tolist()), "'scores' is of shape"),
  ],
)
def test_a_tuning_of_another_shape_is_left_out_with_a_sentence(workdir, change, told):
  _rewrite(workdir / "tuning.json", change)
  assert told in _told_of_tuning(workdir)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_broken_tuning_is_left_out_with_a_sentence(workdir, content):
  (workdir / "tuning.json").write_bytes(content.encode("latin-1"))
  assert str(workdir / "tuning.json") in _told_of_tuning(workdir)


@pytest.mark.parametrize("content", ["[", "{}", '[{"dataset": "ucf101"}]', "[3]"])
def test_broken_examples_are_left_out_with_a_sentence(workdir, content, monkeypatch):
  (workdir / "examples" / "examples.json").write_text(content)
  run = read_run(workdir)
  assert run.examples == []
  monkeypatch.setattr("zsar_jax.reporting.figures.draw_figures", lambda *_: iter(()))
  (told,) = draw([run], ["run"])[1]
  assert told.startswith(f"Examples: {workdir}/examples/examples.json")


def test_what_cannot_be_read_of_metrics_is_passed_over(workdir):
  whole = len(read_run(workdir).metrics)
  with open(workdir / "metrics.jsonl", "ab") as file:
    file.write(b'{"step": "nine", "kind": "train"}\n[1]\n\xff\n{"step": 900, "ki')
  assert len(read_run(workdir).metrics) == whole


def test_a_loss_that_is_no_number_is_not_drawn(workdir):
  lines = [{"step": k, "kind": "train", "phase": "joint", "loss": float("nan")} for k in range(3)]
  (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
  assert isinstance(training_figure([read_run(workdir)], ["run"]), str)
