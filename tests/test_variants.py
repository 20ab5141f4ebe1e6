"""Every switch of the papers' ablations trains and evaluates through the command line."""

import json

import numpy as np
import pytest
from running import arguments, demo_keys, read_metrics

from zsar_jax import main
from zsar_jax.models.weights_dir import flat, read_run

SEMANTIC = {"transfer.space": "semantic"}
SWITCHES = {
  "rnn": {"model.temporal": "rnn"},
  "lstm": {"model.temporal": "lstm"},
  "cls": {"model.tasks": "cls", **SEMANTIC},
  "mlm": {"model.tasks": "mlm", **SEMANTIC},
  "cross_modal": {"model.cross_modal": "true"},
  "clip_encoder": {"model.backbone": "r2plus1d_tiny"},
}
FAST = ("cross_modal",)


def run(config, workdir, data_dir, **switches):
  overrides = demo_keys(config, data_dir) | {"train.joint.steps": 2} | switches
  assert main.main(arguments(config, workdir, overrides)) == 0
  return json.loads((workdir / "report.json").read_text())


def primary(report, protocol="all"):
  (row,) = [r for r in report["evaluations"] if r["primary"] and r["protocol"] == protocol]
  return row


@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
@pytest.mark.parametrize(
  "switch", [pytest.param(s, marks=() if s in FAST else pytest.mark.slow) for s in SWITCHES]
)
def test_rest_variant(switch, data_dir, tmp_path):
  report = run("configs/demo.py", tmp_path, data_dir, **SWITCHES[switch])
  row, metrics = primary(report), read_metrics(tmp_path)
  assert row["num_videos"] == 24
  assert row["space"] == ("semantic" if "transfer.space" in SWITCHES[switch] else "visual")
  assert report["config"]["transfer"]["space"] == row["space"]
  last = metrics[max(metrics)]
  assert ("class_loss" in last) == (switch != "mlm")
  assert ("word_loss" in last) == (switch != "cls")
  assert 0 <= primary(report, "validation")["top1"] <= 100


def test_without_transfer_a_video_stands_where_a_seen_name_stands(data_dir, tmp_path):
  """The semantic rows are those that the visual run reports beside its own."""
  overrides = demo_keys("configs/demo.py", data_dir) | {"train.joint.steps": 2}
  assert main.main(arguments("configs/demo.py", tmp_path, overrides)) == 0
  beside = json.loads((tmp_path / "report.json").read_text())["evaluations"]
  (expected,) = [r["top1"] for r in beside if (r["space"], r["protocol"]) == ("semantic", "all")]
  again = [*arguments("configs/demo.py", tmp_path, overrides | SEMANTIC), "--evaluate_only"]
  assert main.main(again) == 0
  report = json.loads((tmp_path / "report.json").read_text())
  assert primary(report)["top1"] == expected
  counted = [r for r in report["evaluations"] if r["primary"] and r["protocol"] != "validation"]
  assert {r["space"] for r in counted} == {"semantic"}
  assert {r["space"] for r in report["evaluations"]} == {"semantic", "visual", "words"}


def test_other_word_vectors_compose_the_prototypes_of_a_trained_run(data_dir, tmp_path):
  """ResT Table 5: the model has no word vectors in it, so another evaluation may take others; E2E has."""
  overrides = demo_keys("configs/demo.py", data_dir) | {"train.joint.steps": 2}
  argv = arguments("configs/demo.py", tmp_path, overrides)
  assert main.main(argv) == 0
  assert (
    main.main([*argv, "--evaluate_only", "--config.vectors=hash:50", "--results", str(tmp_path / "50")]) == 0
  )
  reports = [json.loads((folder / "report.json").read_text()) for folder in (tmp_path, tmp_path / "50")]
  assert reports[0]["checkpoint"] == reports[1]["checkpoint"]
  assert reports[0]["prototypes"] != reports[1]["prototypes"]


def test_training_on_test_classes_is_said_loudly(data_dir, tmp_path, capsys):
  """E2E Sup. Table 1's last rows. A name on both sides has no right answer in a generalised test, so that row is left out."""
  (tmp_path / "examples").mkdir()
  (tmp_path / "examples/mine.txt").write_text("a user's own file")
  shared = "flapping while jumping+flapping while kicking+lifting while jumping+lifting while kicking"
  keys = {"data.unseen": f"figures_seen_test:{shared}", "data.seen_test": "", "data.remove_overlap": "false"}
  report = run("configs/demo.py:e2e", tmp_path, data_dir, **keys)
  assert "NOT A ZERO-SHOT RESULT: 'data.remove_overlap' is False, so 4 of 24" in " ".join(
    capsys.readouterr().out.split()
  )
  assert len(report["seen_classes"]) == 24
  assert primary(report)["num_classes"] == 4
  assert not [row for row in report["evaluations"] if row["protocol"] == "generalized"]
  assert (tmp_path / "examples/mine.txt").exists()


def test_weights_pass_from_run_to_run_and_what_they_know_is_told(data_dir, tmp_path, capsys):
  """E2E trains an encoder; ResT takes it frozen, for some classes that the encoder has seen."""
  run("configs/demo.py:e2e", tmp_path / "e2e", data_dir)
  seen = json.loads((tmp_path / "e2e/classes.json").read_text())["seen"]
  switches = {
    "model.backbone": "r2plus1d_tiny",
    "model.init_from": str(tmp_path / "e2e"),
    "model.freeze_backbone": "true",
    "data.seen": "figures_train:" + "+".join(seen[1:]),
    "data.seen_test": "",
  }
  report = run("configs/demo.py", tmp_path / "rest", data_dir, **switches)
  out = " ".join(capsys.readouterr().out.split())
  assert f"taken from {tmp_path / 'e2e'}: backbone" in out
  assert "left out of it: regressor/bias (300,)" in out
  assert report["pretraining"] == {
    "from": str(tmp_path / "e2e"),
    "num_classes": len(seen),
    "leaks": [],
    "without_vectors": [],
  }
  # The encoder has seen one class more than the run itself: some unseen class comes nearer, none goes farther away.
  near, nearer = (report[key]["figures_test"] for key in ("class_distances", "class_distances_pretrained"))
  assert all(nearer[name] <= near[name] for name in near)
  assert any(nearer[name] < near[name] for name in near)
  before, after = (read_run(tmp_path / name) for name in ("e2e", "rest"))
  for kind in ("params", "batch_stats"):
    old, new = (flat(getattr(state, kind)["backbone"]) for state in (before, after))
    assert all(np.array_equal(old[name], new[name]) for name in old)
  chain = json.loads((tmp_path / "rest/classes.json").read_text())
  assert chain["pretrained"]["classes"] == seen
  again = arguments(
    "configs/demo.py",
    tmp_path / "rest",
    demo_keys("configs/demo.py", data_dir) | {"train.joint.steps": 2} | switches,
  )
  assert main.main([*again, "--evaluate_only"]) == 0
  assert json.loads((tmp_path / "rest/report.json").read_text())["pretraining"] == report["pretraining"]
