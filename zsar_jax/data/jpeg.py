"""Frames as JPEGs of one size and quality, the same bytes every time. Runs in a worker process (see `decode.py`)."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from zsar_jax.data.video_source import VideoError, resize

MOST_PIXELS = 65500  # of a side of a JPEG
# A record is one protocol buffer, which holds less than 2 GiB.
MOST_BYTES = 1_900_000_000


def encode_jpegs(frames: Iterable[Any], size: Any, quality: int) -> list[bytes]:
  """Every frame (PyAV's) resized and compressed; `size()` is (height, width), asked for after the first frame came.

  Raises:
    VideoError: too large for a JPEG, or altogether for one record.
  """
  encoder, height, width, num_bytes = None, 0, 0, 0
  found: list[bytes] = []
  for number, frame in enumerate(frames):
    if encoder is None:
      height, width = size()
      if max(height, width) > MOST_PIXELS:
        raise VideoError(f"unreadable: {width} x {height} pixels would be too large for a JPEG")
      encoder = _jpeg_encoder(height, width, quality)
    small = resize(frame, height, width, "yuvj420p")
    small.pts, small.time_base, small.pict_type = number, encoder.time_base, 0
    packets = [bytes(packet) for packet in encoder.encode(small)]
    num_bytes += sum(map(len, packets))
    if num_bytes > MOST_BYTES:
      raise VideoError(
        f"too long: its first {number} frames fill the {MOST_BYTES / 1e9:.1f} GB of a record; give segments of it, or fewer --fps"
      )
    found += packets
  if encoder is not None:
    found += [bytes(packet) for packet in encoder.encode(None)]
  return found


def _jpeg_encoder(height: int, width: int, quality: int):
  import av

  encoder = av.CodecContext.create("mjpeg", "w")
  encoder.width, encoder.height = width, height
  encoder.pix_fmt = "yuvj420p"
  encoder.color_range = 2  # full
  encoder.time_base = Fraction(1, 25)  # never stored
  encoder.thread_count = 1
  scale = str(_quantiser(quality))
  # bitexact leaves the library's version out of every picture.
  encoder.options = {"qmin": scale, "qmax": scale, "flags": "+bitexact"}
  return encoder


def _quantiser(quality: int) -> int:
  """ffmpeg's quantiser scale, 1 (best) to 31, whose mean luma step is nearest to a libjpeg quality's."""
  percent = 5000 / quality if quality < 50 else 200 - 2 * quality
  return min(max(round(17 * percent / 100), 1), 31)
