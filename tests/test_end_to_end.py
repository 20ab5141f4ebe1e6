"""The whole way through the real command line, on generated video."""

import json

import numpy as np
import pytest
from running import DEMOS, arguments, demo_keys, read_metrics, run

ROW_KEYS = {
  "dataset", "protocol", "space", "level", "primary", "num_classes", "num_videos", "num_skipped", "num_clips",
  "chance_top1", "top1", "top5", "top1_std", "per_class", "splits",
}  # fmt: skip


@pytest.mark.parametrize("config", DEMOS)
def test_train_and_evaluate(config, data_dir, tmp_path):
  argv = arguments(config, tmp_path / "run", demo_keys(config, data_dir))
  code, out, err = run(argv)
  assert code == 0, err
  assert "zero-shot accuracy" in out
  assert "24 classes" in out
  for name in ("config.json", "metrics.jsonl", "checkpoints", "events", "report.json", "embeddings.npz"):
    assert (tmp_path / "run" / name).exists(), name
  report = json.loads((tmp_path / "run/report.json").read_text())
  check_report(report)
  first = report["evaluations"]
  code, out, err = run([*argv, "--evaluate_only"])
  assert code == 0, err
  assert "restored step" in out
  again = json.loads((tmp_path / "run/report.json").read_text())["evaluations"]
  assert [row["top1"] for row in again] == [row["top1"] for row in first]


def check_report(report):
  assert set(report) == {
    "config",
    "seen_classes",
    "removed_classes",
    "prototypes",
    "evaluations",
    "pretraining",
  }
  assert report["pretraining"] is None
  unseen = {name for row in report["evaluations"] if row["protocol"] == "all" for name in row["per_class"]}
  assert len(unseen) == 12
  assert not unseen & set(report["seen_classes"])
  for row in report["evaluations"]:
    assert set(row) - {"seen", "unseen", "harmonic"} == ROW_KEYS
    assert 0 <= row["top1"] <= row["top5"] <= 100
    assert ("harmonic" in row) == (row["protocol"] == "generalized")
  primary = [(row["dataset"], row["protocol"]) for row in report["evaluations"] if row["primary"]]
  assert sorted(primary) == sorted({(row["dataset"], row["protocol"]) for row in report["evaluations"]})
  half = next(row for row in report["evaluations"] if row["protocol"] == "half")
  assert [split["seed"] for split in half["splits"]] == list(range(10))
  assert half["top1"] == pytest.approx(np.mean([split["top1"] for split in half["splits"]]))
  for recipe in report["prototypes"].values():
    assert sum(weight for _, weight in recipe) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("config", DEMOS)
def test_eight_devices_train_as_one(config, data_dir, tmp_path):
  # Small rates: with large ones training magnifies the rounding of another order of summation tenfold every few steps.
  more = {"train__batch_size": 16, "train__joint__steps": 20, "train__joint__learning_rate": 5e-5}
  if config == "configs/demo.py":
    more |= {"train__warmup__steps": 6, "train__warmup__learning_rate": 5e-5, "train__joint__steps": 14}
  losses = []
  for devices in (1, 8):
    argv = arguments(config, tmp_path / str(devices), demo_keys(config, data_dir, **more))
    code, out, err = run(argv, devices)
    assert code == 0, err
    assert f"{devices} x" in out
    losses.append([line["loss"] for _, line in sorted(read_metrics(tmp_path / str(devices)).items())])
  assert len(losses[0]) == 20
  np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
