"""Batches on the devices before they are asked for."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

from jax.sharding import Mesh

from zsar_jax.train.sharding import place_batch
from zsar_jax.types import ClipBatch

AHEAD = 1  # placed batches that wait, beside the one in the thread's hands and the one in use


class Feed:
  """A context whose thread reads batches and copies them to the devices while the step before runs.

  Nothing is read before the first `next`.
  """

  def __init__(self, mesh: Mesh, batches: Iterator[ClipBatch]):
    self._mesh, self._batches = mesh, batches
    self._queue: queue.Queue[ClipBatch | BaseException] = queue.Queue(AHEAD)
    self._closed = threading.Event()
    self._thread: threading.Thread | None = None

  def __enter__(self) -> "Feed":
    return self

  def __exit__(self, *_: Any) -> None:
    """Lets go of what was read; a batch that is being read is waited for."""
    self._closed.set()
    while self._thread and self._thread.is_alive():
      self._drain()
      self._thread.join(0.05)

  def next(self) -> tuple[ClipBatch, float]:
    """The next batch, split over the devices, and the seconds that it was waited for.

    Raises:
      RecordError, StopIteration: what reading raised.
    """
    if self._thread is None:
      self._thread = threading.Thread(target=self._read, name="feed", daemon=True)
      self._thread.start()
    started = time.perf_counter()
    given = self._queue.get()
    if isinstance(given, BaseException):
      raise given
    return given, time.perf_counter() - started

  def _read(self) -> None:
    try:
      for batch in self._batches:
        self._put(place_batch(self._mesh, batch))
        if self._closed.is_set():
          return
    except BaseException as error:
      self._put(error)

  def _put(self, item: ClipBatch | BaseException) -> None:
    while not self._closed.is_set():
      try:
        return self._queue.put(item, timeout=0.1)
      except queue.Full:
        continue

  def _drain(self) -> None:
    while not self._queue.empty():
      self._queue.get_nowait()
