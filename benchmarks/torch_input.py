"""The other side of the input benchmark: PyTorch's DataLoader over PyAV or OpenCV, a worker a core."""

import importlib
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch.utils.data import DataLoader, Dataset, RandomSampler, default_collate

# Clips uint8 [B,T,H,W,3], the worker's process, its CPU seconds so far.
Batch = tuple[torch.Tensor, int, float]


class Clips(Dataset):
  """A random crop of a random clip of each video, uint8 [T,crop,crop,3], by `read_clip` of pyav_input or opencv_input."""

  def __init__(self, read_clip: Callable[..., np.ndarray], job: dict[str, Any]):
    self.read_clip, self.videos, self.num_frames = read_clip, job["videos"], job["num_frames"]
    self.short_side, self.crop = job["short_side"], job["crop"]

  def __len__(self) -> int:
    return len(self.videos)

  def __getitem__(self, row: int) -> UInt8[np.ndarray, "T H W 3"]:
    path, length = self.videos[row]
    start = random.randrange(max(length - self.num_frames + 1, 1))
    return self.read_clip(path, start, self.num_frames, self.short_side, self.crop)


def collate(clips: list[np.ndarray]) -> Batch:
  """Stacked into shared memory; what the worker has spent goes with it."""
  return default_collate([torch.from_numpy(clip) for clip in clips]), os.getpid(), time.process_time()


def batches(job: dict[str, Any]) -> Iterator[Batch]:
  """Endless shuffled batches; epochs run into each other, so that no worker waits for one to end.

  `job["reader"]` is the module that reads: pyav_input or opencv_input.
  """
  clips = Clips(importlib.import_module(job["reader"]).read_clip, job)
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
