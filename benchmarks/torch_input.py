"""PyTorch's side of the input benchmark: a DataLoader over PyAV, as a careful user would write it.

One thread a worker and a worker a core (threads of the codec measured slower). A clip is decoded from the keyframe before it to
its last frame, on the way without frames that no other frame needs; only the clip's frames are scaled, by swscale (bilinear),
while their colours are converted.
"""

import itertools
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import torch
from input_videos import scaled_size
from jaxtyping import UInt8
from torch.utils.data import DataLoader, Dataset, RandomSampler, default_collate

Batch = tuple[
  torch.Tensor, int, float
]  # clips uint8 [B,T,H,W,3], the worker's process, its CPU seconds so far


class Clips(Dataset):
  """A random crop of a random clip of each video, uint8 [T,crop,crop,3]."""

  def __init__(self, videos: list[tuple[str, int]], num_frames: int, short_side: int, crop: int):
    self.videos, self.num_frames, self.short_side, self.crop = videos, num_frames, short_side, crop

  def __len__(self) -> int:
    return len(self.videos)

  def __getitem__(self, row: int) -> UInt8[np.ndarray, "T H W 3"]:
    path, length = self.videos[row]
    start = random.randrange(max(length - self.num_frames + 1, 1))
    return read_clip(path, start, self.num_frames, self.short_side, self.crop)


def read_clip(
  path: str,
  start: int,
  num_frames: int,
  short_side: int,
  crop: int,
  corner: tuple[int, int] | None = None,
) -> UInt8[np.ndarray, "T crop crop 3"]:
  """Frames `start` and after of a video, scaled and cropped (top, left; random where None).

  A video that ends before the clip does repeats its last frame.
  """
  clip = np.empty((num_frames, crop, crop, 3), np.uint8)
  found = 0
  with av.open(path, metadata_errors="replace") as container:
    stream = container.streams.video[0]
    height, width = scaled_size(stream.height, stream.width, short_side)
    top, left = corner or (random.randint(0, height - crop), random.randint(0, width - crop))
    for frame in itertools.islice(_frames_from(container, start), num_frames):
      picture = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
      clip[found] = picture[top : top + crop, left : left + crop]
      found += 1
  if not found:
    raise RuntimeError(f"{path}: no frame at {start} or after")
  clip[found:] = clip[found - 1]
  return clip


def _frames_from(container: Any, start: int) -> Iterator[Any]:
  """Decoded frames from number `start` on."""
  stream = container.streams.video[0]
  decoder = stream.codec_context
  decoder.thread_count = 1  # workers are the parallelism
  ticks = 1 / (stream.average_rate * stream.time_base)  # a frame
  first = (stream.start_time or 0) + round(start * ticks)
  container.seek(first, stream=stream)

  def early(item: Any) -> bool:
    return item.pts is not None and item.pts < first - ticks / 2

  for packet in container.demux(stream):
    # Before the clip only frames that others are made from matter.
    decoder.skip_frame = "NONREF" if early(packet) else "DEFAULT"
    yield from (frame for frame in packet.decode() if not early(frame))


def collate(clips: list[np.ndarray]) -> Batch:
  """Stacked into shared memory; what the worker has spent goes with it."""
  return default_collate([torch.from_numpy(clip) for clip in clips]), os.getpid(), time.process_time()


def batches(job: dict[str, Any]) -> Iterator[Batch]:
  """Endless shuffled batches; epochs run into each other, so that no worker waits for one to end."""
  clips = Clips(job["videos"], job["num_frames"], job["short_side"], job["crop"])
  return iter(
    DataLoader(
      clips,
      job["batch"],
      sampler=RandomSampler(clips, num_samples=2**40),
      num_workers=job["workers"],
      collate_fn=collate,
      persistent_workers=True,
    )
  )


class CpuSeconds:
  """What this process and the workers had spent when they finished the batches seen so far."""

  def __init__(self) -> None:
    self._workers: dict[int, float] = {}

  def __call__(self, batch: Batch) -> float:
    _, worker, seconds = batch
    self._workers[worker] = seconds
    return time.process_time() + sum(self._workers.values())
