"""Reading video files with PyAV (imported when first used), in a process that can be killed."""

import hashlib
import os
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt32

from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.worker import Worker, WorkerDied, WorkerTimeout

VIDEO_SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")

# Headers count frames a little differently from decoders (an edit list, a last packet that holds none).
MISSING_FRAMES_TOLERATED = 2


class VideoError(Exception):
  """A video that cannot be used; the message is the reason in words."""


class DecodedVideo(NamedTuple):
  """A video decoded once: every frame as a JPEG of the same size."""

  jpegs: list[bytes]  # T of them
  crcs: UInt32[np.ndarray, " T"]  # CRC-32C of each
  fps: float  # frames a second of `jpegs`
  height: int  # pixels
  width: int
  declared_frames: int  # in the source's header, 0 where it has no count
  source_hash: str  # SHA-256 of the source file, hexadecimal


class Decoder:
  """Decodes videos one after another in one killable process. Use it as a context manager."""

  def __init__(self):
    self._worker = Worker()

  def video(
    self,
    path: str,
    short_side: int,
    *,
    timeout: float = 60.0,
    fps: float | None = None,
    jpeg_quality: int = 95,
  ) -> DecodedVideo:
    """As `decode_video`."""
    return self._call(_decode_video, path, short_side, fps, jpeg_quality, timeout=timeout)

  def frames(
    self, path: str, *, short_side: int | None = None, timeout: float = 60.0, fps: float | None = None
  ) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
    """As `read_frames`."""
    return self._call(_read_frames, path, short_side, fps, timeout=timeout)

  def _call(self, function, *args, timeout: float) -> Any:
    try:
      return self._worker.call(function, *args, timeout=timeout)
    except WorkerTimeout as error:
      raise VideoError(f"timeout: {error}") from error
    except WorkerDied as error:
      raise VideoError(f"unreadable: the decoder crashed on it, {error}") from error

  def kill(self) -> None:
    """Makes a call that another thread is waiting for fail; the next call starts a new process."""
    self._worker.kill()

  def close(self) -> None:
    """Ends the process."""
    self._worker.close()

  def __enter__(self) -> "Decoder":
    return self

  def __exit__(self, *exc_info) -> None:
    self.close()


def decode_video(
  path: str, short_side: int, *, timeout: float = 60.0, fps: float | None = None, jpeg_quality: int = 95
) -> DecodedVideo:
  """Decodes a video once, resizes it with antialiasing and compresses every frame.

  Args:
    path: avi, gif, m4v, mkv, mov, mp4, webm: whatever PyAV's ffmpeg reads.
    short_side: pixels of the shorter side afterwards, larger or smaller than the source's; aspect ratio is
      kept.
    timeout: seconds after which the decoding process is killed.
    fps: frames a second to keep; never more than the source has (frames are dropped, not invented). None
      keeps all.
    jpeg_quality: 1 to 100, roughly libjpeg's scale; 4:2:0 colour.

  Raises:
    VideoError: unreadable, no video stream, zero frames, fewer frames than declared (more than two short),
      timeout.
  """
  with Decoder() as decoder:
    return decoder.video(path, short_side, timeout=timeout, fps=fps, jpeg_quality=jpeg_quality)


def read_frames(
  path: str, *, short_side: int | None = None, timeout: float = 60.0, fps: float | None = None
) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
  """RGB frames of a whole video and their frames a second; arguments and errors as `decode_video`.

  `short_side` None keeps the source's size.
  """
  with Decoder() as decoder:
    return decoder.frames(path, short_side=short_side, timeout=timeout, fps=fps)


# What follows runs in the worker process.


