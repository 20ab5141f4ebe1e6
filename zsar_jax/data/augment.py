"""Which pixels of the stored frames a clip shows: windows of videos, moving boxes over still images. Pure numpy."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int, Int32, Int64

from zsar_jax.data import sampling

# Sides of Ken Burns boxes, as shares of the image's short side: E2E (section 4.1) prints no numbers.
KEN_BURNS_SIDES = (0.5, 1.0)
# libjpeg shrinks by these while it decodes: a block of 8 x 8 frequencies becomes 4, 2 or 1 pixels wide.
SHRINKS = (1, 2, 4, 8)


class Geometry(NamedTuple):
  """How pictures of these videos are decoded and cut; the same for a whole stream of batches."""

  shrink: int  # decoded at 1/shrink of the stored size
  resize: bool  # windows are then resized to the crop; otherwise they have its size
  antialias: bool  # some window is shrunk by 2 or more


def geometry(
  height: Int[np.ndarray, " V"],
  width: Int[np.ndarray, " V"],
  crop: int,
  short_side: int,
  scales: tuple[float, ...],
) -> Geometry:
  """How to make pictures of `short_side` from stored ones: shrunk while decoding as far as it goes, then resized.

  Args:
    height, width: of the stored frames, pixels.
    crop: pixels of the clips.
    short_side: pixels that the short side is to have; 0: as stored.
    scales: of random windows, as shares of the short side; empty: windows of the crop's size.
  """
  short = np.minimum(height, width).astype(np.int64)
  shrink = max((s for s in SHRINKS if short_side and short.min() >= s * short_side), default=1)
  decoded = shrunk(short, shrink)
  other = bool(short_side) and bool((decoded != short_side).any())
  if not other and not scales:
    return Geometry(shrink, False, False)
  largest = max(scales) * decoded.max() if scales else crop * decoded.max() / short_side
  # Below 2 bilinear interpolation still touches every pixel; a wider filter costs more and changes little.
  return Geometry(shrink, True, bool(largest >= 2 * crop))


def shrunk(
  pixels: Int[np.ndarray, "*dims"], shrink: int | Int[np.ndarray, "*dims"]
) -> Int64[np.ndarray, "*dims"]:
  """A stored side after decoding at 1/shrink: libjpeg rounds up."""
  return -(-np.asarray(pixels, np.int64) // shrink)


def scaled_sides(
  height: Int[np.ndarray, " B"],
  width: Int[np.ndarray, " B"],
  scales: tuple[float, ...],
  draws: Float64[np.ndarray, " B"],
) -> Int64[np.ndarray, " B"]:
  """Sides in pixels of square windows: one of `scales`, equally likely, times the short side."""
  chosen = np.asarray(scales)[(draws * len(scales)).astype(np.int64)]
  return np.maximum(np.rint(chosen * np.minimum(height, width)), 1).astype(np.int64)


def sides_of_crop(
  height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], crop: int, short_side: int
) -> Int64[np.ndarray, " B"]:
  """Sides in pixels of the windows that show what `crop` pixels do where the short side is `short_side` (0: as it is)."""
  short = np.minimum(height, width)
  side = np.rint(crop * short / short_side).astype(np.int64) if short_side else np.full(len(short), crop)
  return np.clip(side, 1, short)


def windows(
  corners: Int32[np.ndarray, "B 2"], sides: int | Int64[np.ndarray, " B"]
) -> Int32[np.ndarray, "B 4"]:
  """(y, x, height, width) in pixels of square windows."""
  side = np.broadcast_to(np.reshape(sides, (-1, 1)), (len(corners), 1))
  return np.concatenate([corners, side, side], axis=1).astype(np.int32)


def still_shrink(
  height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], crop: int
) -> Int32[np.ndarray, " B"]:
  """By how much to shrink each image while decoding, so that no Ken Burns box is shrunk by more than 2 afterwards."""
  short = np.minimum(height, width)
  # Shrinking by more than 2 with bilinear interpolation would skip pixels, and motion over them flickers.
  needed = np.searchsorted(np.asarray(SHRINKS[:-1]) * 2 * crop, short)
  return np.asarray(SHRINKS, np.int32)[needed]


def ken_burns(
  height: Int[np.ndarray, " B"],
  width: Int[np.ndarray, " B"],
  num_frames: int,
  draws: Float64[np.ndarray, "B 6"],
) -> Float64[np.ndarray, "B T 3"]:
  """Square boxes (y, x, side) in pixels that move and zoom linearly from one random box to another (E2E section 4.1).

  A box's side is uniform between `KEN_BURNS_SIDES` of the short side, its place uniform over all where it fits.

  Args:
    height, width: of the images, pixels.
    num_frames: T.
    draws: uniform in [0, 1): side, y and x of the first box, then of the last.
  """
  size = np.stack([height, width], axis=1).astype(np.float64)[:, None]  # [B, 1, 2]
  ends = draws.reshape(-1, 2, 3)
  low, high = KEN_BURNS_SIDES
  side = (low + (high - low) * ends[..., :1]) * size.min(axis=-1, keepdims=True)
  boxes = np.concatenate([ends[..., 1:] * (size - side), side], axis=-1)
  along = np.linspace(0, 1, num_frames)[None, :, None]
  return boxes[:, :1] * (1 - along) + boxes[:, 1:] * along


def sampling_boxes(
  boxes: Float64[np.ndarray, "B T 3"], height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], crop: int
) -> Float32[np.ndarray, "B T 4"]:
  """Boxes (y, x, side) in pixels as (y1, x1, y2, x2) for `tf.image.crop_and_resize`.

  That puts the first and last of `crop` samples *on* the ends, in units of (size - 1): pixels' centres are half a
  sample further in.
  """
  last = np.stack([height, width], axis=1).astype(np.float64)[:, None] - 1  # [B, 1, 2]
  half = boxes[..., 2:] / crop / 2
  first, end = boxes[..., :2] + half - 0.5, boxes[..., :2] + boxes[..., 2:] - half - 0.5
  # A sample outside the image, be it by rounding, would be black.
  inside = last * (1 - 1e-6)
  ends = [np.clip(corner, 0, inside) / np.maximum(last, 1) for corner in (first, end)]
  return np.concatenate(ends, axis=-1).astype(np.float32)


def random_windows(
  height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], sides: int | Int64[np.ndarray, " B"],
  draws: Float64[np.ndarray, "B 2"],
) -> Int32[np.ndarray, "B 4"]:  # fmt: skip
  """Square windows of these sides at random places."""
  return windows(sampling.random_crops(height, width, sides, draws), sides)


def centre_windows(
  height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], sides: int | Int64[np.ndarray, " B"]
) -> Int32[np.ndarray, "B 4"]:
  """Central square windows of these sides."""
  return windows(sampling.centre_crops(height, width, sides), sides)
