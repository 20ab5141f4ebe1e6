"""The device's one thread: every pass takes all clips that wait by then."""

import asyncio
import queue
import threading
import time
from concurrent.futures import Future
from typing import Any, Protocol

from zsar_jax.serving.metrics import Metrics

MOST_VIDEOS = 64  # in one pass


class Embedder(Protocol):
  """What the device runs: a `Recognizer`, as far as it is needed here."""

  def embed_clips(self, clips: list[Any]) -> list[Any]: ...


class Device:
  """Embeds clips in batches that grow with the load: while a pass runs, the next one's clips gather."""

  def __init__(self, recognizer: Embedder, metrics: Metrics):
    self._recognizer, self._metrics = recognizer, metrics
    self._waiting: queue.SimpleQueue[tuple[Any, Future] | None] = queue.SimpleQueue()
    self._thread = threading.Thread(target=self._run, name="device", daemon=True)
    self._thread.start()

  async def embed(self, clips: Any) -> Any:
    """As `Recognizer.embed_clips` for one video. Cancelled while it waits, it takes no place in a pass."""
    answer: Future[Any] = Future()
    self._waiting.put((clips, answer))
    self._metrics.device_queue.inc()
    return await asyncio.wrap_future(answer)

  def close(self) -> None:
    """Ends the thread after the passes at hand."""
    self._waiting.put(None)
    self._thread.join()

  def _run(self) -> None:
    while True:
      taken, last = self._take()
      batch = [one for one in taken if one[1].set_running_or_notify_cancel()]
      if batch:
        self._pass(batch)
      if last:
        return
      del taken, batch  # clips are large: none may outlive its answer while the thread waits

  def _take(self) -> tuple[list[tuple[Any, Future]], bool]:
    """What waits, at least one; and whether nothing more will come."""
    taken: list[tuple[Any, Future]] = []
    try:
      one = self._waiting.get()
      while one is not None:
        taken.append(one)
        self._metrics.device_queue.dec()
        if len(taken) == MOST_VIDEOS:
          break
        one = self._waiting.get_nowait()
    except queue.Empty:
      return taken, False
    return taken, one is None

  def _pass(self, batch: list[tuple[Any, Future]]) -> None:
    started = time.perf_counter()
    try:
      vectors = self._recognizer.embed_clips([clips for clips, _ in batch])
    except Exception as error:
      for _, answer in batch:
        answer.set_exception(error)
      return
    self._metrics.device.observe(time.perf_counter() - started)
    self._metrics.batch.observe(len(batch))
    for (_, answer), made in zip(batch, vectors, strict=True):
      answer.set_result(made)
