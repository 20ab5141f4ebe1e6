"""How processes meet, and what a user reads who started them wrongly. No JAX here: threads stand for processes."""

import concurrent.futures
import socket
import threading
import time

import pytest
from processes import free_port

from zsar_jax.errors import InputError
from zsar_jax.train.rendezvous import meet, split_address


def meet_all(port, claims, seconds=20.0):
  """What each of the processes that claim (process, num_processes) gets: its connections, or the error."""

  def one(claim):
    process, num_processes = claim
    try:
      connections = meet(f"localhost:{port}", num_processes, process, seconds)
    except InputError as error:
      return str(error)
    for connection in connections:
      connection.socket.close()
    return [connection.process for connection in connections]

  with concurrent.futures.ThreadPoolExecutor(len(claims)) as pool:
    return list(pool.map(one, claims))


def test_everyone_meets_process_0():
  assert meet_all(free_port(), [(2, 4), (0, 4), (3, 4), (1, 4)]) == [[0], [1, 2, 3], [0], [0]]


def test_strangers_are_sent_away():
  port = free_port()

  def intrude():
    for said in (b"GET / HTTP/1.1\n", b'{"process": "1"}\n', b"[]\n", b"x" * 10000):
      for _ in range(100):
        try:
          with socket.create_connection(("localhost", port), timeout=5) as stranger:
            stranger.sendall(said)
            break
        except OSError:
          time.sleep(0.05)

  stranger = threading.Thread(target=intrude)
  stranger.start()
  first = concurrent.futures.ThreadPoolExecutor(1).submit(meet_all, port, [(0, 2)])
  stranger.join()
  assert meet_all(port, [(1, 2)]) == [[0]]
  assert first.result() == [[1]]


def test_two_with_one_number_are_named():
  results = meet_all(free_port(), [(0, 3), (1, 3), (1, 3)], seconds=3.0)
  assert all("are both process 1; each needs its own --process_id" in result for result in results)


def test_different_counts_are_named():
  results = meet_all(free_port(), [(0, 2), (1, 3)], seconds=3.0)
  assert all("was started as one of 3 processes, process 0 as one of 2" in result for result in results)


def test_who_is_missing_is_named():
  port = free_port()
  here, there = meet_all(port, [(0, 4), (2, 4)], seconds=0.5)
  assert f"2 of 4 processes came to localhost:{port} within 0.5 s; missing: process 1, 3" in here
  assert there == here


def test_a_coordinator_that_is_not_there_is_named():
  port = free_port()
  (told,) = meet_all(port, [(1, 2)], seconds=0.4)
  assert told.startswith(
    f"process 1 of 2 could not reach process 0 at localhost:{port} within 0.4 s (Connection refused)"
  )
  with pytest.raises(InputError, match=r"could not reach process 0 at no\.such\.host\.invalid:80"):
    meet("no.such.host.invalid:80", 2, 1, 0.2)


def test_a_port_in_use_is_named():
  with socket.create_server(("", 0)) as taken:
    (told,) = meet_all(taken.getsockname()[1], [(0, 2)], seconds=0.4)
  assert "process 0 cannot listen at the coordinator's port" in told
  assert "Address already in use" in told


def test_something_else_answers():
  with socket.create_server(("", 0)) as other:

    def answer():
      connected, _ = other.accept()
      other.close()
      with connected:
        connected.recv(1000)
        connected.sendall(b"220 mail\n")

    thread = threading.Thread(target=answer)
    thread.start()
    (told,) = meet_all(other.getsockname()[1], [(1, 2)], seconds=0.1)
    thread.join()
  assert "what answers there is not process 0 of this run" in told


def test_addresses():
  assert split_address("node1:80") == ("node1", 80)
  assert split_address("[fe80::1]:80") == ("fe80::1", 80)
  for wrong in ("node1", ":80", "node1:", "node1:0", "node1:99999", "node1:8x"):
    with pytest.raises(ValueError, match=wrong):
      split_address(wrong)
