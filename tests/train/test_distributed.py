"""Two real processes with JAX between them: they start, agree, stop together, and end when one is gone."""

import re
import signal

import pytest
from processes import Child, free_port, started

from zsar_jax.train.peers import GONE

slow = pytest.mark.slow
DEATHS = [(0, signal.SIGKILL), (1, signal.SIGKILL), (0, signal.SIGSTOP), (1, signal.SIGSTOP)]


def steps(child):
  return [int(line.split()[1]) for line in list(child.lines) if line.startswith("step ")]


def open_mpi(process, port):
  return {
    "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": str(process), "OMPI_COMM_WORLD_LOCAL_RANK": str(process),
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_MCA_orte_hnp_uri": "4096.0;tcp://127.0.0.1:1", "JAX_COORDINATOR_PORT": str(port),
  }  # fmt: skip


def slurm(process, port):
  return {
    "SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NUM_NODES": "1", "SLURM_PROCID": str(process), "SLURM_LOCALID": str(process), "JAX_COORDINATOR_PORT": str(port),
  }  # fmt: skip


@pytest.mark.parametrize("launcher", [open_mpi, pytest.param(slurm, marks=slow)])
def test_a_launcher_starts_a_run_that_agrees_and_ends_together(launcher):
  port = free_port()
  children = [Child(["30", "facts"], **launcher(process, port)) for process in (0, 1)]
  try:
    assert [child.end() for child in children] == [0, 0], [child.err for child in children]
  finally:
    for child in children:
      child.close()
  first, second = (child.err for child in children)
  assert "first True alone False process 0 of 2" in first
  assert "first False alone False process 1 of 2" in second
  for err in (first, second):
    assert re.findall("agreed (.+)", err) == ["7", "8"]  # process 0's
    assert "total 2" in err
    assert "the end of" in err
  for name in "ab":  # process 0's block is over before the other one begins
    early, late = (float(re.search(f"block {name} (.+)", err)[1]) for err in (first, second))
    assert early <= late
  assert "the end of 0" in children[0].out
  assert not children[1].out


@pytest.mark.parametrize(
  ("victim", "number"), [pytest.param(*death, marks=slow if i else ()) for i, death in enumerate(DEATHS)]
)
def test_a_process_that_is_gone_ends_the_other_in_the_middle_of_a_step(victim, number):
  heartbeat = 2.0
  with started(2, "steps", heartbeat) as children:
    survivor = children[1 - victim]
    survivor.wait_for("step 5 ")
    children[victim].signal(number)
    assert survivor.end(seconds=heartbeat + 5) == GONE, survivor.err
    assert f"error: process {victim} of 2" in survivor.err
    assert f"pid {children[victim].process.pid}" in survivor.err
    children[victim].signal(signal.SIGCONT)
    assert children[victim].end() in (GONE, -signal.SIGKILL)


@pytest.mark.parametrize(
  ("told", "number", "codes"),
  [(1, signal.SIGTERM, [143, 143]), pytest.param(0, signal.SIGINT, [130, 143], marks=slow)],
)
def test_a_signal_to_one_stops_both_after_the_same_step(told, number, codes):
  with started(2, "steps") as children:
    children[told].wait_for("step 5 ")
    children[told].signal(number)
    assert [child.end() for child in children] == codes
    saved = [
      [line for line in child.lines if line.startswith(("saved", "stopped after"))] for child in children
    ]
    assert saved[0] == saved[1] == [f"saved {steps(children[0])[-1]}", saved[0][1]]
    assert steps(children[0])[-1] == steps(children[1])[-1] >= 5


@slow
def test_a_signal_that_finds_no_step_any_more_stops_both():
  with started(2, "late") as children:
    assert [child.end() for child in children] == [143, 143]
    assert all("stopped after step" in child.err and "the end of" not in child.err for child in children)


@slow
def test_a_second_signal_leaves_at_once_and_the_other_names_it():
  with started(2, "steps") as children:
    children[1].wait_for("step 5 ")
    children[1].signal(signal.SIGTERM)
    children[1].wait_for("step " + str(steps(children[1])[-1] + 3))
    children[1].signal(signal.SIGTERM)
    assert [child.end() for child in children] == [GONE, 143]
    assert "error: process 1 of 2" in children[0].err


@slow
def test_outside_of_training_a_signal_ends_the_process():
  with started(2, "idle") as children:
    for child in children:
      child.wait_for("idle")
    children[0].signal(signal.SIGTERM)
    assert children[1].end(seconds=5) == GONE
    assert children[0].end() == -signal.SIGTERM


@slow
@pytest.mark.parametrize(
  ("what", "code", "end"),
  [("fail", 2, "error: this file is wrong\nin its"), ("crash", 1, "KeyError: 'a bug'")],
)
@pytest.mark.parametrize("victim", [0, 1])
def test_a_failure_of_one_is_told_to_the_other(victim, what, code, end):
  with started(2, f"{what}{victim}") as children:
    assert children[victim].end() == code, children[victim].err
    assert end in children[victim].err
    other = children[1 - victim]
    assert other.end() == code
    told = "this file is wrong" if what == "fail" else "'a bug'"
    assert re.search(
      rf"error: process {victim} of 2 \(.*\) stopped: {told}; this one cannot go on without it", other.err
    )


@slow
def test_the_same_failure_of_both_is_said_by_each():
  with started(2, "fail") as children:
    assert [child.end() for child in children] == [2, 2]
    assert all("cannot go on" not in child.err for child in children)


@slow
def test_a_step_that_never_ends_shows_where_both_are():
  with started(2, "stuck", heartbeat=30) as children:
    assert [child.end() for child in children] == [GONE, GONE]
    for child in children:
      assert re.search(r"error: .*no step was finished for \d s", child.err)
      assert re.search(r"processes.py\", line \d+ in run", child.err)


def test_wrong_flags_start_nothing():
  child = Child(["30", "steps", "--coordinator", "localhost", "--process_id", "-1"])
  assert child.end() == 2
  assert len(re.findall("^  - ", child.err, re.MULTILINE)) == 3
  assert "--num_processes is missing" in child.err
