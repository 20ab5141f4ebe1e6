"""The pixels of a JPEG, equal to the last bit to those that TensorFlow gives (see `decoding.py`), by pillow and numpy."""

import io

import numpy as np
from jaxtyping import UInt8


def decode_window(jpeg: bytes, y: int, x: int, side: int, shrink: int = 1) -> UInt8[np.ndarray, "H W 3"]:
  """The square of `side` pixels whose top left corner is (y, x), RGB.

  Args:
    jpeg: with colour at half the resolution (4:2:0), as `jpeg.encode_jpegs` writes it.
    y, x, side: pixels of the decoded picture, inside of which the square lies.
    shrink: 1, 2, 4 or 8: the picture is decoded at so much less than its size, which the decoder does well and fast.
  """
  from PIL import Image

  with Image.open(io.BytesIO(jpeg)) as image:
    width, height = image.size
    image.draft("RGB", (width // shrink, height // shrink))
    image.decoderconfig = (shrink, 1)  # 1: a draft, which takes the fast transform
    return np.asarray(image)[y : y + side, x : x + side]


def resize(picture: UInt8[np.ndarray, "H W 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
  """Bilinear without antialiasing, pixels' centres half a pixel inside, as `tf.image.resize`."""
  for axis in (1, 0):
    num = picture.shape[axis]
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(num / size) - np.float32(0.5)
    low = np.floor(place)
    share = (place - low).reshape((-1, 1) if axis else (-1, 1, 1))
    first = picture.take(np.maximum(low, 0).astype(int), axis).astype(np.float32)
    second = picture.take(np.minimum(np.ceil(place), num - 1).astype(int), axis).astype(np.float32)
    picture = first + (second - first) * share
  return np.rint(picture).astype(np.uint8)
