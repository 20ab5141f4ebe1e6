"""What an index of Kinetics size costs: seconds of each step and the peak memory, in a fresh process.

python benchmarks/index_scale.py [--videos 650000] [--frames 300] [--json] [--out benchmarks/results/index_scale.json]

The videos are made up, their frame columns and record files are holes in files: 50 bytes of disk a video. The floor is one pass over the
columns; predicted: all steps grow as the videos (the split hashes every name, in Python: 1.3 s a million), memory by 250 bytes a video,
for the split keeps all names and hashes at once. --videos 10000000 stands in 3 GB.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from made_up import sparse_index
from measuring import facts, finish

from zsar_jax.data import sampling
from zsar_jax.data.index import ReadPlan, open_index, validation_rows

_CLASSES, _KEPT = 700, 664
_STEP, _BATCH, _SEED = 100_000, 256, 0


def measure(directory: str) -> dict[str, Any]:
  """Seconds of what a run does before and at its first step; peak memory of this process in MB."""
  seconds: dict[str, float] = {}

  def timed(name: str, call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    seconds[name] = round(time.perf_counter() - started, 4)
    return result

  timed("open, verify='off'", lambda: open_index(directory, verify="off"))
  index = timed("open, verify='size'", lambda: open_index(directory))
  kept = np.random.default_rng(0).permutation(_CLASSES)[:_KEPT]
  rows = timed("filter to 664 of 700 classes", lambda: np.flatnonzero(np.isin(index.label, kept)))
  train, validation = timed("validation split", lambda: validation_rows(index, rows))
  timed("permute an epoch", lambda: sampling.epoch_order(_SEED, 0, len(train)))
  timed("seek to step 100000", lambda: sampling.global_rows(len(train), _SEED, _STEP, _BATCH))

  def plan(step: int) -> ReadPlan:
    positions, clips = sampling.global_rows(len(train), _SEED, step, _BATCH)
    draws = sampling.clip_draws(_SEED, clips, 1)[:, 0]
    return index.plan_reads(
      train[positions], sampling.train_frames(index.num_frames[train[positions]], 16, 1, draws)
    )

  # The pages of the frame columns are not in memory at first.
  timed("plan the reads of a batch of 256", lambda: plan(_STEP))
  timed("plan them again", lambda: plan(_STEP))
  return {
    "videos": len(index),
    "kept_classes": len(np.unique(index.label[train])),
    "validation_videos": len(validation),
    "seconds": seconds,
    # Kilobytes on Linux, bytes on macOS.
    "peak_memory_mb": round(
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    ),
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--videos", type=int, default=650_000, help="how many (default: 650000)")
  parser.add_argument("--frames", type=int, default=300, help="of each video (default: 300)")
  parser.add_argument("--folder", help="where the made-up index lies meanwhile (default: the system's)")
  parser.add_argument("--json", action="store_true", help="print one JSON object")
  parser.add_argument("--out", type=pathlib.Path, help="write the JSON there")
  parser.add_argument("--measure", metavar="DIR", help=argparse.SUPPRESS)
  options = parser.parse_args()
  if options.measure:
    print(json.dumps(measure(options.measure)))
    return
  with tempfile.TemporaryDirectory(dir=options.folder) as folder:
    records = pathlib.Path(folder) / "records"
    sparse_index(records, options.videos, options.frames, _CLASSES)
    command = [sys.executable, __file__, "--measure", str(records)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
  result |= {"frames": options.videos * options.frames, **facts("numpy")}
  lines = [f"{result['videos']} videos, {result['frames']} frames: {result['peak_memory_mb']} MB at most"]
  lines += [f"{seconds:9.4f} s  {name}" for name, seconds in result["seconds"].items()]
  finish(result, options, "\n".join(lines))


if __name__ == "__main__":
  main()
