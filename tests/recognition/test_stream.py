"""Rows of many items, a fixed number at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.recognition.stream import in_batches


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
