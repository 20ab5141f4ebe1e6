"""Reading video files with PyAV (imported when first used), in a process that can be killed."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8

from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.feature_source import read_features
from zsar_jax.data.jpeg import encode_jpegs
from zsar_jax.data.record_source import read_record
from zsar_jax.data.schema import JPEG_QUALITY, DecodedVideo
from zsar_jax.data.video_clips import ClipOptions, VideoClips, read_clips
from zsar_jax.data.video_source import VideoError, VideoSource, open_file, resize
from zsar_jax.data.worker import Worker, WorkerDied, WorkerTimeout

# Of the containers that `video_clips.FORMATS` names; .ts is more often a text of TypeScript than a video.
VIDEO_SUFFIXES = (
  ".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
  ".webm", ".wmv",
)  # fmt: skip


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
    jpeg_quality: int = JPEG_QUALITY,
    start: float = 0.0,
    end: float | None = None,
  ) -> DecodedVideo:
    """As `decode_video`."""
    return self.call(_decode_video, path, short_side, fps, jpeg_quality, start, end, timeout=timeout)

  def image(
    self, path: str, short_side: int, *, timeout: float = 60.0, jpeg_quality: int = JPEG_QUALITY
  ) -> DecodedVideo:
    """A still image as a video of one frame; arguments and errors as `decode_video`."""
    return self.call(_decode_image, path, short_side, jpeg_quality, timeout=timeout)

  def features(self, path: str, row: int, *, timeout: float = 60.0) -> DecodedVideo:
    """Features of one video (see `feature_source.read_features`)."""
    return self.call(_decode_features, path, row, timeout=timeout)

  def record(
    self,
    directory: str,
    row: int,
    short_side: int,
    *,
    timeout: float = 60.0,
    jpeg_quality: int = JPEG_QUALITY,
  ) -> DecodedVideo:
    """A video of other records at another size; errors as `decode_video`."""
    return self.call(read_record, directory, row, short_side, jpeg_quality, timeout=timeout)

  def frames(
    self, path: str, *, short_side: int | None = None, timeout: float = 60.0, fps: float | None = None
  ) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
    """As `read_frames`."""
    return self.call(_read_frames, path, short_side, fps, timeout=timeout)

  def clips(self, path: str, options: ClipOptions, *, timeout: float = 120.0) -> VideoClips:
    """The clips of a video; arguments and errors as `video_clips.read_clips`."""
    return self.call(read_clips, path, options, timeout=timeout)

  def call(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
    """`function(*args)` in the process. Raises VideoError for whatever goes wrong in it, a timeout and a crash included."""
    try:
      return self._worker.call(_reading, function, *args, timeout=timeout)
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
  path: str,
  short_side: int,
  *,
  timeout: float = 60.0,
  fps: float | None = None,
  jpeg_quality: int = JPEG_QUALITY,
  start: float = 0.0,
  end: float | None = None,
) -> DecodedVideo:
  """Decodes a video once, resizes it with antialiasing and compresses every frame.

  Args:
    path: avi, gif, m4v, mkv, mov, mp4, mpg, webm: whatever PyAV's ffmpeg reads.
    short_side: pixels of the shorter side afterwards, larger or smaller than the source's; aspect ratio is
      kept.
    timeout: seconds after which the decoding process is killed.
    fps: frames a second to keep; never more than the source has (frames are dropped, not invented). None
      keeps all.
    jpeg_quality: 1 to 100, roughly libjpeg's scale; 4:2:0 colour.
    start, end: seconds of the segment to decode; None: to the end.

  Raises:
    VideoError: unreadable, no video stream, zero frames, fewer frames than declared (more than two short; of
      a segment: more than a second), segment outside the video, timeout.
  """
  with Decoder() as decoder:
    return decoder.video(
      path, short_side, timeout=timeout, fps=fps, jpeg_quality=jpeg_quality, start=start, end=end
    )


def read_frames(
  path: str, *, short_side: int | None = None, timeout: float = 60.0, fps: float | None = None
) -> tuple[UInt8[np.ndarray, "T H W 3"], float]:
  """RGB frames of a whole video and their frames a second; arguments and errors as `decode_video`.

  `short_side` None keeps the source's size.
  """
  with Decoder() as decoder:
    return decoder.frames(path, short_side=short_side, timeout=timeout, fps=fps)


# What follows runs in the worker process.


def _reading(function: Callable[..., Any], *args: Any) -> Any:
  """`function(*args)`, where every failure is the file's: of a million files some break a decoder in a way nobody foresaw.

  Raises:
    VideoError: whatever went wrong, in words.
  """
  try:
    return function(*args)
  except VideoError:
    raise
  except MemoryError:
    raise VideoError("unreadable: it needs more memory than there is") from None
  except Exception as error:
    raise VideoError(f"unreadable: {type(error).__name__}: {error}") from None


def _decode_video(
  path: str, short_side: int, fps: float | None, jpeg_quality: int, start: float, end: float | None
) -> DecodedVideo:
  with VideoSource(path, short_side, fps, start, end) as source:
    frames = encode_jpegs(source.frames(), lambda: (source.height, source.width), jpeg_quality)
    source.check(len(frames))
    return _decoded(path, source, frames, source.fps)


def _decode_image(path: str, short_side: int, jpeg_quality: int) -> DecodedVideo:
  # An open file: a path with % or * in it would be taken for a pattern of many images.
  with open_file(path) as file, VideoSource(file, short_side, None) as source:
    frames = encode_jpegs(source.frames(), lambda: (source.height, source.width), jpeg_quality)
    source.check(len(frames))
    return _decoded(path, source, frames[:1], 0.0)._replace(source_fps=0.0, end=0.0)


def _decoded(path: str, source: VideoSource, frames: list[bytes], fps: float) -> DecodedVideo:
  size, digest = _fingerprint(path)
  return DecodedVideo(
    frames,
    crc32c(frames),
    fps,
    source.height,
    source.width,
    source.source_fps,
    source.declared,
    size,
    digest,
    source.start,
    source.end,
  )


def _decode_features(path: str, row: int) -> DecodedVideo:
  vectors = read_features(path, row)
  frames = [vector.tobytes() for vector in vectors]
  size, digest = _file_fingerprint(path)
  return DecodedVideo(
    frames, crc32c(frames), 0.0, 1, vectors.shape[1], 0.0, len(frames), size, digest, 0.0, 0.0
  )


def _read_frames(path: str, short_side: int | None, fps: float | None):
  with VideoSource(path, short_side, fps) as source:
    frames = [resize(frame, source.height, source.width, "rgb24").to_ndarray() for frame in source.frames()]
    source.check(len(frames))
    return np.stack(frames), source.fps


def _fingerprint(path: str) -> tuple[int, str]:
  """Size in bytes and SHA-256 of a file."""
  with open_file(path) as file:
    return file.seek(0, 2), _sha256(file)


def _sha256(file) -> str:
  file.seek(0)
  return hashlib.file_digest(file, "sha256").hexdigest()


# One array file may hold thousands of videos.
_file_fingerprint = functools.lru_cache(maxsize=4)(_fingerprint)
