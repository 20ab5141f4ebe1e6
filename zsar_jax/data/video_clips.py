"""A video file to the clips that a model is shown, pixel for pixel as its records would give them.

Runs in a worker process (see `decode.py`).

The file is counted first, without decoding, so that one pass of decoding need keep no frame but those of the clips.
"""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from zsar_jax.data import augment, sampling
from zsar_jax.data.jpeg import encode_jpegs
from zsar_jax.data.jpeg_pixels import decode_window, resize
from zsar_jax.data.schema import JPEG_QUALITY
from zsar_jax.data.video_source import VideoError, VideoSource, open_file

MOST_WINDOWS = 100
# A file's clock may run as slowly as it likes; frames are work all the same.
MOST_RATE = 120  # frames a second of the longest video that is taken
ORDINARY_RATE = 25.0  # where a file tells an impossible one
# What a file may be: formats that hold video and name no other file, as playlists do.
FORMATS = "3g2,3gp,asf,avi,flv,gif,h264,hevc,ivf,m4a,m4v,matroska,mj2,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,ogg,vob,webm"


class ClipOptions(NamedTuple):
  """Which clips, and what their pixels are."""

  short_side: int  # pixels, of the whole frame as the model sees it
  crop: int  # pixels, of the centre
  num_frames: int  # T
  stride: int  # frames of the video
  num_clips: int  # N, evenly spaced
  windows: bool = False  # clips along the video too
  fps: float | None = None  # at most so many frames a second
  jpeg_quality: int = JPEG_QUALITY
  stored_short_side: int = 0  # pixels, of the frames as records store them; 0: `short_side`
  most_seconds: float | None = None  # a longer video is refused
  most_pixels: int | None = None  # a video of larger frames is refused


class VideoClips(NamedTuple):
  """The clips of a video, every frame once however many clips show it."""

  frames: UInt8[np.ndarray, "F crop crop 3"]
  positions: Int32[np.ndarray, "M T"]  # M = N + W: the clips, then the windows
  num_clips: int  # N
  start: Float32[np.ndarray, " W"]  # seconds, of the windows
  end: Float32[np.ndarray, " W"]
  seconds: float  # length of the video
  num_frames: int  # of the video, as decoded


def read_clips(path: str, options: ClipOptions) -> VideoClips:
  """`options.num_clips` evenly spaced clips of the video, and its windows: as many as clips go into it, at most 100.

  A video shorter than a clip is looped and has one window. Held in memory are the frames of the clips alone.

  Raises:
    VideoError: as `decode.decode_video`; no such file, a folder, a format that holds no video; longer or larger than `options` allow.
  """
  if os.path.isdir(path):
    raise VideoError("a folder, expected a video file")
  if not os.path.exists(path):
    raise VideoError("no such file")
  length = _counted(path, options)
  # Headers and packets may count otherwise than the decoder, whose count decides.
  for _ in range(2):
    clips, found = _decoded(path, options, length)
    if clips is not None:
      return clips
    length = found
  raise VideoError("unreadable: it decodes to another number of frames every time")


def _counted(path: str, options: ClipOptions) -> int:
  """How many frames there are to choose from, by the packets of the file."""
  with open_file(path) as file, _open(file, options) as source:
    length = _Length(source, options)
    length.check(source.declared_seconds)
    num = 0
    for time in source.packet_times():
      num += 1
      length.count(time)
    return source.num_kept(num)


def _decoded(path: str, options: ClipOptions, length: int) -> tuple[VideoClips | None, int]:
  """The clips, or None where the video is not `length` frames long; and how long it is."""
  wanted, positions = _plan(length, options)
  times: list[float] = []
  with open_file(path) as file, _open(file, options) as source:
    shown = _Length(source, options)

    def watch(frame: Any, time: float) -> None:
      _check_pixels(frame.height, frame.width, options)
      shown.count(time)

    def kept() -> Iterator[Any]:
      for frame in source.frames(wanted=set(wanted.tolist()), watch=watch):
        times.append(source.end - 1 / source.source_fps)
        yield frame

    jpegs = encode_jpegs(kept(), lambda: (source.height, source.width), options.jpeg_quality or JPEG_QUALITY)
    found = source.num_kept(source.num_decoded)
    source.check(found)
    if found != length:
      return None, found
    clips = VideoClips(
      _crops(jpegs, source.height, source.width, options), positions, options.num_clips,
      *_spans(np.asarray(times), positions[options.num_clips :], source), source.end - source.start, source.num_decoded,
    )  # fmt: skip
    return clips, found


