"""A video of other records (ours, or TFDS's with an index), to be stored at another size. Runs in a worker process."""

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.index import RecordError, VideoIndex, open_index
from zsar_jax.data.jpeg import encode_jpegs
from zsar_jax.data.schema import DecodedVideo
from zsar_jax.data.video_source import VideoError, scaled


def read_record(directory: str, row: int, short_side: int, jpeg_quality: int) -> DecodedVideo:
  """Every frame of a stored video, resized; its source is the stored frames. Errors as `decode.decode_video`."""
  index = _index(directory)
  count = int(index.num_frames[row])
  try:
    stored = index.frame_bytes(np.array([row]), np.arange(count)[None])
  except RecordError as error:
    raise VideoError(f"unreadable: {error}") from error
  height, width = scaled(int(index.height[row]), int(index.width[row]), short_side)
  frames = encode_jpegs(_decode(stored, index.encoding), lambda: (height, width), jpeg_quality)
  fps = float(index.fps[row])
  return DecodedVideo(
    frames,
    crc32c(frames),
    fps,
    height,
    width,
    fps,
    count,
    sum(map(len, stored)),
    hashlib.sha256(b"".join(stored)).hexdigest(),
    0.0,
    count / fps if fps else 0.0,
  )


@functools.lru_cache(maxsize=1)
def _index(directory: str) -> VideoIndex:
  return open_index(directory, verify="off")  # the source has checked it


def _decode(stored: list[bytes], encoding: str) -> Iterator[Any]:
  import av

  names = {"jpeg": "mjpeg", "png": "png"}
  if encoding not in names:
    raise VideoError(f"unreadable: its records hold {encoding}, not pictures")
  for picture in stored:
    # A decoder for each: sizes may differ from picture to picture.
    try:
      decoder: Any = av.CodecContext.create(names[encoding], "r")
      yield from decoder.decode(av.Packet(picture))
    except av.FFmpegError as error:
      raise VideoError(f"unreadable: a stored frame does not decode ({error})") from error
