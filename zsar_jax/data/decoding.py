"""TensorFlow's part: the bytes of an element (see `plans.Plan`) to pictures, uint8 [P, crop, crop, 3]."""

from collections.abc import Callable
from typing import Any

from zsar_jax.data.augment import SHRINKS, Geometry
from zsar_jax.data.tensorflow_import import tensorflow

Tensor = Any
# Colour of half the resolution is repeated and not interpolated, as PyAV does: a twentieth faster. So does `jpeg_pixels`.
_SMOOTH_COLOUR = False


def window_decoder(encoding: str, num_frames: int, crop: int, geometry: Geometry) -> Callable[..., Tensor]:
  """Decodes E frames and cuts a window out of each: `(bytes [E], windows int32 [E, 4]) -> [E, crop, crop, 3]`."""
  tf = tensorflow()
  resize_to = crop if geometry.resize else 0

  def decode(encoded: Tensor, windows: Tensor) -> Tensor:
    # Unrolled: mapping over frames inside TensorFlow costs more than the decoding.
    pairs = zip(tf.unstack(encoded, num_frames), tf.unstack(windows, num_frames), strict=True)
    frames = [decode_window(encoding, one, window, geometry.shrink) for one, window in pairs]
    if resize_to:
      frames = [_resize(frame, crop, geometry.antialias) for frame in frames]
    return tf.ensure_shape(tf.stack(frames), [num_frames, crop, crop, 3])

  return decode


def motion_decoder(encoding: str, crop: int) -> Callable[..., Tensor]:
  """Decodes one image and takes P boxes out of it: `(bytes [1], boxes float32 [P, 4], shrink int32) -> [P, crop, crop, 3]`."""
  tf = tensorflow()

  def decode(encoded: Tensor, boxes: Tensor, shrink: Tensor) -> Tensor:
    which = tf.searchsorted(list(SHRINKS), shrink[None])[0]
    # A decoder shrinks by a constant of the graph.
    image = tf.switch_case(which, [lambda s=s: decode_whole(encoding, encoded[0], s) for s in SHRINKS])
    pictures = tf.image.crop_and_resize(
      image[None], boxes, tf.zeros_like(boxes[:, 0], tf.int32), [crop, crop]
    )
    return tf.cast(tf.round(pictures), tf.uint8)

  return decode


def decode_window(encoding: str, encoded: Tensor, window: Tensor, shrink: int) -> Tensor:
  """The pixels inside a window (y, x, height, width; int32 [4]) of a picture at 1/shrink of its size: uint8 [height, width, 3]."""
  tf = tensorflow()
  if encoding == "jpeg":
    return tf.image.decode_and_crop_jpeg(
      encoded, window, channels=3, ratio=shrink, fancy_upscaling=_SMOOTH_COLOUR
    )
  y, x, height, width = tf.unstack(window, 4)
  return decode_whole(encoding, encoded, shrink)[y : y + height, x : x + width]


def decode_whole(encoding: str, encoded: Tensor, shrink: int) -> Tensor:
  """A picture at 1/shrink of its size: uint8 [H, W, 3]."""
  tf = tensorflow()
  if encoding == "jpeg":
    return tf.io.decode_jpeg(encoded, channels=3, ratio=shrink, fancy_upscaling=_SMOOTH_COLOUR)
  image = tf.io.decode_png(encoded, channels=3)
  if shrink == 1:
    return image
  # What libjpeg's scaled decoding comes to: means of shrink x shrink pixels, sides rounded up.
  means = tf.nn.avg_pool2d(tf.cast(image[None], tf.float32), shrink, shrink, "SAME")[0]
  return tf.cast(tf.round(means), tf.uint8)


def _resize(frame: Tensor, crop: int, antialias: bool) -> Tensor:
  tf = tensorflow()
  return tf.cast(tf.round(tf.image.resize(frame, [crop, crop], "bilinear", antialias=antialias)), tf.uint8)