def _open(file: Any, options: ClipOptions) -> VideoSource:
  source = VideoSource(file, options.stored_short_side or options.short_side, options.fps, formats=FORMATS)
  try:
    _check_pixels(*source.declared_size, options)
  except VideoError:
    source.close()
    raise
  return source


def _plan(length: int, options: ClipOptions) -> tuple[Int64[np.ndarray, " F"], Int32[np.ndarray, "M T"]]:
  """The frames to keep of a video of `length` frames, and which of them make which clip and window."""
  lengths, shape = np.array([max(length, 1)]), (options.num_frames, options.stride)
  every = [sampling.even_clips(lengths, options.num_clips, *shape)]
  if options.windows:
    num = -(-length // ((options.num_frames - 1) * options.stride + 1))
    every.append(sampling.even_clips(lengths, min(max(num, 1), MOST_WINDOWS), *shape))
  frames, positions = sampling.distinct_frames(np.concatenate(every, axis=1))
  return frames[0], positions[0]


def _spans(
  times: np.ndarray, windows: Int32[np.ndarray, "W T"], source: VideoSource
) -> tuple[Float32[np.ndarray, " W"], Float32[np.ndarray, " W"]]:
  """When each window begins and ends, in seconds since the video's start."""
  shown = times[windows] - source.start
  end = np.minimum(shown.max(axis=1) + 1 / source.fps, source.end - source.start)
  return shown.min(axis=1).astype(np.float32), end.astype(np.float32)


def _crops(
  jpegs: list[bytes], height: int, width: int, options: ClipOptions
) -> UInt8[np.ndarray, "F crop crop 3"]:
  """The frames of one size as the evaluation cuts them (`plans.evaluation_plan`)."""
  stored = np.array([height]), np.array([width])
  shrink, resized, _ = augment.geometry(*stored, options.crop, options.short_side, ())
  high, wide = (augment.shrunk(pixels, shrink) for pixels in stored)
  sides = augment.sides_of_crop(high, wide, options.crop, options.short_side)
  y, x, side, _ = map(int, augment.centre_windows(high, wide, sides)[0])
  crops = [decode_window(jpeg, y, x, side, shrink) for jpeg in jpegs]
  return np.stack([resize(crop, options.crop) for crop in crops] if resized else crops)


class _Length:
  """How long a video has become while its packets or frames are counted; frames that do not move on count by the rate.

  A packet's time may lie before the last one's (frames that are shown later are stored earlier), but no two are at the same.
  """

  def __init__(self, source: VideoSource, options: ClipOptions):
    self._most = options.most_seconds
    self._rate = source.source_fps if source.source_fps <= MOST_RATE else ORDINARY_RATE
    self._num, self._latest = 0, 0.0
    self._moments: set[float] = set()

  def count(self, time: float | None) -> None:
    """One more. Raises VideoError where the video is longer than allowed."""
    if self._most is None:
      return
    self._num += 1
    if time is not None:
      self._moments.add(time)
      self._latest = max(self._latest, time)
    self.check(self._latest + (self._num - max(len(self._moments), 1)) / self._rate)
    if self._num > self._most * MOST_RATE:
      raise VideoError(
        f"too long: expected at most {self._most:g} s of video, and {self._most * MOST_RATE:,.0f} frames"
      )

  def check(self, seconds: float) -> None:
    """Raises VideoError where the video is longer than allowed."""
    if self._most is not None and seconds > self._most:
      raise VideoError(f"too long: expected at most {self._most:g} s of video")


def _check_pixels(height: int, width: int, options: ClipOptions) -> None:
  if options.most_pixels is not None and height * width > options.most_pixels:
    raise VideoError(
      f"too large: its frames are {width} x {height}, expected at most {options.most_pixels:,} pixels"
    )
