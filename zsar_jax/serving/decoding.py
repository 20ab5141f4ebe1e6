"""Decoding in a few killable processes, called from asyncio."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zsar_jax.data.decode import Decoder
from zsar_jax.serving.media import prepare
from zsar_jax.serving.metrics import Metrics
from zsar_jax.serving.settings import HELD_BYTES

START_SECONDS = 60.0


class Decoding:
  """A pool of decoding processes.

  Args:
    workers: processes.
  """

  def __init__(self, workers: int, metrics: Metrics):
    self._metrics = metrics
    self._everyone = [Decoder() for _ in range(workers)]
    self._idle: asyncio.Queue[Decoder] = asyncio.Queue()
    for decoder in self._everyone:
      self._idle.put_nowait(decoder)
    self._threads = ThreadPoolExecutor(workers, "decoding")
    self._held, self._room = 0, asyncio.Condition()

  async def run(self, function: Callable[[Decoder], Any]) -> Any:
    """`function(decoder)` in a thread, with a process nobody else uses. Cancelled, the process is killed, and comes back anew.

    Raises:
      VideoError: from `function`.
    """
    with self._metrics.decode_queue.track_inprogress():
      decoder = await self._idle.get()
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    call = loop.run_in_executor(self._threads, functools.partial(function, decoder))
    try:
      return await asyncio.shield(call)
    except asyncio.CancelledError:
      decoder.kill()
      with contextlib.suppress(Exception):
        await call  # the thread must be done with it before anybody else gets it
      raise
    finally:
      self._idle.put_nowait(decoder)
      self._metrics.decoding.observe(time.perf_counter() - started)

  @contextlib.asynccontextmanager
  async def room(self) -> AsyncIterator[Callable[[int], None]]:
    """Waits until clips that others hold leave room; call what it gives with the bytes held from now to the end."""
    own = 0

    def hold(num_bytes: int) -> None:
      nonlocal own
      own += num_bytes
      self._held += num_bytes

    async with self._room:
      await self._room.wait_for(lambda: self._held < HELD_BYTES)
    try:
      yield hold
    finally:
      self._held -= own
      async with self._room:
        self._room.notify_all()

  def warm_up(self) -> None:
    """Starts the processes. Call it before the first video."""
    for _ in self._threads.map(lambda decoder: decoder.call(prepare, timeout=START_SECONDS), self._everyone):
      pass

  def kill(self) -> None:
    """Ends the processes at once."""
    for decoder in self._everyone:
      decoder.kill()

  def close(self) -> None:
    """Ends the processes and their threads."""
    self.kill()
    self._threads.shutdown(wait=True)
    for decoder in self._everyone:
      decoder.close()
