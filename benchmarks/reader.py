"""What a clip costs to read, decoding left out: bytes, reads and clips per second from local files in the page cache.

python benchmarks/reader.py [--videos 128] [--frame_bytes 5000] [--seconds 2] [--out benchmarks/results/reader.json]

The records are made up: 300 frames a video of random bytes, by default as many as a JPEG of 128 x 170 pixels takes.
Checksums are checked as in training. "whole record" is what reading records one after another would cost a clip.

The floor: 16 frames x 5 kB = 80 kB a clip, copied once out of the page cache and once into 16 `bytes`, and summed by CRC-32C: three passes
at about 10 GB/s, 24 us or 40,000 clips/s on one core; at stride 4 also 15 more system calls of about 1 us and their share of Python. Found:
48,000 clips/s at stride 1, 20,000 at stride 4.
"""

import argparse
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import measuring
import numpy as np
from made_up import random_records

from zsar_jax.data import sampling
from zsar_jax.data.index import VideoIndex, open_index

_FRAMES = 300  # of each video: ten seconds
_CLIP, _BATCH = 16, 32


def measure(index: VideoIndex, record_bytes: float, stride: int, seconds: float) -> dict[str, float]:
  """Figures of training clips of 16 frames, `stride` apart."""
  for rows, frames in _batches(index, stride, 4):
    index.frame_bytes(rows, frames)  # into the page cache
  clips, read, reads = 0, index.bytes_read, index.num_reads
  cpu, started = time.process_time(), time.perf_counter()
  while time.perf_counter() - started < seconds:
    for rows, frames in _batches(index, stride, 4):
      clips += len(rows)
      index.frame_bytes(rows, frames)
  cpu, wall = time.process_time() - cpu, time.perf_counter() - started
  read, reads = index.bytes_read - read, index.num_reads - reads
  return {
    "stride": stride,
    "bytes_per_clip": round(read / clips),
    "bytes_of_the_whole_record": round(record_bytes),
    "times_fewer_bytes": round(record_bytes * clips / read, 1),
    "reads_per_clip": round(reads / clips, 2),
    "clips_per_second": round(clips / wall),
    "clips_per_cpu_second": round(clips / cpu),
  }


def _batches(index: VideoIndex, stride: int, num: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  for step in range(num):
    rows, clips = sampling.global_rows(len(index), 0, step, _BATCH)
    draws = sampling.clip_draws(0, clips, 1)[:, 0]
    yield rows, sampling.train_frames(index.num_frames[rows], _CLIP, stride, draws)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--videos", type=int, default=128, help="how many (default: 128)")
  parser.add_argument("--frame_bytes", type=int, default=5000, help="of a frame, on average (default: 5000)")
  parser.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
  parser.add_argument("--json", action="store_true", help="print one JSON object")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    records = pathlib.Path(folder)
    random_records(records, options.videos, _FRAMES, options.frame_bytes)
    index = open_index(records)
    record_bytes = sum(path.stat().st_size for path in records.glob("*.tfrecord-*")) / len(index)
    rows: list[dict[str, Any]] = [measure(index, record_bytes, s, options.seconds) for s in (1, 4)]
  result = {"batch": _BATCH, "frames": _CLIP, "rows": rows, **measuring.facts("numpy")}
  lines = ["  ".join(f"{name} {value:,}" for name, value in row.items()) for row in rows]
  measuring.finish(result, options, "\n".join(lines))


if __name__ == "__main__":
  main()
