"""What the input benchmark reads: generated videos, and records and small copies made of any."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

HEIGHT, WIDTH, FPS = 256, 340, 30  # as a Kinetics that somebody shrank
NUM_CLASSES = 4
GROUP = 12  # frames between keyframes of the small copies


def generate(root: Path, num_videos: int, seconds: float, height: int, workers: int) -> Path:
  """A folder of class folders of generated videos, `height` pixels high."""
  paths = [root / f"class_{i % NUM_CLASSES}" / f"{i:03d}.mp4" for i in range(num_videos)]
  in_processes(
    generate_video, [(str(path), seed, seconds, height) for seed, path in enumerate(paths)], workers
  )
  return root


def prepare(videos: Path, work: Path, short_side: int, workers: int) -> tuple[dict[str, Any], dict[str, Any]]:
  """Makes records and small copies of the videos that can be read.

  Returns: what the sides read ("records": a directory; "torch_raw", "torch_preshrunk": files and their numbers of frames), and
  what each form takes (bytes a video; seconds, once).
  """
  from data_prep.folder import list_folder
  from zsar_jax.data.build import build_records
  from zsar_jax.data.index import open_index
  from zsar_jax.data.tensorflow_import import tensorflow_datasets

  tensorflow_datasets()  # importing it is no part of building
  listing = list_folder(videos)
  records = work / f"records-{short_side}"
  summary = build_records(
    listing.entries, listing.class_names, records, short_side=short_side, workers=workers
  )
  index = open_index(records)
  lengths = {index.video_id(row): int(index.num_frames[row]) for row in range(len(index))}
  paths = {e.video_id: e.path for e in listing.entries if e.video_id in lengths}
  small = {name: str(work / f"small-{short_side}" / f"{name}.mp4") for name in paths}
  jobs = [(path, small[name], short_side) for name, path in paths.items()]
  began = time.monotonic()
  sizes = in_processes(shrink_video, jobs, workers)
  shrinking, count = time.monotonic() - began, len(paths)
  forms = {
    "raw": {"bytes_per_video": round(sum(map(os.path.getsize, paths.values())) / count)},
    "preshrunk": {"bytes_per_video": round(sum(sizes) / count), "seconds_once": round(shrinking, 1)},
    "records": {
      "bytes_per_video": round(summary.num_bytes / count),
      "seconds_once": round(summary.seconds, 1),
    },
  }
  job = {
    "records": str(records),
    "torch_raw": [(path, lengths[name]) for name, path in paths.items()],
    "torch_preshrunk": [(small[name], lengths[name]) for name in paths],
  }
  return job, {
    "videos": count,
    "frames": sum(lengths.values()),
    "unreadable": len(summary.quarantined),
    **forms,
  }


def in_processes(function: Callable, arguments: Sequence[tuple], workers: int) -> list:
  """`function(*a)` for every tuple of arguments, in order, on `workers` processes that inherit no threads."""
  with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
    return list(pool.map(function, *zip(*arguments, strict=True)))


def generate_video(path: str, seed: int, seconds: float, height: int) -> None:
  """Writes H.264 with the codec's own defaults (keyframes up to 250 frames apart), as most users' videos are."""
  rng = np.random.default_rng(seed)
  height, width = scaled_size(HEIGHT, WIDTH, height)
  frames = (frame.reformat(width, height, "yuv420p") for frame in _scene(rng, round(seconds * FPS)))
  encode(path, frames, height, width, FPS, {})


def shrink_video(source: str, path: str, short_side: int) -> int:
  """A copy of `source` with so many pixels on its short side and a keyframe every GROUP frames; its bytes."""
  import av

  with av.open(source, metadata_errors="replace") as container:
    stream = container.streams.video[0]
    height, width = scaled_size(stream.height, stream.width, short_side)
    small = (
      frame.reformat(width, height, "yuv420p", interpolation="AREA") for frame in container.decode(stream)
    )
    encode(path, small, height, width, stream.average_rate or FPS, {"g": str(GROUP)})
  return os.path.getsize(path)


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
  """Height and width with so many pixels on the short side, even as the codec wants them."""
  scale = short_side / min(height, width)
  return max(short_side, round(height * scale / 2) * 2), max(short_side, round(width * scale / 2) * 2)


def encode(path: str, frames: Iterable, height: int, width: int, rate, options: dict[str, str]) -> None:
  """Writes frames (of PyAV) as H.264 without sound."""
  import av

  Path(path).parent.mkdir(parents=True, exist_ok=True)
  with av.open(path, "w", format="mp4") as container:
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    stream.thread_count = 1  # one video a process
    for number, frame in enumerate(frames):
      frame.pts, frame.time_base, frame.pict_type = number, 1 / Fraction(rate), 0
      container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _scene(rng: np.random.Generator, num_frames: int) -> Iterator:
  """Textured discs that drift over a panning textured ground, with a little sensor noise."""
  import av

  ground = _texture(rng, HEIGHT + 160, WIDTH + 160)
  texture = _texture(rng, HEIGHT, WIDTH)
  noise = rng.normal(0, 2, (8, HEIGHT, WIDTH, 1)).astype(np.float32)
  y, x = np.mgrid[:HEIGHT, :WIDTH]
  starts, speeds = rng.uniform(0, 2 * np.pi, (5, 2)), rng.uniform(0.01, 0.06, (5, 2))
  radii = rng.uniform(20, 60, 4)
  for t in range(num_frames):
    ways = 0.5 + 0.5 * np.sin(starts + speeds * t)  # 0 to 1: of the camera, then of every disc
    top, left = (ways[0] * 160).astype(int)
    picture = ground[top : top + HEIGHT, left : left + WIDTH].copy()
    for (row, column), radius in zip(ways[1:] * (HEIGHT, WIDTH), radii, strict=True):
      inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
      # The texture turns with its disc.
      moved = np.roll(texture, (int(row), int(column)), (0, 1))
      picture[inside] = moved[inside]
    yield av.VideoFrame.from_ndarray(_to_bytes(picture + noise[t % 8]), format="rgb24")


def _texture(rng: np.random.Generator, height: int, width: int) -> Float32[np.ndarray, "H W 3"]:
  """Noise of several sizes: large patches with fine detail, as photographs have."""
  from scipy.ndimage import zoom

  total = np.full((height, width, 3), 128, np.float32)
  for size, strength in ((64, 40), (16, 25), (4, 20), (2, 15)):
    shape = (-(-height // size), -(-width // size))
    # Mostly grey, as the world is.
    coarse = rng.normal(0, strength, (*shape, 1)) + rng.normal(0, strength / 4, (*shape, 3))
    total += zoom(coarse.astype(np.float32), (size, size, 1), order=1)[:height, :width]
  return total


def _to_bytes(picture: Float32[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
  return np.clip(picture, 0, 255).astype(np.uint8)
