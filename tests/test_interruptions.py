"""Stopping and starting again, through the real command line."""

import signal
import time

import pytest
from running import DEMOS, arguments, demo_keys, read_metrics, run, start


@pytest.mark.parametrize("config", DEMOS)
def test_sigterm_then_the_same_command_ends_as_if_nothing_happened(config, data_dir, tmp_path):
  length = {"train__joint__steps": 12, "checkpoint__every_steps": 5}
  whole, cut = (
    arguments(config, tmp_path / name, demo_keys(config, data_dir, **length)) for name in ("whole", "cut")
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


def test_a_changed_config_is_refused_unless_forced(data_dir, tmp_path):
  config = "configs/demo.py:e2e"
  assert run(arguments(config, tmp_path, demo_keys(config, data_dir)))[0] == 0
  changed = arguments(config, tmp_path, demo_keys(config, data_dir, model__dropout=0.2))
  code, _, err = run(changed)
  assert code == 2
  assert "model.dropout: 0.05 in the workdir, 0.2 asked for" in err
  free = arguments(config, tmp_path, demo_keys(config, data_dir, eval__num_clips=1))
  assert run(free)[0] == 0
  assert run([*changed, "--force"])[0] == 0
