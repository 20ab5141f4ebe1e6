"""Clips from videos with OpenCV, as a careful user would write it; needs no PyTorch.

One thread in the codec and in OpenCV: workers are the parallelism. The clip's first frame is sought by its number; OpenCV then decodes
from the keyframe before it, and hands over whole frames as BGR. Frames are scaled by INTER_AREA where they shrink (antialiased, and
what OpenCV's manual recommends), by INTER_LINEAR where they grow, not at all where they have the size; only the crop becomes RGB.
"""

import random

import cv2
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
) -> UInt8[np.ndarray, "T crop crop 3"]:
  """Frames `start` and after of a video, scaled and cropped (top, left; random where None), RGB.

  A video that ends before the clip does repeats its last frame.

  Raises:
    RuntimeError: the video cannot be opened, or has no frame at `start`.
  """
  cv2.setNumThreads(1)
  capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
  try:
    width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if not capture.isOpened() or not capture.set(cv2.CAP_PROP_POS_FRAMES, start):
      raise RuntimeError(f"{path}: cannot be opened, or not sought to frame {start}")
    return _read(capture, path, num_frames, (height, width), short_side, crop, corner)
  finally:
    capture.release()


def _read(
  capture: cv2.VideoCapture,
  path: str,
  num_frames: int,
  size: tuple[int, int],
  short_side: int,
  crop: int,
  corner: tuple[int, int] | None,
) -> UInt8[np.ndarray, "T crop crop 3"]:
  height, width = scaled_size(*size, short_side)
  top, left = corner or (random.randint(0, height - crop), random.randint(0, width - crop))
  method = cv2.INTER_AREA if height < size[0] else cv2.INTER_LINEAR
  clip = np.empty((num_frames, crop, crop, 3), np.uint8)
  found, picture = 0, None
  while found < num_frames:
    more, picture = capture.read(picture)
    if not more:
      break
    scaled = (
      picture if (height, width) == size else cv2.resize(picture, (width, height), interpolation=method)
    )
    cv2.cvtColor(scaled[top : top + crop, left : left + crop], cv2.COLOR_BGR2RGB, dst=clip[found])
    found += 1
  if not found:
    raise RuntimeError(f"{path}: no frame at the clip's start or after")
  clip[found:] = clip[found - 1]
  return clip
