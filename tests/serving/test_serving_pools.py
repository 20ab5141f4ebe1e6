"""What waits for what: decoding processes, memory, the device."""

import asyncio
import os
import signal
import threading
import time

import numpy as np
import pytest

from zsar_jax.data.video_clips import VideoClips
from zsar_jax.data.video_source import VideoError
from zsar_jax.serving import decoding
from zsar_jax.serving.decoding import Decoding
from zsar_jax.serving.device import MOST_CLIPS, Device
from zsar_jax.serving.memory import Memory
from zsar_jax.serving.metrics import Metrics


def _clips(num_clips, num_bytes=12):
  none = np.zeros(0, np.float32)
  return VideoClips(
    np.zeros(num_bytes, np.uint8), np.zeros((num_clips, 4), np.int32), num_clips, none, none, 1.0, 4
  )


@pytest.fixture
def pool():
  made = Decoding(2, 1000, Metrics())
  yield made
  made.close()


def test_clips_that_are_held_are_bounded(pool):
  """As many come at once as a server takes; each is decoded to 200 bytes of at most 300, and held for a while."""
  pool._memory, peak, failed = Memory(1000), [0], []
  pool._start = lambda decoder: None

  def read(decoder):
    peak[0] = max(peak[0], pool._memory.held)
    if not failed:
      failed.append(True)
      raise VideoError("broken")
    return _clips(1, 200)

  async def one():
    async with pool.clips(read, 300):
      peak[0] = max(peak[0], pool._memory.held)
      await asyncio.sleep(0.005)

  async def everyone():
    return await asyncio.gather(*(one() for _ in range(40)), return_exceptions=True)

  answers = asyncio.run(everyone())
  assert sum(isinstance(each, VideoError) for each in answers) == 1
  assert sum(each is None for each in answers) == 39
  assert 600 < peak[0] <= 1000
  assert pool._memory.held == 0


def test_a_process_that_died_costs_nobody_a_video(pool):
  pids = []

  def read(decoder):
    pids.append(decoder.call(os.getpid, timeout=10))
    return _clips(1)

  async def one():
    async with pool.clips(read, 10):
      pass

  async def everyone():
    for _ in range(2):
      await asyncio.gather(one(), one())
      for pid in pids:
        os.kill(pid, signal.SIGKILL)
      died.extend(pids)
      pids.clear()
    await asyncio.gather(one(), one())

  died = []
  asyncio.run(everyone())
  assert not set(pids) & set(died)


def test_a_process_may_take_so_much_memory_and_no_more(pool):
  def read(decoder):
    decoder.call(bytearray, 1 << 20, timeout=10)
    with pytest.raises(VideoError, match="needs more memory than there is"):
      decoder.call(bytearray, decoding.DECODER_BYTES + (1 << 20), timeout=10)
    return _clips(1)

  async def one():
    async with pool.clips(read, 10):
      pass

  asyncio.run(one())


def test_work_that_is_dropped_leaves_a_fresh_process(pool):
  began = threading.Event()

  def slow(decoder):
    began.set()
    decoder.call(time.sleep, 60, timeout=90)

  async def one(read):
    async with pool.clips(read, 10) as clips:
      return clips.num_clips

  async def drop():
    for _ in range(2):
      began.clear()
      asked = [asyncio.ensure_future(one(slow)) for _ in range(2)]
      assert await asyncio.to_thread(began.wait, 20)
      for each in asked:
        each.cancel()
      await asyncio.gather(*asked, return_exceptions=True)
    return await asyncio.gather(
      *(one(lambda decoder: _clips(decoder.call(abs, -2, timeout=10))) for _ in range(4))
    )

  assert asyncio.run(drop()) == [2] * 4
  assert pool._memory.held == 0


class _Slow:
  """A device whose first pass waits to be let go; writes down every pass."""

  def __init__(self):
    self.passes, self.may_go = [], threading.Event()

  def embed_clips(self, clips):
    self.may_go.wait(20)
    self.passes.append([len(each.positions) for each in clips])
    return [len(each.positions) for each in clips]


def test_small_videos_go_first_and_large_ones_are_not_forgotten():
  slow = _Slow()
  device = Device(slow, Metrics())

  async def ask():
    first = asyncio.ensure_future(device.embed(_clips(1)))
    await asyncio.sleep(0.05)
    sizes = [150, 3, 100, 200, 2]
    asked = [asyncio.ensure_future(device.embed(_clips(size))) for size in sizes]
    await asyncio.sleep(0.05)
    slow.may_go.set()
    return await asyncio.gather(first, *asked) == [1, *sizes]

  assert asyncio.run(ask())
  device.close()
  assert slow.passes == [[1], [2, 3, 100], [150], [200]]
  assert all(len(each) == 1 or sum(each) <= MOST_CLIPS for each in slow.passes)
