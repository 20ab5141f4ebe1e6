"""The whole way through the real command line, on generated video."""

import json
import signal
import time

import numpy as np
import pytest
from running import TINY, arguments, read_metrics, run, start

STAGES = {"configs/demo.py": {"train.warmup.steps": 2}, "configs/demo.py:e2e": {}}
ROW_KEYS = {
  "dataset", "protocol", "space", "level", "primary", "num_classes", "num_videos", "num_skipped", "num_clips",
  "chance_top1", "top1", "top5", "top1_std", "per_class", "splits",
}  # fmt: skip


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
  return tmp_path_factory.mktemp("data")


def overrides(config, data_dir, **more):
  return TINY | STAGES[config] | {"data.dir": data_dir} | {k.replace("__", "."): v for k, v in more.items()}


@pytest.mark.parametrize("config", list(STAGES))
def test_train_and_evaluate(config, data_dir, tmp_path):
  argv = arguments(config, tmp_path / "run", overrides(config, data_dir))
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
  assert set(report) == {"config", "seen_classes", "removed_classes", "prototypes", "evaluations"}
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


@pytest.mark.parametrize("config", list(STAGES))
def test_sigterm_then_the_same_command_ends_as_if_nothing_happened(config, data_dir, tmp_path):
  length = {"train__joint__steps": 12, "checkpoint__every_steps": 5}
  whole, cut = (
    arguments(config, tmp_path / name, overrides(config, data_dir, **length)) for name in ("whole", "cut")
  )
  assert run(whole)[0] == 0
  process = start(cut)
  wait_for_step(tmp_path / "cut", 4, process)
  process.send_signal(signal.SIGTERM)
  _, err = process.communicate(timeout=300)
  assert process.returncode == 143, err
  assert "start the same command again" in err
  assert max(read_metrics(tmp_path / "cut")) < max(read_metrics(tmp_path / "whole"))
  code, _, err = run(cut)
  assert code == 0, err
  expected, got = read_metrics(tmp_path / "whole"), read_metrics(tmp_path / "cut")
  assert expected.keys() == got.keys()
  for step, line in expected.items():
    assert got[step]["loss"] == pytest.approx(line["loss"], rel=1e-5), step


def wait_for_step(workdir, step, process):
  for _ in range(1200):
    if (workdir / "metrics.jsonl").exists() and max(read_metrics(workdir), default=0) >= step:
      return
    assert process.poll() is None, process.communicate()
    time.sleep(0.1)
  raise AssertionError(f"step {step} was not reached")


@pytest.mark.parametrize("config", list(STAGES))
def test_eight_devices_train_as_one(config, data_dir, tmp_path):
  # Twenty steps at the rates that the demo's ramps have over its first twenty.
  more = {"train__batch_size": 16, "train__joint__steps": 20, "train__joint__learning_rate": 2e-3 * 20 / 162}
  if config == "configs/demo.py":
    more |= {"train__warmup__steps": 6, "train__warmup__learning_rate": 2e-3 * 6 / 81}
    more |= {"train__joint__steps": 14, "train__joint__learning_rate": 1e-3 * 14 / 81}
  losses = []
  for devices in (1, 8):
    argv = arguments(config, tmp_path / str(devices), overrides(config, data_dir, **more))
    code, out, err = run(argv, devices)
    assert code == 0, err
    assert f"{devices} x" in out
    losses.append([line["loss"] for _, line in sorted(read_metrics(tmp_path / str(devices)).items())])
  assert len(losses[0]) == 20
  np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_a_changed_config_is_refused_unless_forced(data_dir, tmp_path):
  config = "configs/demo.py:e2e"
  assert run(arguments(config, tmp_path, overrides(config, data_dir)))[0] == 0
  changed = arguments(config, tmp_path, overrides(config, data_dir, model__dropout=0.2))
  code, _, err = run(changed)
  assert code == 2
  assert "model.dropout: 0.05 in the workdir, 0.2 asked for" in err
  free = arguments(config, tmp_path, overrides(config, data_dir, eval__num_clips=1))
  assert run(free)[0] == 0
  assert run([*changed, "--force"])[0] == 0