def _decode_video(path: str, short_side: int, fps: float | None, jpeg_quality: int) -> DecodedVideo:
  with _Source(path, short_side, fps) as source:
    encoder = None
    jpegs: list[bytes] = []
    for number, frame in enumerate(source.frames()):
      encoder = encoder or _jpeg_encoder(source.height, source.width, jpeg_quality)
      small = _resize(frame, source.height, source.width, "yuvj420p")
      small.pts, small.time_base, small.pict_type = number, encoder.time_base, 0
      jpegs += [bytes(packet) for packet in encoder.encode(small)]
    if encoder is not None:
      jpegs += [bytes(packet) for packet in encoder.encode(None)]
    source.check(len(jpegs))
    with open(path, "rb") as file:
      source_hash = hashlib.file_digest(file, "sha256").hexdigest()
    return DecodedVideo(
      jpegs, crc32c(jpegs), source.fps, source.height, source.width, source.declared, source_hash
    )


def _read_frames(path: str, short_side: int | None, fps: float | None):
  with _Source(path, short_side, fps) as source:
    frames = [_resize(frame, source.height, source.width, "rgb24").to_ndarray() for frame in source.frames()]
    source.check(len(frames))
    return np.stack(frames), source.fps


class _Source:
  """An open video: its frames at the wanted rate, what its header declares, the size to scale to."""

  def __init__(self, path: str, short_side: int | None, fps: float | None):
    import av

    av.logging.set_level(None)
    self._error = av.FFmpegError
    self._short_side = short_side
    try:
      self._container = av.open(path, metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
      size = os.path.getsize(path) if os.path.exists(path) else -1
      reason = {-1: "no such file", 0: "the file is empty"}.get(size) or _words(error)
      raise VideoError(f"unreadable: {reason}") from error
    if not self._container.streams.video:
      self._container.close()
      raise VideoError("no video stream")
    self._stream = self._container.streams.video[0]
    self._stream.codec_context.thread_count = 1  # one video a process: processes are the parallelism
    source_fps = float(self._stream.average_rate or self._stream.guessed_rate or 25)
    self.fps = min(fps or source_fps, source_fps)
    self._keep = self.fps / source_fps
    self.declared = self._stream.frames
    self._decoded = 0
    self.height = self.width = 0

  def frames(self):
    """Frames to keep, upright, in display order."""
    try:
      for frame in self._container.decode(self._stream):
        number = self._decoded
        self._decoded += 1
        # Frame n is kept when it is the first of its slot of the slower clock.
        if number == 0 or int(number * self._keep) > int((number - 1) * self._keep):
          frame = _upright(frame)
          if not self.height:
            self.height, self.width = _scaled(frame.height, frame.width, self._short_side)
          yield frame
    except self._error as error:
      raise VideoError(f"unreadable: {_words(error)}, after {self._decoded} frames") from error

  def check(self, num_kept: int) -> None:
    if not num_kept:
      raise VideoError("zero frames")
    if self._decoded + MISSING_FRAMES_TOLERATED < self.declared:
      raise VideoError(f"fewer frames than declared: {self._decoded} of {self.declared}")

  def __enter__(self) -> "_Source":
    return self

  def __exit__(self, *exc_info) -> None:
    self._container.close()


def _words(error: Exception) -> str:
  return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _scaled(height: int, width: int, short_side: int | None) -> tuple[int, int]:
  if short_side is None:
    return height, width
  if height <= width:
    return short_side, max(short_side, round(width * short_side / height))
  return max(short_side, round(height * short_side / width)), short_side


def _upright(frame):
  """The frame turned as its container says: telephones store video lying on its side."""
  turns = round(getattr(frame, "rotation", 0) / 90) % 4
  if not turns:
    return frame
  return type(frame).from_ndarray(np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns)))


def _resize(frame, height: int, width: int, pixel_format: str):
  # AREA averages all the source pixels under one of ours: no aliasing. JPEG stores full-range BT.601.
  shrinks = height < frame.height
  return frame.reformat(
    width,
    height,
    pixel_format,
    interpolation="AREA" if shrinks else "BICUBIC",
    dst_color_range="JPEG",
    dst_colorspace="ITU601",
  )


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
