"""Runs that are interrupted, and what has to be the same afterwards."""

import hashlib
import pathlib
import re
import time

import numpy as np
import orbax.checkpoint as ocp
from running import read_metrics

from zsar_jax.saved.manifest import read_manifest
from zsar_jax.saved.steps import FOLDER, whole_steps
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
  """What two equal runs have in common: every metric but timings, with a digest of each batch's videos, and the last step saved."""
  lines = {kind: read_metrics(workdir, kind) for kind in ("train", "validation")}
  for line in [line for of_kind in lines.values() for line in of_kind.values()]:
    for name in TIMINGS:
      line.pop(name, None)
  folder = checkpoints(workdir) / str(newest_step(workdir))
  return lines | {"saved": read_manifest(folder).facts, "state": digest(folder)}


def checkpoints(workdir):
  return pathlib.Path(workdir) / FOLDER


def newest_step(workdir):
  """The newest whole step, 0 where there is none."""
  return max(whole_steps(checkpoints(workdir)), default=0)


def unfinished_steps(workdir):
  """The steps that a save was at when the run ended."""
  return [int(path.name.split(".")[2]) for path in checkpoints(workdir).glob(".unfinished.*")]


def restored_step(out):
  """Where a run went on, by its stdout; 0: it began."""
  return max(
    (int(number) for number in re.findall(r"^restored step (\d+) of ", out, re.MULTILINE)), default=0
  )


def digests(workdir):
  """{step: digest of its state} of all whole steps."""
  return {step: digest(checkpoints(workdir) / str(step)) for step in whole_steps(checkpoints(workdir))}


def digest(folder):
  """{array: hash} of a saved step: parameters, statistics, optimizer and counters, as they lie on disk."""
  with ocp.StandardCheckpointer() as checkpointer:
    tree = checkpointer.restore((folder / "state").absolute())
  import jax

  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path): hashlib.sha256(np.asarray(leaf).tobytes()).hexdigest()
    for path, leaf in leaves
  }
