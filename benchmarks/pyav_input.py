"""Clips from videos with PyAV, as a careful user would write it; needs no PyTorch.

One thread: workers are the parallelism (threads of the codec measured slower). A clip is decoded from the keyframe before it to its
last frame, on the way without frames that no other frame needs; only the clip's frames are scaled, by swscale (bilinear), while
their colours are converted.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from input_videos import scaled_size
from jaxtyping import UInt8


def read_clip(
  path: str,
  start: int,
  num_frames: int,
  short_side: int,
  crop: int,
  corner: tuple[int, int] | None = None,
  skip: bool = True,
) -> UInt8[np.ndarray, "T crop crop 3"]:
  """Frames `start` and after of a video, scaled and cropped (top, left; random where None).

  `skip` leaves out, before the clip, the frames that no other frame needs; most loaders decode them too.

  A video that ends before the clip does repeats its last frame.
  """
  clip = np.empty((num_frames, crop, crop, 3), np.uint8)
  found = 0
  with av.open(path, metadata_errors="replace") as container:
    stream = container.streams.video[0]
    height, width = scaled_size(stream.height, stream.width, short_side)
    top, left = corner or (random.randint(0, height - crop), random.randint(0, width - crop))
    for frame in itertools.islice(_frames_from(container, start, skip), num_frames):
      picture = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
      clip[found] = picture[top : top + crop, left : left + crop]
      found += 1
  if not found:
    raise RuntimeError(f"{path}: no frame at {start} or after")
  clip[found:] = clip[found - 1]
  return clip


def _frames_from(container: Any, start: int, skip: bool) -> Iterator[Any]:
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
    decoder.skip_frame = "NONREF" if skip and early(packet) else "DEFAULT"
    yield from (frame for frame in packet.decode() if not early(frame))
