"""What benchmarks/input_variants.py compares: forms of storage, their pictures, and clips of H.264 read by PyAV."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyav_input
from input_videos import Video, scaled_size
from jaxtyping import UInt8

from zsar_jax.data.schema import JPEG_QUALITY

NUM_FRAMES = 16
COMPARED = 8  # frames of a video, spread over it: the first ones are encoded better than others


class Variant(NamedTuple):
  """One way to store videos, and what is read from it."""

  crop: int  # pixels
  short_side: int  # of the stored frames, pixels
  quality: int = JPEG_QUALITY
  scaled_to: int = 0  # pixels that the short side is brought to while decoding; 0: as stored
  group: int = 0  # frames between keyframes of H.264; 0: JPEGs in records

  @property
  def name(self) -> str:
    form = f"H.264, groups of {self.group}" if self.group else f"quality {self.quality}"
    scaled = f" read as {self.scaled_to}" if self.scaled_to else ""
    return f"{self.crop} of {self.short_side}{scaled}, {form}"


def read_clips(copies: list[Video], short_side: int, crop: int, seconds: float) -> tuple[int, float, float]:
  """Random clips for so long, in this process: how many, and the seconds that took, by the clock and of the CPU."""

  def read() -> None:
    path, length = random.choice(copies)
    start = random.randrange(max(length - NUM_FRAMES + 1, 1))
    pyav_input.read_clip(path, start, NUM_FRAMES, short_side, crop)

  read()
  clips, wall, cpu = 0, time.perf_counter(), time.process_time()
  while not clips or time.perf_counter() - wall < seconds:
    read()
    clips += 1
  return clips, time.perf_counter() - wall, time.process_time() - cpu


def psnr(variant: Variant, records: Path | None, copies: list[Video], sources: list[Path]) -> float:
  """Decibels between the variant's pictures and the source frames resized to the same size: the mean over frames of the videos."""
  ratios = []
  for number, source in enumerate(sources):
    name = f"{source.parent.name}/{source.name}"
    wanted = _source_frames(source, variant.scaled_to or variant.short_side)
    places = np.linspace(0, len(wanted) - 1, COMPARED).astype(int)
    if records is None:
      side = variant.scaled_to or variant.short_side
      found = _copied(copies[number][0], side, places)
    else:
      found = _stored(records, name, places, variant)
    for place, picture in zip(places, found, strict=True):
      error = np.mean((picture.astype(np.float64) - wanted[place]) ** 2)
      ratios.append(10 * np.log10(255**2 / max(error, 1e-3)))
  return float(np.mean(ratios))


def _source_frames(source: Path, short_side: int) -> list[UInt8[np.ndarray, "H W 3"]]:
  """As records are made of them, but for the compression."""
  from zsar_jax.data.video_source import VideoSource, resize

  with VideoSource(str(source), short_side, None) as video:
    return [resize(frame, video.height, video.width, "rgb24").to_ndarray() for frame in video.frames()]


def _stored(
  records: Path, name: str, places: np.ndarray, variant: Variant
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
  """As the pipeline decodes them."""
  from zsar_jax.data import augment
  from zsar_jax.data.decoding import decode_whole
  from zsar_jax.data.index import open_index

  index = open_index(records)
  row = index.video_ids(np.arange(len(index))).index(name)
  side = variant.scaled_to
  geometry = augment.geometry(index.height[[row]], index.width[[row]], variant.crop, side, ())
  for jpeg in index.frame_bytes(np.array([row]), places[None]):
    yield decode_whole("jpeg", jpeg, geometry.shrink).numpy()


def _copied(path: str, short_side: int, places: np.ndarray) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
  import av

  with av.open(path) as container:
    frames = list(container.decode(video=0))
  for place in places:
    height, width = scaled_size(frames[place].height, frames[place].width, short_side)
    yield frames[place].reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
