"""Whether a training step fits into this machine's memory: told before it is compiled."""

import pathlib
import warnings

import jax
import numpy as np

from zsar_jax.accounting import Classes
from zsar_jax.config import Config
from zsar_jax.methods.backbone import frames_shape
from zsar_jax.types import ClassSet

GIB = 2**30
MOST_KEPT = 1000  # float32 numbers that any encoder keeps for a number of its input; with less there is nothing to work out
SHARE = 0.9  # of what is free: clips that are read ahead, and the program itself, take some


def warn_if_short(config: Config, seen: ClassSet) -> None:
  """On CPUs, warns where a training step may take more memory than is free. Works it out from shapes, in seconds, for large ones alone."""
  free = free_bytes()
  if jax.default_backend() != "cpu" or free is None:
    return
  clips = config.train.batch_size // jax.process_count() // config.train.accumulate
  if 4 * MOST_KEPT * np.prod(frames_shape(config, clips, 1).shape) < free:
    return
  from zsar_jax.costs import step_memory

  needed = step_memory(config, Classes(seen, assumed=False), jax.process_count())
  if needed > SHARE * free:
    warnings.warn(
      f"a training step may need up to {needed / GIB:.1f} GiB, {free / GIB:.1f} GiB are free: the run may be killed. Smaller are "
      "--config.train.batch_size, --config.data.num_frames and --config.data.crop; --config.model.remat=true and "
      "--config.train.accumulate=2 keep less; configs/small.py is made for any machine",
      stacklevel=2,
    )


def free_bytes() -> int | None:
  """Memory that this process may still take, by the machine and by its control group; None where nothing tells."""
  limits = [_available(pathlib.Path("/proc/meminfo")), _left_in_group(pathlib.Path("/sys/fs/cgroup"))]
  return min((limit for limit in limits if limit is not None), default=None)


def _available(file: pathlib.Path) -> int | None:
  try:
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    return 1024 * int(lines["MemAvailable"].split()[0])
  except (OSError, KeyError, ValueError, IndexError):
    return None


def _left_in_group(folder: pathlib.Path) -> int | None:
  try:
    return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
  except (OSError, ValueError):  # no such group, or "max"
    return None
