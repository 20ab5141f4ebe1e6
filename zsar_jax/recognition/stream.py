"""Rows of many items through a function of a fixed number of rows: one shape to compile, padding at the end alone."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Shaped

Key = TypeVar("Key")

MOST_EMPTY = 256  # items without rows that wait; those with rows are at most two batches


class _Batch:
  """A result that may still be under way on the device."""

  def __init__(self, result: Any):
    self._result = result

  def rows(self, begin: int, end: int) -> np.ndarray:
    if not isinstance(self._result, np.ndarray):
      self._result = np.asarray(self._result)
    return self._result[begin:end]


class _Item(Generic[Key]):
  def __init__(self, key: Key, num_rows: int):
    self.key, self.left = key, num_rows  # rows that no batch has taken
    self.parts: list[tuple[_Batch, int, int]] = []
    self.last = -1  # number of the newest batch that holds rows of it

  def rows(self) -> np.ndarray:
    parts = [batch.rows(begin, end) for batch, begin, end in self.parts]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def in_batches(
  items: Iterable[tuple[Key, Shaped[np.ndarray, "n ..."]]], size: int, run: Callable[[np.ndarray], Any]
) -> Iterator[tuple[Key, Shaped[np.ndarray, "n ..."]]]:
  """(key, `run` of its rows) of every item, in order.

  One batch is on its way while the next is put together, so an item comes out when a batch after its last row has started, or at the end.
  Items without rows behind it wait for it; where so many do that they would fill the memory, a batch starts before it is full.

  Args:
    items: keys, each with any number of rows of one shape; an item without rows comes out as [0, 0], at once where none waits before it.
    size: rows of a batch; the last is filled up with zeros.
    run: takes [size, ...]; its rows do not depend on each other. It may return before it is done, as JAX does.
  """
  waiting: deque[_Item[Key]] = deque()
  pieces: list[tuple[_Item[Key], np.ndarray]] = []
  filled = started = 0

  def start() -> None:
    nonlocal filled, started
    rows = [piece for _, piece in pieces]
    if filled < size:
      rows.append(np.zeros((size - filled, *rows[0].shape[1:]), rows[0].dtype))
    batch, begin = _Batch(run(np.concatenate(rows))), 0
    for item, piece in pieces:
      item.parts.append((batch, begin, begin + len(piece)))
      item.left, item.last, begin = item.left - len(piece), started, begin + len(piece)
    pieces.clear()
    filled, started = 0, started + 1

  for key, rows in items:
    item = _Item(key, len(rows))
    waiting.append(item)
    while len(rows):
      piece, rows = rows[: size - filled], rows[size - filled :]
      pieces.append((item, piece))
      filled += len(piece)
      if filled == size:
        start()
    crowded = len(waiting) > 2 * size + MOST_EMPTY
    if crowded and pieces:
      start()
    while waiting and not waiting[0].left and (crowded or waiting[0].last < max(started - 1, 0)):
      done = waiting.popleft()
      yield done.key, done.rows()
  if pieces:
    start()
  for item in waiting:
    yield item.key, item.rows()
