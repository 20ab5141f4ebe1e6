"""One open video or still image: its frames at the wanted rate and size. Runs in a worker process (see `decode.py`)."""

import os
import threading
from collections.abc import Callable, Container, Iterator
from typing import Any, BinaryIO

import numpy as np

# Headers count frames a little differently from decoders (an edit list, a last packet that holds none).
MISSING_FRAMES_TOLERATED = 2
# A segment that ends with the file may miss so much of what the header says (seconds).
MISSING_SECONDS_TOLERATED = 1.0
_THREAD = threading.local()


class VideoError(Exception):
  """A video that cannot be used; the message is the reason in words."""


class VideoSource:
  """An open video: its frames at the wanted rate, what its header declares, the size to scale to.

  Args:
    path: a file, or an open one (still images: a path's name might be taken for a pattern).
    short_side: pixels of the shorter side of the frames; None keeps the size.
    fps: at most so many frames a second; None keeps all.
    start, end: seconds of the segment to read; None: to the end.
    formats: names of the container formats that are read, with commas between; empty: whatever ffmpeg knows.

  Raises:
    VideoError: unreadable, of another format, no video stream.
  """

  def __init__(
    self,
    path: str | BinaryIO,
    short_side: int | None,
    fps: float | None,
    start: float = 0.0,
    end: float | None = None,
    *,
    formats: str = "",
  ):
    import av

    av.logging.set_level(None)
    self._error = av.FFmpegError
    self._short_side = short_side
    allowed = {"format_whitelist": formats} if formats else {}
    try:
      self._container: Any = av.open(path, metadata_errors="replace", container_options=allowed)
    except av.ArgumentError as error:
      told = "not a video of a known format" if formats else f"unreadable: {_why_not_opened(path, error)}"
      raise VideoError(told) from error
    except (av.FFmpegError, OSError) as error:
      raise VideoError(f"unreadable: {_why_not_opened(path, error)}") from error
    if not self._container.streams.video:
      self._container.close()
      raise VideoError("no video stream")
    self._stream: Any = self._container.streams.video[0]
    if self._stream.codec_context is None:
      self._container.close()
      raise VideoError("unreadable: no decoder for its codec")
    self._stream.codec_context.thread_count = 1  # one video a process: processes are the parallelism
    self.source_fps = float(self._stream.average_rate or self._stream.guessed_rate or 25)
    self.fps = min(fps or self.source_fps, self.source_fps)
    self._keep = self.fps / self.source_fps
    self.declared = self._stream.frames
    self._segment = (start, end)
    self._decoded = 0  # frames, before the segment too
    self._discarded = 0  # packets that the file itself cuts away (an edit list): the header counts them
    self._last = 0.0  # where the last decoded frame ends, seconds
    self.start = self.end = 0.0  # of the frames given, seconds
    self.height = self.width = 0

  def frames(
    self, *, wanted: Container[int] | None = None, watch: Callable[[Any, float], None] | None = None
  ) -> Iterator[Any]:
    """Frames to keep, upright, in display order.

    Args:
      wanted: which of the frames to keep are given, counted from 0; None: all.
      watch: called with every decoded frame and its time in seconds, kept or not.
    """
    kept = 0
    for number, (time, frame) in enumerate(self._in_segment()):
      if watch is not None:
        watch(frame, time)
      if number == 0:
        self.start = time
      self.end = time + 1 / self.source_fps
      # Frame n is kept when it is the first of its slot of the slower clock.
      if number == 0 or int(number * self._keep) > int((number - 1) * self._keep):
        is_wanted = wanted is None or kept in wanted
        if is_wanted or not kept:
          frame = _upright(frame)
        if not kept:
          self.height, self.width = scaled(frame.height, frame.width, self._short_side)
        if is_wanted:
          yield frame
        kept += 1

  def num_kept(self, num: int) -> int:
    """How many of `num` decoded frames `frames` keeps."""
    slots = (np.arange(num) * self._keep).astype(np.int64)
    return min(num, 1) + int((slots[1:] > slots[:-1]).sum())

  @property
  def num_decoded(self) -> int:
    """Frames so far, those before the segment and those that were not kept included."""
    return self._decoded

  @property
  def declared_size(self) -> tuple[int, int]:
    """Height and width in pixels by the header; 0 where it does not say."""
    return self._stream.codec_context.height, self._stream.codec_context.width

  @property
  def declared_seconds(self) -> float:
    """The length by the header; 0 where it does not say."""
    of_stream = float((self._stream.duration or 0) * self._stream.time_base)
    return of_stream if of_stream > 0 else max((self._container.duration or 0) / 1e6, 0.0)

  def packet_times(self) -> Iterator[float | None]:
    """The time in seconds of every packet that holds a frame, None where it has none; nothing is decoded."""
    began = float((self._stream.start_time or 0) * self._stream.time_base)
    try:
      for packet in self._container.demux(self._stream):
        if packet.size and not packet.is_discard:
          yield None if packet.pts is None else float(packet.pts * packet.time_base) - began
    except self._error as error:
      raise VideoError(f"unreadable: {_words(error)}") from error

  def _in_segment(self) -> Iterator[tuple[float, Any]]:
    start, end = self._segment
    half = 0.5 / self.source_fps  # times in lists are rounded
    for time, frame in self._from(start - half) if start > 0 else self._timed():
      if end is not None and time >= end - half:
        return
      if time >= start - half:
        yield time, frame

  def _from(self, time: float) -> Iterator[tuple[float, Any]]:
    """Frames from the last key frame before `time`; from the first frame where the file cannot tell where it is."""
    self._seek(time)
    found = self._timed(counted=False)
    first = next(found, None)
    if first is None or first[0] is None or first[0] > time + 1 / self.source_fps:
      self._seek(0.0)
      yield from self._timed()
      return
    yield first
    yield from found

  def _seek(self, time: float) -> None:
    position = int(max(time, 0.0) / self._stream.time_base) + (self._stream.start_time or 0)
    try:
      self._container.seek(position, stream=self._stream)
    except self._error as error:
      raise VideoError(f"unreadable: {_words(error)}, when looking for {time:g} s") from error

  def _timed(self, counted: bool = True) -> Iterator[tuple[Any, Any]]:
    """(seconds since the video's start, frame); a frame without a time is `counted`, or has None."""
    time: float | None
    began = float((self._stream.start_time or 0) * self._stream.time_base)
    self._decoded = self._discarded = 0
    try:
      for frame in self._decoded_frames():
        if frame.time is not None:
          time = frame.time - began
        elif counted:
          time = self._decoded / self.source_fps
        else:
          time = self._last if self._decoded else None
        self._decoded += 1
        self._last = (time or 0.0) + 1 / self.source_fps
        yield time, frame
    except self._error as error:
      raise VideoError(f"unreadable: {_words(error)}, after {self._decoded} frames") from error

  def _decoded_frames(self) -> Iterator[Any]:
    for packet in self._container.demux(self._stream):
      self._discarded += packet.is_discard
      yield from packet.decode()

  def check(self, num_kept: int) -> None:
    """Raises VideoError where what was read is not what was asked for or declared."""
    start, end = self._segment
    if not num_kept:
      if self._decoded and (start > 0 or end is not None):
        told = f"{start:g} to {'its end' if end is None else f'{end:g} s'}"
        raise VideoError(f"segment outside the video: {told} asked for, it ends at {self._last:.1f} s")
      raise VideoError("zero frames")
    if start > 0 or end is not None:
      self._check_segment(end)
    elif self._decoded + self._discarded + MISSING_FRAMES_TOLERATED < self.declared:
      raise VideoError(f"fewer frames than declared: {self._decoded} of {self.declared}")

  def _check_segment(self, end: float | None) -> None:
    duration = self._stream.duration
    # The length that some headers give is computed from the size of the file; the count of frames is not.
    declared = max(float((duration or 0) * self._stream.time_base), self.declared / self.source_fps)
    asked = declared if end is None else min(end, declared)
    if self._last + MISSING_SECONDS_TOLERATED < asked:
      raise VideoError(f"fewer frames than declared: it ends at {self._last:.1f} of {declared:.1f} s")

  def close(self) -> None:
    self._container.close()

  def __enter__(self) -> "VideoSource":
    return self

  def __exit__(self, *exc_info) -> None:
    self.close()


