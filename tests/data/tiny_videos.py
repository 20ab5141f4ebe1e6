"""Small videos for tests, written with PyAV."""

import pathlib
from fractions import Fraction

import av
import numpy as np

CLASSES = ("sit", "walk", "wave")

CODECS = {
  ".mp4": ("libx264", "yuv420p"),
  ".mov": ("libx264", "yuv420p"),
  ".mkv": ("libx264", "yuv420p"),
  ".avi": ("mpeg4", "yuv420p"),
  ".webm": ("libvpx", "yuv420p"),
  ".gif": ("gif", "rgb8"),
}


def ramp_frames(num_frames: int, height: int = 24, width: int = 32, first: int = 0) -> np.ndarray:
  """uint8 [T, H, W, 3], frame t of grey level `first + 9 t` throughout: a decoded frame tells its number."""
  levels = (first + 9 * np.arange(num_frames)).astype(np.uint8)
  return np.broadcast_to(levels[:, None, None, None], (num_frames, height, width, 3)).copy()


def frame_numbers(frames: np.ndarray, first: int = 0) -> np.ndarray:
  """The numbers of frames made by `ramp_frames`, from their grey levels."""
  return np.rint((frames.astype(float).mean(axis=(-3, -2, -1)) - first) / 9).astype(int)


def clips_of(batch) -> np.ndarray:
  """The clips [B, N, T, ...] of a batch of evaluation."""
  videos = np.arange(len(batch.frames))[:, None, None]
  return batch.frames[videos, batch.positions]


def write_video(path: pathlib.Path, frames: np.ndarray, fps: int = 10) -> pathlib.Path:
  """Writes frames in the usual codec of the path's suffix."""
  codec, pixels = CODECS[path.suffix]
  path.parent.mkdir(parents=True, exist_ok=True)
  with av.open(str(path), "w") as container:
    stream = container.add_stream(codec, rate=fps)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = pixels
    stream.codec_context.time_base = Fraction(1, fps)
    stream.bit_rate = 4_000_000
    if codec == "libx264":
      stream.options = {"crf": "12", "preset": "ultrafast"}
    for array in frames:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
    container.mux(stream.encode(None))
  return path


def write_audio(path: pathlib.Path) -> pathlib.Path:
  """A file with sound and no picture."""
  with av.open(str(path), "w") as container:
    stream = container.add_stream("aac", rate=16000)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 16000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return path
