"""Who notices what when a process dies, freezes, fails or ends. Real processes and signals, without JAX; `test_distributed.py` has it."""

import concurrent.futures
import signal
import time

import pytest
from processes import free_port, started

from zsar_jax.train.peers import GONE, Peers
from zsar_jax.train.rendezvous import meet

RESTART = "start the same command again on all hosts"


def watching(children):
  for child in children:
    child.wait_for("watching")


def name(children, process):
  return f"process {process} of {len(children)}", f"pid {children[process].process.pid}"


def assert_names(child, *words):
  (line,) = [line for line in child.lines if line.startswith("error:")]
  assert all(word in line for word in words), line


@pytest.mark.parametrize("victim", [0, 2])
def test_a_killed_process_is_named_by_all_others(victim):
  with started(3, "watch", heartbeat=30) as children:
    watching(children)
    children[victim].signal(signal.SIGKILL)
    for child in children[:victim] + children[victim + 1 :]:
      assert child.end(seconds=5) == GONE
      assert_names(child, *name(children, victim), "is gone: its connection closed", RESTART)


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_frozen_process_is_named_by_all_others_and_leaves_when_it_wakes(victim):
  heartbeat = 0.8
  with started(3, "watch", heartbeat) as children:
    watching(children)
    children[victim].signal(signal.SIGSTOP)
    for child in children[:victim] + children[victim + 1 :]:
      assert child.end(seconds=heartbeat + 5) == GONE
      assert_names(
        child, *name(children, victim), f"is gone: it has given no sign for {heartbeat:g} s", RESTART
      )
    children[victim].signal(signal.SIGCONT)
    assert children[victim].end() == GONE
    assert_names(
      children[victim], "the others have given this process up" if victim else "had been frozen for"
    )


@pytest.mark.slow
def test_a_job_that_is_suspended_as_a_whole_goes_on():
  with started(3, "watch", heartbeat=1.0) as children:
    watching(children)
    for number in (signal.SIGSTOP, signal.SIGCONT):
      for child in children:
        child.signal(number)
      time.sleep(1.5)
    for child in children:
      child.order("finish")
    assert [child.end() for child in children] == [0, 0, 0]


@pytest.mark.slow
def test_all_wait_for_the_last_one_however_long_it_takes():
  with started(2, "watch", heartbeat=0.8) as children:
    watching(children)
    children[1].order("finish")
    time.sleep(1.5)
    assert "finished" not in children[1].err
    children[0].order("finish")
    assert [child.end() for child in children] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_fails_tells_the_others_why(victim):
  with started(3, "watch", heartbeat=30) as children:
    watching(children)
    children[victim].order("fail")
    assert children[victim].end(seconds=10) == 1
    for child in children[:victim] + children[victim + 1 :]:
      assert child.end(seconds=10) == 1
      assert_names(child, *name(children, victim), "stopped: a reason; this one cannot go on without it")


@pytest.mark.slow
def test_where_one_is_stuck_all_show_their_threads():
  with started(2, "watch_stuck", heartbeat=30) as children:
    watching(children)
    children[1].order("fail")
    assert children[0].end(seconds=10) == GONE
    assert_names(children[0], *name(children, 1), "stopped: a reason", RESTART)
    assert "processes.py" in children[0].err
    assert "in watch" in children[0].err


def in_threads(num_processes, work, heartbeat=30.0):
  """`work(peers)` of every process, each in a thread."""
  port = free_port()

  def one(process):
    peers = Peers(process, num_processes, meet(f"localhost:{port}", num_processes, process, 60), heartbeat)
    result = work(peers)
    peers.finish()
    return result

  with concurrent.futures.ThreadPoolExecutor(num_processes) as pool:
    return list(pool.map(one, range(num_processes)))


def test_all_get_the_values_of_process_0_in_order():
  def work(peers):
    return [peers.share("step", value + 1000 * peers.process) for value in range(200)]

  assert in_threads(4, work) == [list(range(200))] * 4


def test_processes_that_do_not_run_alike_are_told():
  def work(peers):
    try:
      return peers.share("b" if peers.process else "a", 5)
    except RuntimeError as error:
      return str(error)

  assert in_threads(2, work) == [5, "process 1 came to 'b' while process 0 came to 'a'"]


def test_a_star_of_256_processes():
  def work(peers):
    return peers.share("step", peers.process + 7)

  assert in_threads(256, work, heartbeat=4.0) == [7] * 256
