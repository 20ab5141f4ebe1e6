"""Decoding in a few killable processes, called from asyncio."""

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from zsar_jax.data.decode import Decoder
from zsar_jax.data.video_clips import VideoClips
from zsar_jax.data.video_source import VideoError
from zsar_jax.serving.media import prepare
from zsar_jax.serving.memory import Memory
from zsar_jax.serving.metrics import Metrics
from zsar_jax.serving.settings import DECODER_BYTES, HELD_BYTES

START_SECONDS = 60.0
Read = Callable[[Decoder], VideoClips]


class Decoding:
  """A pool of decoding processes.

  Args:
    workers: processes.
    clips_bytes: that the frames of one video may take; bounds the memory of a process, which copies them a few times.
  """

  def __init__(self, workers: int, clips_bytes: int, metrics: Metrics):
    self._metrics, self._most_bytes = metrics, DECODER_BYTES + 4 * clips_bytes
    self._everyone = [Decoder() for _ in range(workers)]
    self._idle: asyncio.Queue[Decoder] = asyncio.Queue()
    for decoder in self._everyone:
      self._idle.put_nowait(decoder)
    self._threads = ThreadPoolExecutor(workers, "decoding")
    self._memory = Memory(HELD_BYTES)

  @contextlib.asynccontextmanager
  async def clips(self, read: Read, most_bytes: int) -> AsyncIterator[VideoClips]:
    """What `read(decoder)` returns; its memory is counted until the block ends.

    Args:
      read: called in a thread with a process that nobody else uses. Where the task is cancelled, the process is killed.
      most_bytes: that its frames may take. It waits until what others hold leaves room for them.

    Raises:
      VideoError: from `read`.
    """
    held = 0
    try:
      with self._metrics.decode_queue.track_inprogress():
        decoder = await self._idle.get()
        try:
          await self._memory.take(most_bytes)
        except BaseException:
          self._idle.put_nowait(decoder)
          raise
        held = most_bytes
      clips = await self._run(read, decoder)
      self._memory.give(held - clips.frames.nbytes)
      held = clips.frames.nbytes
      yield clips
    finally:
      self._memory.give(held)

  async def _run(self, read: Read, decoder: Decoder) -> VideoClips:
    """Gives the decoder back once its thread is done with it, which may be after this."""
    started, gone = time.perf_counter(), threading.Event()

    def work() -> VideoClips:
      try:
        self._start(decoder)
        if gone.is_set():
          raise VideoError("nobody waits for it")
        return read(decoder)
      finally:
        self._metrics.decoding.observe(time.perf_counter() - started)
        if gone.is_set():  # it may have been killed a moment after its call was done
          decoder.close()

    call = asyncio.get_running_loop().run_in_executor(self._threads, work)
    call.add_done_callback(functools.partial(self._done, decoder))
    try:
      return await asyncio.shield(call)
    except asyncio.CancelledError:
      gone.set()
      decoder.kill()
      raise

  def _done(self, decoder: Decoder, call: asyncio.Future[VideoClips]) -> None:
    if not call.cancelled():
      call.exception()  # looked at: nobody else may be there to do it
    self._idle.put_nowait(decoder)

  def warm_up(self) -> None:
    """Starts the processes. Call it before the first video."""
    for _ in self._threads.map(self._start, self._everyone):
      pass

  def _start(self, decoder: Decoder) -> None:
    """Sees to it that the process lives and is within its bounds: no video may pay for what happened before it.

    Raises:
      VideoError: it does not start.
    """
    try:
      decoder.call(prepare, self._most_bytes, timeout=START_SECONDS)
    except VideoError:
      decoder.call(prepare, self._most_bytes, timeout=START_SECONDS)

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
