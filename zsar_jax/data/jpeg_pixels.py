"""The pixels of a JPEG, equal to the last bit to those that TensorFlow's `decode_and_crop_jpeg` gives, by pillow and numpy.

TensorFlow decodes with libjpeg's fast transform and smooth colour. Pillow can have the fast transform, but then repeats colour in
blocks: its planes are taken apart here, and colour is made smooth and turned to RGB in libjpeg's integers.
"""

import io

import numpy as np
from jaxtyping import Int32, UInt8

_BLOCK = 16  # pixels, of luma and halved colour together: where libjpeg begins to decode a window
_HALF = 1 << 15


def decode_window(jpeg: bytes, y: int, x: int, side: int, shrink: int = 1) -> UInt8[np.ndarray, "H W 3"]:
  """The square of `side` pixels whose top left corner is (y, x), RGB.

  Args:
    jpeg: with colour at half the resolution (4:2:0), as `jpeg.encode_jpegs` writes it.
    y, x, side: pixels of the decoded picture, inside of which the square lies.
    shrink: 1, 2, 4 or 8: the picture is decoded at so much less than its size, which the decoder does well and fast.
  """
  if shrink > 1:
    # Colour then has the resolution of the rest.
    return _decoded(jpeg, "RGB", shrink)[y : y + side, x : x + side]
  planes = _decoded(jpeg, "YCbCr", 1).astype(np.int32)
  begin = x // _BLOCK * _BLOCK
  luma = planes[y : y + side, x : x + side, 0]
  # Colour beyond the window is never decoded: at its edges there is nothing to smooth with.
  blue, red = (
    _smooth(planes[::2, begin : x + side : 2, plane])[y : y + side, x - begin : x - begin + side]
    for plane in (1, 2)
  )
  return _rgb(luma, blue - 128, red - 128)


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


def _decoded(jpeg: bytes, mode: str, shrink: int) -> UInt8[np.ndarray, "H W 3"]:
  """By the fast transform; each colour value four times where colour has half the resolution."""
  from PIL import Image

  with Image.open(io.BytesIO(jpeg)) as image:
    width, height = image.size
    image.draft(mode, (width // shrink, height // shrink))
    image.decoderconfig = (shrink, 1)  # 1: a draft
    return np.asarray(image)


def _smooth(plane: Int32[np.ndarray, "H W"]) -> Int32[np.ndarray, "H2 W2"]:
  """Twice the size: three parts of the nearest value and one of the next, in both directions."""
  above, below = np.concatenate([plane[:1], plane[:-1]]), np.concatenate([plane[1:], plane[-1:]])
  rows = np.stack([3 * plane + above, 3 * plane + below], axis=1).reshape(2 * len(plane), -1)
  left = np.concatenate([rows[:, :1], rows[:, :-1]], axis=1)
  right = np.concatenate([rows[:, 1:], rows[:, -1:]], axis=1)
  return np.stack([(3 * rows + left + 8) >> 4, (3 * rows + right + 7) >> 4], axis=2).reshape(len(rows), -1)


def _rgb(
  luma: Int32[np.ndarray, "H W"], blue: Int32[np.ndarray, "H W"], red: Int32[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
  r = luma + ((_fixed(1.402) * red + _HALF) >> 16)
  g = luma + ((-_fixed(0.34414) * blue - _fixed(0.71414) * red + _HALF) >> 16)
  b = luma + ((_fixed(1.772) * blue + _HALF) >> 16)
  return np.clip(np.stack([r, g, b], axis=-1), 0, 255).astype(np.uint8)


def _fixed(factor: float) -> int:
  return int(factor * (1 << 16) + 0.5)
