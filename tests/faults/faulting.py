"""Runs that are interrupted, and what has to be the same afterwards."""

import hashlib
import pathlib
import time

import numpy as np
import orbax.checkpoint as ocp
from running import read_metrics

from zsar_jax.train.log import TIMINGS

LOOK_SECONDS = 0.02


def wait_for_step(workdir, step, process, seconds=240):
  """Until the metrics of `step` are written; the process must live that long."""
  limit = time.monotonic() + seconds
  while time.monotonic() < limit:
    if last_step(workdir) >= step:
      return
    assert process.poll() is None, process.communicate()
    time.sleep(LOOK_SECONDS)
  raise AssertionError(f"step {step} was not reached in {seconds} s")


def last_step(workdir):
  """The last step that the metrics tell of; a line that is being written is passed over."""
  file = pathlib.Path(workdir) / "metrics.jsonl"
  if not file.exists():
    return 0
  lines = file.read_text(encoding="utf-8").split("\n")[:-1]
  return max((int(line.split(",")[0].rpartition(" ")[2]) for line in lines), default=0)


def facts(workdir):
  """What two equal runs have in common: every metric but timings, with a digest of each batch's video ids, and the last state."""
  lines = {kind: read_metrics(workdir, kind) for kind in ("train", "validation")}
  for line in [line for of_kind in lines.values() for line in of_kind.values()]:
    for name in TIMINGS:
      line.pop(name, None)
  return lines | {"state": digest(workdir)}


def digest(workdir):
  """{array: hash} of the newest step: parameters, statistics, optimizer and counters, as they lie on disk."""
  folder = pathlib.Path(workdir) / "checkpoints"
  newest = max((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
  with ocp.StandardCheckpointer() as checkpointer:
    tree = checkpointer.restore((newest / "state").absolute())
  import jax

  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path): hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()
    for path, leaf in leaves
  }
