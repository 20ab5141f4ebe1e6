"""A run that was stopped or killed, and started again, is the run that was not."""

import random
import signal
import time

import pytest
from faulting import facts, last_step, newest_step, restored_step, unfinished_steps, wait_for_step
from running import DEMOS, arguments, demo_keys, ended, features_keys, read_metrics, run, start

REST = "configs/demo.py"
EVERY = 40  # steps between two saves; a validation that is better than all before it is saved as well
LONG = {"train__warmup__steps": 60, "train__joint__steps": 240, "checkpoint__every_steps": EVERY,
        "logging__validate_every_steps": 50, "logging__tensorboard": False}  # fmt: skip
SHORT = LONG | {"train__warmup__steps": 20, "train__joint__steps": 30}


def command(workdir, features_dir, **more):
  return arguments(REST, workdir, features_keys(REST, features_dir, **(LONG | more)))


def undisturbed(workdir, features_dir, **more):
  """What a run leaves that nothing interrupts."""
  code, _, err = run(command(workdir, features_dir, **more))
  assert code == 0, err
  return facts(workdir)


@pytest.fixture(scope="module")
def whole(features_dir, tmp_path_factory):
  return undisturbed(tmp_path_factory.mktemp("whole"), features_dir)


def test_sigterm_in_the_warmup_sigkill_in_the_joint_phase(features_dir, whole, tmp_path):
  argv = command(tmp_path, features_dir)
  stopped_after = stop(argv, tmp_path, 10)
  assert 10 <= stopped_after < 60, "the warm-up was over"
  process = start(argv)
  wait_for_step(tmp_path, 130, process)
  process.kill()
  _, out, err = ended(process)
  assert restored_step(out) == stopped_after, err
  newest = newest_step(tmp_path)
  assert_little_is_lost(tmp_path)
  code, out, err = run(argv)
  assert code == 0, err
  assert restored_step(out) == newest
  assert facts(tmp_path) == whole


def stop(argv, workdir, step):
  """Stops a run once it has told of `step`: where it stopped."""
  process = start(argv)
  wait_for_step(workdir, step, process)
  return end_by_sigterm(process, workdir)


def end_by_sigterm(process, workdir):
  process.send_signal(signal.SIGTERM)
  code, _, err = ended(process)
  assert code == 143, err
  stopped_after = last_step(workdir)
  assert f"stopped after step {stopped_after}; start the same command again" in err
  assert newest_step(workdir) == stopped_after
  return stopped_after


def assert_little_is_lost(workdir):
  """After a SIGKILL: the steps since the last save, and those before it only where it was not done yet. Returns how many."""
  reached, newest, cut_off = last_step(workdir), newest_step(workdir), unfinished_steps(workdir)
  assert len(cut_off) <= 1, "saves overtake each other"
  begun = max(newest, *cut_off) if cut_off else newest
  assert reached - begun <= EVERY
  assert begun - newest <= EVERY
  return max(reached - newest, 0)


@pytest.mark.slow
def test_sigkill_at_twenty_random_moments(features_dir, tmp_path):
  """Every third of them inside a save, where one is met."""
  keys = {"train__joint__steps": 2000}
  whole = undisturbed(tmp_path / "whole", features_dir, **keys)
  rng, workdir = random.Random(0), tmp_path / "cut"
  argv, lost, reached, insides = command(workdir, features_dir, **keys), [], [], 0
  for number in range(20):
    expected = newest_step(workdir)
    process = start(argv)
    wait_for_change(workdir / "metrics.jsonl", process)
    wait_for_step(workdir, expected + rng.randrange(170), process)
    if number % 3 == 2:
      wait_for_a_save(workdir, process)
    time.sleep(rng.uniform(0, 0.03))
    assert process.poll() is None, "it ended by itself"
    process.kill()
    _, out, err = ended(process)
    assert restored_step(out) == expected, err
    lost.append(assert_little_is_lost(workdir))
    reached.append(last_step(workdir))
    insides += bool(unfinished_steps(workdir))
  newest = newest_step(workdir)
  code, out, err = run(argv)
  assert code == 0, err
  print(
    f"steps reached at each SIGKILL: {reached}\nto be done again after it: {lost}\nkills inside a save: {insides} of 20"
  )
  assert restored_step(out) == newest
  assert facts(workdir) == whole
  assert insides
  assert reached[-1] > 350, "it made no way"
  assert max(reached) < 2060, "training was over"


def wait_for_change(path, process):
  """Until a run has opened its metrics, which is when training begins."""
  then = path.stat().st_mtime_ns if path.exists() else None
  while (path.stat().st_mtime_ns if path.exists() else None) == then:
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)


def wait_for_a_save(workdir, process):
  while not unfinished_steps(workdir):
    assert process.poll() is None, process.communicate()
    time.sleep(0.0005)


@pytest.mark.slow
@pytest.mark.parametrize("step", [8, 30])
def test_sigterm_where_validation_is_due(step, features_dir, tmp_path):
  """It is due at every step, so also at the one after which the run stops."""
  keys = SHORT | {"logging__validate_every_steps": 1}
  whole = undisturbed(tmp_path / "whole", features_dir, **keys)
  assert sorted(whole["validation"]) == list(range(1, 51))
  argv = command(tmp_path / "cut", features_dir, **keys)
  check_goes_on(argv, tmp_path / "cut", stop(argv, tmp_path / "cut", step), whole)


def check_goes_on(argv, workdir, stopped_after, whole):
  if stopped_after in whole["validation"]:
    told = stopped_after in read_metrics(workdir, "validation")
    print(f"stopped after step {stopped_after}, where validation was {'done' if told else 'skipped'}")
  code, out, err = run(argv)
  assert code == 0, err
  assert restored_step(out) == stopped_after
  assert facts(workdir) == whole


@pytest.mark.slow
def test_sigterm_at_the_end_of_a_phase_where_validation_is_due(features_dir, tmp_path):
  """The warm-up is one step, and the signal comes while that is compiled."""
  keys = SHORT | {"train__warmup__steps": 1}
  whole = undisturbed(tmp_path / "whole", features_dir, **keys)
  assert whole["validation"][1]["phase"] == "warmup"
  argv = command(tmp_path / "cut", features_dir, **keys)
  process = start(argv)
  wait_for_change(tmp_path / "cut/metrics.jsonl", process)
  time.sleep(0.2)  # until signals are listened to
  assert end_by_sigterm(process, tmp_path / "cut") == 1
  check_goes_on(argv, tmp_path / "cut", 1, whole)


@pytest.mark.slow
def test_sigterm_while_validation_is_under_way(features_dir, tmp_path):
  """The first one, at the end of the warm-up, which has to be compiled."""
  whole = undisturbed(tmp_path / "whole", features_dir, **SHORT)
  assert min(whole["validation"]) == 20
  argv = command(tmp_path / "cut", features_dir, **SHORT)
  stopped_after = stop(argv, tmp_path / "cut", 20)
  assert 20 <= stopped_after < 50
  check_goes_on(argv, tmp_path / "cut", stopped_after, whole)


@pytest.mark.slow
@pytest.mark.parametrize("config", DEMOS)
def test_sigterm_on_videos(config, data_dir, tmp_path):
  length = {"train__joint__steps": 12, "checkpoint__every_steps": 5}
  full, cut = (
    arguments(config, tmp_path / name, demo_keys(config, data_dir, **length)) for name in ("full", "cut")
  )
  assert run(full)[0] == 0
  stopped_after = stop(cut, tmp_path / "cut", 4)
  assert stopped_after >= 4
  check_goes_on(cut, tmp_path / "cut", stopped_after, facts(tmp_path / "full"))
