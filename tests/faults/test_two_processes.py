"""Two processes that work on one run: one dies, freezes or is told to stop."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
from faulting import facts, last_step, newest_step, restored_step, wait_for_step
from running import ROOT, arguments, ended, features_keys, read_metrics, run, start_two

from zsar_jax import main

CONFIG = str(ROOT / "configs/demo.py")
# Importing holds the interpreter's lock, for seconds on a machine with other work: no shorter heartbeat than this.
LONG = {"train__warmup__steps": 20, "train__joint__steps": 3000, "checkpoint__every_steps": 20, "logging__tensorboard": False,
        "logging__validate_every_steps": 100, "safety__heartbeat_seconds": 10, "safety__watchdog_seconds": 90}  # fmt: skip


def command(workdir, features_dir, **more):
  return arguments(CONFIG, workdir, features_keys(CONFIG, features_dir, **(LONG | more)))


def two_go_on(argv, newest):
  """Two processes run to the end of `argv`, from step `newest`; only the first prints."""
  ends = [ended(process) for process in start_two(argv)]
  assert [code for code, *_ in ends] == [0, 0], ends
  assert restored_step(ends[0][1]) == newest
  assert ends[1][1] == ""


def kill(victim, number, other):
  """Kills process `number`; the other ends in time and names it. What became of the victim."""
  victim.kill()
  killed = time.monotonic()
  code, out, err = ended(other)
  assert time.monotonic() - killed < LONG["safety__heartbeat_seconds"] + 5
  assert code == 4, err
  assert number == 1 or out == "", "only the first process prints"
  assert f"process {number} of 2 (host {os.uname().nodename}, pid {victim.pid}) is gone" in err
  return ended(victim)


def test_one_is_killed_the_other_names_it_and_both_go_on_later(features_dir, tmp_path):
  first, second = start_two(command(tmp_path, features_dir))
  wait_for_step(tmp_path, 30, first)
  assert kill(second, 1, first)[:2] == (-signal.SIGKILL, "")
  reached, newest = last_step(tmp_path), newest_step(tmp_path)
  assert newest >= 20
  argv = [*command(tmp_path, features_dir, train__joint__steps=reached), "--force"]
  two_go_on(argv, newest)
  assert sorted(read_metrics(tmp_path)) == list(range(1, 20 + reached + 1))
  shutil.rmtree(tmp_path / "seen_embeddings")  # made anew by the one process too
  assert main.main([*argv, "--evaluate_only", "--results", str(tmp_path / "one")]) == 0
  assert_same_evaluation(tmp_path, tmp_path / "one")


def assert_same_evaluation(two, one):
  """Every number of the report and every array, up to rounding."""
  rows = [json.loads((folder / "report.json").read_text())["evaluations"] for folder in (two, one)]
  by_two, by_one = ({" ".join(map(str, path)): leaf for path, leaf in leaves(row)} for row in rows)
  assert len(rows[0]) > 3
  assert by_two.keys() == by_one.keys()
  numbers = {path for path, leaf in by_one.items() if isinstance(leaf, float)}
  assert {path: by_two[path] for path in by_two if path not in numbers} == {
    path: by_one[path] for path in by_one if path not in numbers
  }
  assert {path: by_two[path] for path in numbers} == pytest.approx(
    {path: by_one[path] for path in numbers}, rel=1e-6, abs=1e-6
  )
  with np.load(two / "embeddings.npz") as by_two, np.load(one / "embeddings.npz") as by_one:
    assert set(by_two) == set(by_one)
    assert any(name.endswith("/video_id") for name in by_two)
    for name in by_two:
      if np.issubdtype(by_two[name].dtype, np.floating):
        np.testing.assert_allclose(by_two[name], by_one[name], atol=1e-5, err_msg=name)
      else:
        np.testing.assert_array_equal(by_two[name], by_one[name], err_msg=name)


def leaves(tree, path=()):
  """(path, leaf) of lists and dicts within each other."""
  if not isinstance(tree, dict | list):
    yield path, tree
    return
  for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
    yield from leaves(part, (*path, key))


@pytest.mark.slow
def test_the_first_is_killed(features_dir, tmp_path):
  first, second = start_two(command(tmp_path, features_dir))
  wait_for_step(tmp_path, 30, first)
  assert kill(first, 0, second)[0] == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(("heartbeat", "watchdog"), [(10, 90), (90, 30)], ids=["heartbeat", "watchdog"])
def test_one_is_frozen_and_both_end(heartbeat, watchdog, features_dir, tmp_path):
  more = {"safety__heartbeat_seconds": heartbeat, "safety__watchdog_seconds": watchdog}
  first, second = start_two(command(tmp_path, features_dir, **more))
  wait_for_step(tmp_path, 30, first)
  second.send_signal(signal.SIGSTOP)
  frozen = time.monotonic()
  code, _, err = ended(first)
  assert time.monotonic() - frozen < min(heartbeat, watchdog) + 10
  assert code == 4, err
  assert ("process 1 of 2" in err) if heartbeat < watchdog else ("no step was finished for" in err)
  second.send_signal(signal.SIGCONT)
  code, out, err = ended(second)
  assert (code, out) == (4, ""), err


@pytest.mark.slow
def test_a_signal_to_one_stops_both_after_the_same_step(features_dir, tmp_path):
  processes = start_two(command(tmp_path / "cut", features_dir))
  wait_for_step(tmp_path / "cut", 30, processes[0])
  processes[1].send_signal(signal.SIGTERM)
  ends = [ended(process) for process in processes]
  assert [code for code, *_ in ends] == [143, 143], ends
  assert ends[1][1] == ""
  stopped_after = last_step(tmp_path / "cut")
  for _, _, err in ends:
    assert f"stopped after step {stopped_after};" in err
  assert newest_step(tmp_path / "cut") == stopped_after >= 30
  argv = command(tmp_path / "cut", features_dir, train__joint__steps=stopped_after)
  two_go_on([*argv, "--force"], stopped_after)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(features_dir, tmp_path):
  """Two processes, then one, then two: the same batches in the same order, and the same losses up to rounding."""
  keys = {"train__warmup__steps": 8, "train__warmup__learning_rate": 1e-4, "train__joint__learning_rate": 1e-4,
          "train__joint__schedule": "constant"}  # fmt: skip
  code, _, err = run(command(tmp_path / "whole", features_dir, **keys, train__joint__steps=24))
  assert code == 0, err
  for before, steps, how_many in ((0, 4, 2), (12, 14, 1), (22, 24, 2)):
    argv = [*command(tmp_path / "parts", features_dir, **keys, train__joint__steps=steps), "--force"]
    assert newest_step(tmp_path / "parts") == before
    if how_many == 2:
      two_go_on(argv, before)
      continue
    code, out, err = run(argv)
    assert code == 0, err
    assert restored_step(out) == before
  whole, parts = facts(tmp_path / "whole")["train"], facts(tmp_path / "parts")["train"]
  assert whole.keys() == parts.keys()
  for step in whole:
    assert whole[step]["batches"] == parts[step]["batches"]
    assert parts[step]["loss"] == pytest.approx(whole[step]["loss"], rel=1e-4), step
