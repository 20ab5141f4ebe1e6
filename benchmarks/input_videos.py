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

from zsar_jax.data.schema import JPEG_QUALITY

HEIGHT, WIDTH, FPS = 256, 340, 30  # as a Kinetics that somebody shrank
NUM_CLASSES = 4
GROUP = 12  # frames between keyframes of the small copies

Video = tuple[str, int]  # its path and its number of frames


def generate(root: Path, num_videos: int, seconds: float, height: int, workers: int) -> Path:
  """A folder of class folders of generated videos, `height` pixels high."""
  paths = [root / f"class_{i % NUM_CLASSES}" / f"{i:03d}.mp4" for i in range(num_videos)]
  in_processes(
    generate_video, [(str(path), seed, seconds, height) for seed, path in enumerate(paths)], workers
  )
  return root


def prepare(videos: Path, work: Path, short_side: int, workers: int) -> tuple[dict[str, Any], dict[str, Any]]:
  """Makes records and small copies of the videos that can be read.

  Returns: what the sides read ("records": a directory; "raw", "preshrunk": files and their numbers of frames), and what each form
  takes (bytes a video; seconds, once).
  """
  paths, made = make_records(videos, work / f"records-{short_side}", workers, short_side)
  small, shrunk = make_copies(paths, work / f"small-{short_side}", workers, short_side)
  raw = {"bytes_per_video": round(sum(os.path.getsize(path) for path, _ in paths) / len(paths))}
  counts = {name: made.pop(name) for name in ("videos", "frames", "unreadable")}
  job = {"records": str(work / f"records-{short_side}"), "raw": paths, "preshrunk": small}
  return job, {**counts, "raw": raw, "preshrunk": shrunk, "records": made}


def make_records(
  videos: Path, records: Path, workers: int, short_side: int, jpeg_quality: int = JPEG_QUALITY
) -> tuple[list[Video], dict[str, Any]]:
  """The videos that could be read, and what their records take."""
  from data_prep.folder import list_folder
  from zsar_jax.data.build import build_records
  from zsar_jax.data.index import open_index
  from zsar_jax.data.tensorflow_import import tensorflow_datasets

  tensorflow_datasets()  # importing it is no part of building
  listing = list_folder(videos)
  summary = build_records(
    listing.entries, listing.class_names, records, short_side=short_side, jpeg_quality=jpeg_quality, workers=workers
  )  # fmt: skip
  index = open_index(records)
  lengths = {index.video_id(row): int(index.num_frames[row]) for row in range(len(index))}
  found = [(e.path, lengths[e.video_id]) for e in listing.entries if e.video_id in lengths]
  return found, {
    "videos": len(found),
    "frames": sum(lengths.values()),
    "unreadable": len(summary.quarantined),
    "bytes_per_video": round(summary.num_bytes / len(found)),
    "seconds_once": round(summary.seconds, 1),
  }


def make_copies(
  videos: list[Video], folder: Path, workers: int, short_side: int, group: int = GROUP
) -> tuple[list[Video], dict[str, Any]]:
  """H.264 copies with a keyframe every `group` frames, and what they take."""
  copies = [(str(folder / f"{number:05d}.mp4"), length) for number, (_, length) in enumerate(videos)]
  jobs = [(path, copy, short_side, group) for (path, _), (copy, _) in zip(videos, copies, strict=True)]
  began = time.monotonic()
  sizes = in_processes(shrink_video, jobs, workers)
  took = {
    "bytes_per_video": round(sum(sizes) / len(sizes)),
    "seconds_once": round(time.monotonic() - began, 1),
  }
  return copies, took


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


def shrink_video(source: str, path: str, short_side: int, group: int = GROUP) -> int:
  """A copy of `source` with so many pixels on its short side and a keyframe every `group` frames; its bytes."""
  import av

  with av.open(source, metadata_errors="replace") as container:
    stream = container.streams.video[0]
    height, width = scaled_size(stream.height, stream.width, short_side)
    small = (
      frame.reformat(width, height, "yuv420p", interpolation="AREA") for frame in container.decode(stream)
    )
    encode(path, small, height, width, stream.average_rate or FPS, {"g": str(group)})
  return os.path.getsize(path)


def num_frames(path: str) -> int:
  """By the header."""
  import av

  with av.open(path) as container:
    return container.streams.video[0].frames


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