def open_file(path: str) -> BinaryIO:
  """The file, opened for reading. Raises VideoError where it cannot be."""
  try:
    return open(path, "rb")
  except OSError as error:
    raise VideoError(f"unreadable: {_words(error)}") from error


def resize(frame: Any, height: int, width: int, pixel_format: str) -> Any:
  """The frame at another size, antialiased, in full-range BT.601 as JPEG stores it."""
  from av.video.reformatter import VideoReformatter

  # The frame's own `reformat` sets its filters up anew for every frame, which takes ten times as long as using them.
  if not hasattr(_THREAD, "reformatter"):
    _THREAD.reformatter = VideoReformatter()
  # AREA averages all the source pixels under one of ours: no aliasing.
  shrinks = height < frame.height
  return _THREAD.reformatter.reformat(
    frame,
    width,
    height,
    pixel_format,
    interpolation="AREA" if shrinks else "BICUBIC",
    dst_color_range="JPEG",
    dst_colorspace="ITU601",
  )


def _why_not_opened(path: str | BinaryIO, error: Exception) -> str:
  if isinstance(path, str):
    size = os.path.getsize(path) if os.path.exists(path) else -1
  else:
    size = os.fstat(path.fileno()).st_size
  return {-1: "no such file", 0: "the file is empty"}.get(size) or _words(error)


def _words(error: Exception) -> str:
  if isinstance(error, MemoryError):
    return "it needs more memory than there is"
  return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def scaled(height: int, width: int, short_side: int | None) -> tuple[int, int]:
  """Height and width in pixels that keep the aspect ratio at a short side; as they are for None."""
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
