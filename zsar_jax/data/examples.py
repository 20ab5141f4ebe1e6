"""A few small pictures of a video, to look at: for reports. Needs numpy and Pillow, not TensorFlow."""

import io

import numpy as np
from PIL import Image

from zsar_jax.data.index import VideoIndex

QUALITY = 85  # libjpeg's, of pictures that are compressed anew


def read_example_frames(videos: VideoIndex, row: int, num: int = 4, short_side: int = 112) -> list[bytes]:
  """JPEGs of `num` evenly spaced frames of a video, first to last: the middles of as many equal parts of it.

  Frames whose short side is above `short_side` pixels are shrunk to it; smaller JPEGs are given as they are stored.
  A video of fewer frames gives all it has, a still image one, features none.

  Raises:
    RecordError: stored bytes are not what was written.
  """
  if videos.kind == "features":
    return []
  length = int(videos.num_frames[row])
  num = min(num, length)
  frames = (2 * np.arange(num) + 1) * length // (2 * max(num, 1))
  encoded = videos.frame_bytes(np.array([row]), frames[None])
  return [_small_jpeg(one, videos.encoding, short_side) for one in encoded]


def _small_jpeg(encoded: bytes, encoding: str, short_side: int) -> bytes:
  with Image.open(io.BytesIO(encoded)) as stored:
    if min(stored.size) <= short_side and encoding == "jpeg":
      return encoded
    scale = min(short_side / min(stored.size), 1.0)
    width, height = (max(round(side * scale), 1) for side in stored.size)
    picture = stored.convert("RGB").resize((width, height), Image.Resampling.BOX)
  out = io.BytesIO()
  picture.save(out, "JPEG", quality=QUALITY)
  return out.getvalue()
