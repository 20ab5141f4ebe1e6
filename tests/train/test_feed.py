"""Batches that are on the devices before they are asked for."""

import threading
import time

import numpy as np
import pytest

from zsar_jax.train.feed import AHEAD, Feed
from zsar_jax.train.sharding import make_mesh
from zsar_jax.types import ClipBatch


def batch(number):
  rows = np.full(8, number, np.int32)
  return ClipBatch(np.zeros((8, 1, 1, 2), np.float32), rows, np.zeros((8, 1), np.int32), rows == rows, rows)


def test_batches_come_in_order_some_ahead_and_no_more():
  read = []

  def batches():
    for number in range(10):
      read.append(number)
      yield batch(number)

  with Feed(make_mesh(), batches()) as feed:
    assert read == []
    for number in range(3):
      given, waited = feed.next()
      assert np.asarray(given.row).tolist() == [number] * 8
      assert waited >= 0
    time.sleep(0.3)
    assert len(read) <= 3 + AHEAD + 1
  assert threading.active_count() < 50
  assert not [thread for thread in threading.enumerate() if thread.name == "feed"]


def test_what_reading_raises_comes_after_the_batches_before_it():
  def batches():
    yield batch(0)
    raise ValueError("the third shard is damaged")

  with Feed(make_mesh(), batches()) as feed:
    feed.next()
    with pytest.raises(ValueError, match="third shard"):
      feed.next()
