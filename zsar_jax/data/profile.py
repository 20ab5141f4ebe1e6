"""How fast a config's training pipeline is, alone: `python -m zsar_jax.data.pipeline --config FILE.py --profile`.

Reads and decodes the training clips of the config as a run would, without a model (JAX is not imported). Keys of the config can be
given as to `zsar_jax.main`: `--config.data.workers=4`. Exit codes: 0 done, 2 wrong input.

`--json` prints one object and nothing else:

  config, videos, batch_size, workers, cores, steps
  clips_per_second        of the whole pipeline, after two batches that are not counted; set up, with nothing read ahead yet, so that
                          few steps come out slower than many, not faster
  clips_per_cpu_second    clips for one second of one core: user and system time of this process
  clips_per_core_second   clips_per_second shared among the cores of this machine
  bytes_read_per_clip, reads_per_clip     of the record files
  bytes_to_device_per_clip                of the frames
  stages                  [{stage, seconds_per_clip, cpu_seconds_per_clip, share}]; plan: which videos, frames and windows; read: bytes
                          and their checksums; decode: pictures, cropped; rest: batching and handing over to numpy
  whole                   {seconds_per_clip, cpu_seconds_per_clip}

The first three stages are measured one after another, each alone, over the same steps (at most 50) as the whole, and `share` is
of the whole's CPU time: in the pipeline they overlap. `rest` is what the whole takes beyond them, so noise can make it negative.
Files that were read a moment ago come out of memory: for the disk's own speed, drop the caches first and look at the whole.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from zsar_jax import commands
from zsar_jax import config as configs
from zsar_jax.classes.vocabulary import word_table
from zsar_jax.config import Config
from zsar_jax.data.datasets import ClipReader, open_corpus
from zsar_jax.data.pipeline import train_steps
from zsar_jax.data.plans import Plan
from zsar_jax.data.stream import Steps, decoding_alone, read_bytes, read_steps
from zsar_jax.errors import InputError

WARM_UP = 2  # batches: TensorFlow builds its graph, threads start
MOST_STEPS = 50  # whose bytes are kept in memory, to decode them without reading


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.data.pipeline", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("--config", required=True, metavar="FILE.py[:variant]", help="whose training data")
  parser.add_argument("--profile", action="store_true", help="measure; without it nothing is done")
  parser.add_argument("--steps", type=int, default=20, help="batches that are counted (default: 20)")
  parser.add_argument("--json", action="store_true", help="one JSON object, as documented above")
  args, overrides = commands.parse_with_config(parser, argv)
  config = configs.load(args.config, overrides)
  if not args.profile:
    raise InputError("nothing to do: add --profile (and --steps N, --json); --help says more")
  if args.steps < 1:
    raise InputError(f"--steps is {args.steps}, expected at least 1")
  report = {"config": args.config, **profile(config, args.steps)}
  if args.json:
    print(json.dumps(report))
  else:
    _show(report)


def profile(config: Config, num_steps: int) -> dict[str, Any]:
  """The report described above, without the config's name.

  Raises:
    InputError: the data cannot be used.
    RecordError: stored bytes are not what was written.
  """
  corpus = open_corpus(config, say=lambda text: print(text, file=sys.stderr))
  reader, index, batch_size = (
    ClipReader(config, 1, word_table(corpus.seen.words)),
    corpus.train.videos,
    config.train.batch_size,
  )
  steps = train_steps(
    index, corpus.train.rows, reader.spec, batch_size=batch_size, seed=config.seed, start_step=WARM_UP
  )
  workers = config.data.workers or None
  whole, size = _whole(steps._replace(end=WARM_UP + num_steps), batch_size, workers)
  few = steps._replace(end=WARM_UP + min(num_steps, MOST_STEPS))
  stages, reading = _stages(few, batch_size, workers)
  used = sum(stage["cpu_seconds_per_clip"] for stage in stages)
  rest = {
    "stage": "rest",
    "seconds_per_clip": None,
    "cpu_seconds_per_clip": whole["cpu_seconds_per_clip"] - used,
  }
  stages = [
    stage | {"share": stage["cpu_seconds_per_clip"] / whole["cpu_seconds_per_clip"]}
    for stage in [*stages, rest]
  ]
  cores = os.cpu_count() or 1
  return {
    "videos": len(corpus.train.rows),
    "batch_size": batch_size,
    "workers": config.data.workers or cores,
    "cores": cores,
    "steps": num_steps,
    "clips_per_second": 1 / whole["seconds_per_clip"],
    "clips_per_cpu_second": 1 / whole["cpu_seconds_per_clip"],
    "clips_per_core_second": 1 / whole["seconds_per_clip"] / cores,
    **reading,
    "bytes_to_device_per_clip": size,
    "stages": stages,
    "whole": whole,
  }


def _whole(steps: Steps, batch_size: int, workers: int | None) -> tuple[dict[str, float], float]:
  """The pipeline as a run has it, and the bytes of a clip's frames.

  It is set up but has read nothing when the clock starts, and ends with the last step: what is read ahead is counted
  once, however few steps there are.
  """
  for _ in read_steps(steps._replace(first=0, end=WARM_UP), workers):
    pass
  batches, num_bytes = read_steps(steps, workers), 0

  def run() -> None:
    nonlocal num_bytes
    for _, frames in batches:
      num_bytes += frames.nbytes

  num_clips = len(list(steps.numbers)) * batch_size
  return _measure(run, num_clips), num_bytes / num_clips


def _stages(
  steps: Steps, batch_size: int, workers: int | None
) -> tuple[list[dict[str, Any]], dict[str, float]]:
  """Plan, read and decode, each alone over all steps; and the bytes and reads of a clip."""
  index, numbers = steps.videos, list(steps.numbers)
  num_clips = len(numbers) * batch_size
  planned: list[Plan] = []
  encoded: list[np.ndarray] = []
  stages = [{"stage": "plan", **_measure(lambda: planned.extend(map(steps.plan, numbers)), num_clips)}]
  before = index.bytes_read, index.num_reads
  read = _measure(lambda: encoded.extend(read_bytes(steps, plan) for plan in planned), num_clips)
  stages.append({"stage": "read", **read})
  counts = {
    "bytes_read_per_clip": (index.bytes_read - before[0]) / num_clips,
    "reads_per_clip": (index.num_reads - before[1]) / num_clips,
  }
  if index.kind != "features":
    stages.append(
      {"stage": "decode", **_measure(decoding_alone(steps, encoded, planned, workers), num_clips)}
    )
  return stages, counts


def _measure(call: Callable[[], object], num_clips: int) -> dict[str, float]:
  wall, cpu = time.perf_counter(), time.process_time()
  call()
  return {
    "seconds_per_clip": (time.perf_counter() - wall) / num_clips,
    "cpu_seconds_per_clip": (time.process_time() - cpu) / num_clips,
  }


def _show(report: dict[str, Any]) -> None:
  console = Console(highlight=False)
  console.print(
    f"{report['config']}: {report['steps']} batches of {report['batch_size']} clips out of {report['videos']} videos, "
    f"{report['workers']} threads on {report['cores']} cores"
  )
  table = Table("measure", "value")
  table.columns[1].justify = "right"
  table.add_row("clips a second", f"{report['clips_per_second']:,.1f}")
  table.add_row("clips a CPU second", f"{report['clips_per_cpu_second']:,.1f}")
  table.add_row("clips a second and core", f"{report['clips_per_core_second']:,.1f}")
  table.add_row("bytes read a clip", f"{report['bytes_read_per_clip']:,.0f}")
  table.add_row("reads a clip", f"{report['reads_per_clip']:.2f}")
  table.add_row("bytes to the device a clip", f"{report['bytes_to_device_per_clip']:,.0f}")
  console.print(table)
  table = Table("stage (alone)", "CPU ms a clip", "share", "ms a clip")
  for stage in [*report["stages"], {"stage": "whole", "share": 1.0, **report["whole"]}]:
    wall = stage["seconds_per_clip"]
    table.add_row(stage["stage"], f"{1e3 * stage['cpu_seconds_per_clip']:.3f}", f"{stage['share']:.0%}",
                  "" if wall is None else f"{1e3 * wall:.3f}")  # fmt: skip
  console.print(table)
