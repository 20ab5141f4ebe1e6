"""The device's one thread: every pass takes the clips that wait by then."""

import asyncio
import queue
import threading
import time
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from zsar_jax.serving.metrics import Metrics

MOST_VIDEOS = 64  # in one pass
MOST_CLIPS = 128  # in one pass of more than one video: an answer comes when its pass is done
WAITED = 32  # clips that a video is treated as smaller by, for every pass that it waited


class _Waiting(NamedTuple):
  clips: Any
  answer: Future[Any]
  since: int  # number of the pass when it came


class Embedder(Protocol):
  """What the device runs: a `Recognizer`, as far as it is needed here."""

  def embed_clips(self, clips: list[Any]) -> list[Any]: ...


class Device:
  """Embeds clips in batches that grow with the load: while a pass runs, the next one's clips gather. Small videos go first."""

  def __init__(self, recognizer: Embedder, metrics: Metrics):
    self._recognizer, self._metrics = recognizer, metrics
    self._arrived: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
    self._waiting: list[_Waiting] = []
    self._passes = 0
    self._thread = threading.Thread(target=self._run, name="device", daemon=True)
    self._thread.start()

  async def embed(self, clips: Any) -> Any:
    """As `Recognizer.embed_clips` for one video. Cancelled while it waits, it takes no place in a pass."""
    answer: Future[Any] = Future()
    self._metrics.device_queue.inc()
    self._arrived.put(_Waiting(clips, answer, self._passes))
    return await asyncio.wrap_future(answer)

  def close(self) -> None:
    """Ends the thread after the passes at hand."""
    self._arrived.put(None)
    self._thread.join()

  def _run(self) -> None:
    ending = False
    while not ending or self._waiting:
      ending = self._gather(ending) or ending
      batch = [one for one in self._take() if one.answer.set_running_or_notify_cancel()]
      if batch:
        self._pass(batch)
      del batch  # clips are large: none may outlive its answer while the thread waits

  def _gather(self, ending: bool) -> bool:
    """Takes what has come, waiting only where there is nothing to do; returns whether nothing more will."""
    try:
      while True:
        one = self._arrived.get(block=not self._waiting and not ending)
        if one is None:
          return True
        self._waiting.append(one)
        del one
    except queue.Empty:
      return False

  def _take(self) -> list[_Waiting]:
    """The next pass's videos: the smallest, and such as have waited long; at least one."""
    self._waiting.sort(key=lambda one: len(one.clips.positions) - WAITED * (self._passes - one.since))
    num = clips = 0
    for one in self._waiting[:MOST_VIDEOS]:
      clips += len(one.clips.positions)
      if num and clips > MOST_CLIPS:
        break
      num += 1
    taken, self._waiting = self._waiting[:num], self._waiting[num:]
    self._passes += 1
    self._metrics.device_queue.dec(num)
    return taken

  def _pass(self, batch: list[_Waiting]) -> None:
    started = time.perf_counter()
    try:
      vectors = self._recognizer.embed_clips([one.clips for one in batch])
    except Exception as error:
      for one in batch:
        one.answer.set_exception(error)
      return
    self._metrics.device.observe(time.perf_counter() - started)
    self._metrics.batch.observe(len(batch))
    for one, made in zip(batch, vectors, strict=True):
      one.answer.set_result(made)
