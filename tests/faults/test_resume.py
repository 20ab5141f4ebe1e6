"""A run that was stopped or killed, and started again, is the run that was not."""

import random
import re
import signal
import time

import pytest
from faulting import facts, last_step, wait_for_step
from running import DEMOS, arguments, demo_keys, ended, features_keys, run, start

REST = "configs/demo.py"
LONG = {"train__warmup__steps": 60, "train__joint__steps": 240, "checkpoint__every_steps": 40,
        "logging__validate_every_steps": 50, "logging__tensorboard": False}  # fmt: skip


def command(workdir, features_dir, **more):
  return arguments(REST, workdir, features_keys(REST, features_dir, **(LONG | more)))


@pytest.fixture(scope="module")
def whole(features_dir, tmp_path_factory):
  """What a run leaves that nothing interrupts."""
  workdir = tmp_path_factory.mktemp("whole")
  code, _, err = run(command(workdir, features_dir))
  assert code == 0, err
  return facts(workdir)


def test_sigterm_in_the_warmup_sigkill_in_the_joint_phase(features_dir, whole, tmp_path):
  argv = command(tmp_path, features_dir)
  stop(argv, tmp_path, 10, signal.SIGTERM, 143)
  assert 10 <= last_step(tmp_path) < 60, "the warm-up was over"
  stopped_after = last_step(tmp_path)
  process = start(argv)
  wait_for_step(tmp_path, 130, process)
  process.kill()
  out, err = process.communicate(timeout=60)
  assert restored_step(out) == stopped_after, err
  reached = last_step(tmp_path)
  code, out, err = run(argv)
  assert code == 0, err
  assert 0 <= reached - restored_step(out) < 2 * LONG["checkpoint__every_steps"]
  assert facts(tmp_path) == whole


def stop(argv, workdir, step, number, code):
  process = start(argv)
  wait_for_step(workdir, step, process)
  process.send_signal(number)
  got, err = ended(process)
  assert got == code, err
  assert "start the same command again" in err


def restored_step(out):
  """Where a run went on."""
  return max((int(number) for number in re.findall(r"restored step (\d+) of", out)), default=0)


@pytest.mark.slow
def test_sigkill_at_twenty_random_moments(features_dir, whole, tmp_path):
  """Also while a step is being saved. At most the steps since the last whole save are done again."""
  rng, argv, repeated = random.Random(0), command(tmp_path, features_dir), []
  for _ in range(20):
    before = last_step(tmp_path)
    process = start(argv)
    wait_for_change(tmp_path / "metrics.jsonl", process)
    time.sleep(rng.uniform(0, 4))
    process.kill()
    out, _ = process.communicate(timeout=60)
    repeated.append(before - restored_step(out))
  code, out, err = run(argv)
  assert code == 0, err
  print("steps done again after each SIGKILL:", [*repeated, last_step(tmp_path) - restored_step(out)])
  assert facts(tmp_path) == whole
  assert (
    max(repeated) < 2 * LONG["checkpoint__every_steps"]
  )  # a save under way when the kill came does not count


def wait_for_change(path, process):
  """Until a run has opened its metrics, which is when training begins."""
  then = path.stat().st_mtime_ns if path.exists() else None
  while (path.stat().st_mtime_ns if path.exists() else None) == then:
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("config", DEMOS)
def test_sigterm_on_videos(config, data_dir, tmp_path):
  length = {"train__joint__steps": 12, "checkpoint__every_steps": 5}
  full, cut = (
    arguments(config, tmp_path / name, demo_keys(config, data_dir, **length)) for name in ("full", "cut")
  )
  assert run(full)[0] == 0
  stop(cut, tmp_path / "cut", 4, signal.SIGTERM, 143)
  code, _, err = run(cut)
  assert code == 0, err
  assert facts(tmp_path / "cut") == facts(tmp_path / "full")
