"""Rows of many items, a fixed number at a time."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.recognition.stream import MOST_EMPTY, in_batches


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_every_item_gets_its_own_rows_in_order(lengths, size):
  shapes = []

  def run(batch):
    shapes.append(batch.shape)
    return 2 * batch

  rows = np.arange(1, sum(lengths) + 1)[:, None] * np.ones((1, 3))
  items = list(enumerate(np.split(rows, np.cumsum(lengths)[:-1]))) if lengths else []
  found = list(in_batches(items, size, run))
  assert [key for key, _ in found] == list(range(len(lengths)))
  for (_, given_rows), (_, rows_back) in zip(items, found, strict=True):
    np.testing.assert_array_equal(rows_back, 2 * given_rows if len(given_rows) else np.zeros((0, 0)))
  # Padding at the end alone: no more batches than rows need.
  assert shapes == [(size, 3)] * -(-sum(lengths) // size)


def test_items_come_out_while_more_go_in():
  taken = []

  def items():
    for number in range(100):
      taken.append(number)
      yield number, np.zeros((4, 1))

  for key, _ in in_batches(items(), 8, lambda batch: batch):
    assert len(taken) - key <= 4  # two batches of two items


def bad_ones(*first):
  """Items without rows, without end, after the first."""
  yield from enumerate(first)
  yield from ((number, np.zeros(0)) for number in itertools.count(len(first)))


def test_items_without_rows_at_the_head_come_out_at_once():
  taken = []
  items = (taken.append(item[0]) or item for item in bad_ones())
  for expected, (key, rows) in enumerate(itertools.islice(in_batches(items, 8, lambda batch: batch), 1000)):
    assert key == expected
    assert rows.shape == (0, 0)
    assert len(taken) == key + 1


def test_items_without_rows_behind_a_batch_that_is_not_full_do_not_pile_up():
  taken, shapes = [], []
  items = (taken.append(item[0]) or item for item in bad_ones(np.ones((3, 2))))
  found = in_batches(items, 8, lambda batch: shapes.append(batch.shape) or 2 * batch)
  key, rows = next(found)
  assert key == 0
  np.testing.assert_array_equal(rows, np.full((3, 2), 2))
  assert [key for key, _ in itertools.islice(found, 1000)] == list(range(1, 1001))
  assert len(taken) - 1000 <= MOST_EMPTY + 18
  assert shapes == [(8, 2)]
