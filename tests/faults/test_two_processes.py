"""Two processes that work on one run: one dies, freezes or is told to stop."""

import os
import signal
import time

import pytest
from faulting import facts, last_step, wait_for_step
from running import arguments, ended, features_keys, read_metrics, run, start_two

CONFIG = "configs/demo.py"
LONG = {"train__warmup__steps": 20, "train__joint__steps": 3000, "checkpoint__every_steps": 20, "logging__tensorboard": False,
        "logging__validate_every_steps": 100, "safety__heartbeat_seconds": 5, "safety__watchdog_seconds": 90}  # fmt: skip


def command(workdir, features_dir, **more):
  return arguments(CONFIG, workdir, features_keys(CONFIG, features_dir, **(LONG | more)))


def test_one_is_killed_the_other_names_it_and_both_go_on_later(features_dir, tmp_path):
  argv = command(tmp_path, features_dir)
  first, second = start_two(argv)
  wait_for_step(tmp_path, 30, first)
  second.kill()
  killed = time.monotonic()
  code, err = ended(first)
  assert time.monotonic() - killed < LONG["safety__heartbeat_seconds"] + 5
  assert code == 4, err
  assert ended(second)[0] == -signal.SIGKILL
  assert f"process 1 of 2 (host {os.uname().nodename}, pid {second.pid}) is gone" in err
  reached = last_step(tmp_path)
  processes = start_two([*command(tmp_path, features_dir, train__joint__steps=reached), "--force"])
  ends = [ended(process) for process in processes]
  assert [code for code, _ in ends] == [0, 0], ends
  assert sorted(read_metrics(tmp_path)) == list(range(1, 20 + reached + 1))
  assert (tmp_path / "report.json").exists()


@pytest.mark.slow
def test_the_first_is_killed(features_dir, tmp_path):
  first, second = start_two(command(tmp_path, features_dir))
  wait_for_step(tmp_path, 30, first)
  first.kill()
  killed = time.monotonic()
  code, err = ended(second)
  assert time.monotonic() - killed < LONG["safety__heartbeat_seconds"] + 5
  assert ended(first)[0] == -signal.SIGKILL
  assert code == 4, err
  assert f"process 0 of 2 (host {os.uname().nodename}, pid {first.pid}) is gone" in err


@pytest.mark.slow
@pytest.mark.parametrize(("heartbeat", "watchdog"), [(5, 90), (90, 30)], ids=["heartbeat", "watchdog"])
def test_one_is_frozen_and_both_end(heartbeat, watchdog, features_dir, tmp_path):
  more = {"safety__heartbeat_seconds": heartbeat, "safety__watchdog_seconds": watchdog}
  first, second = start_two(command(tmp_path, features_dir, **more))
  wait_for_step(tmp_path, 30, first)
  second.send_signal(signal.SIGSTOP)
  frozen = time.monotonic()
  code, err = ended(first)
  assert time.monotonic() - frozen < min(heartbeat, watchdog) + 10
  assert code == 4, err
  assert ("process 1 of 2" in err) if heartbeat < watchdog else ("no step was finished for" in err)
  second.send_signal(signal.SIGCONT)
  code, err = ended(second)
  assert code == 4, err


@pytest.mark.slow
def test_a_signal_to_one_stops_both_after_the_same_step(features_dir, tmp_path):
  processes = start_two(command(tmp_path / "cut", features_dir))
  wait_for_step(tmp_path / "cut", 30, processes[0])
  processes[1].send_signal(signal.SIGTERM)
  ends = [ended(process) for process in processes]
  assert [code for code, _ in ends] == [143, 143], ends
  stopped = [err.partition("stopped after step ")[2].split(";")[0] for _, err in ends]
  assert stopped[0] == stopped[1] == str(last_step(tmp_path / "cut"))


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(features_dir, tmp_path):
  """Two processes, then one, then two: the same batches in the same order, and the same losses up to rounding."""
  keys = {"train__warmup__steps": 8, "train__warmup__learning_rate": 1e-4, "train__joint__learning_rate": 1e-4,
          "train__joint__schedule": "constant"}  # fmt: skip
  code, _, err = run(command(tmp_path / "whole", features_dir, **keys, train__joint__steps=24))
  assert code == 0, err
  for steps, how_many in ((4, 2), (14, 1), (24, 2)):
    argv = [*command(tmp_path / "parts", features_dir, **keys, train__joint__steps=steps), "--force"]
    ends = [ended(process) for process in start_two(argv)] if how_many == 2 else [run(argv)[::2]]
    assert all(code == 0 for code, _ in ends), ends
  whole, parts = facts(tmp_path / "whole")["train"], facts(tmp_path / "parts")["train"]
  assert whole.keys() == parts.keys()
  for step in whole:
    assert whole[step]["batch"] == parts[step]["batch"]
    assert parts[step]["loss"] == pytest.approx(whole[step]["loss"], rel=1e-4), step
