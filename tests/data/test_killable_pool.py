import contextlib
import threading
import time

import pytest

from zsar_jax.data import killable_pool
from zsar_jax.data.killable_pool import map_ahead


class Thing:
  """Does its calls in the thread that asks; `kill` lets one that waits go."""

  def __init__(self):
    self.killed, self.closed = threading.Event(), False

  def kill(self):
    self.killed.set()

  def close(self):
    self.closed = True


@pytest.fixture
def made():
  return []


@pytest.fixture
def make(made):
  return lambda: made.append(Thing()) or made[-1]


def test_answers_come_in_order(make, made):
  def double(thing, item):
    time.sleep(0.01 * (item % 3))
    return 2 * item

  assert list(map_ahead(double, range(40), make, 3)) == [2 * item for item in range(40)]
  assert [thing.closed for thing in made] == [True] * 3


def test_one_that_hangs_does_not_keep_the_others_from_working(make):
  done = []

  def work(thing, item):
    if item == 0:
      while len(done) < 50:
        time.sleep(0.001)
    done.append(item)
    return item

  assert list(map_ahead(work, range(60), make, 2)) == list(range(60))
  assert done.index(0) >= 50


def test_answers_that_wait_are_bounded(make, monkeypatch):
  monkeypatch.setattr(killable_pool, "MOST_BYTES", 10)
  done, go = [], threading.Event()

  def work(thing, item):
    if item == 0:
      go.wait(10)
    done.append(item)
    return item

  timer = threading.Timer(0.3, go.set)
  timer.start()
  answers = map_ahead(work, range(60), make, 2, size=lambda answer: 5)
  assert next(answers) == 0
  assert len(done) <= 1 + 2 + 2 * 2
  assert list(answers) == list(range(1, 60))


def test_leaving_early_ends_what_is_at_work(make, made):
  def work(thing, item):
    if item:
      assert thing.killed.wait(10)
    return item

  with contextlib.closing(map_ahead(work, range(20), make, 2)) as answers:
    assert next(answers) == 0
  assert all(thing.closed for thing in made)


def test_an_error_is_the_readers(make, made):
  def work(thing, item):
    return 1 // (3 - item)

  answers = map_ahead(work, range(20), make, 2)
  assert [next(answers) for _ in range(3)] == [0, 0, 1]
  with pytest.raises(ZeroDivisionError):
    next(answers)
  assert all(thing.closed for thing in made)
