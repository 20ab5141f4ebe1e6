"""Orbax checkpoints of a run: saved while training goes on, newest good one restored."""

import json
import logging
import math
import pathlib
import shutil
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from jax.sharding import Mesh
from orbax.checkpoint.checkpoint_managers import preservation_policy as policies

from zsar_jax.errors import InputError
from zsar_jax.train.sharding import replicated
from zsar_jax.train.state import Network, Stage, TrainState, init_state, stage_at


class CheckpointError(RuntimeError):
  """No saved step can be read. Commands print it and exit with 3."""


class Restored(NamedTuple):
  state: TrainState
  facts: dict[str, Any]  # what was saved beside the arrays: data position, validation metric


class Checkpoints:
  """The `checkpoints/` folder of a workdir. Keeps the newest `keep` steps and the best by seen-class validation.

  With `read_only` nothing on disk is touched, so that a run in progress can be evaluated.
  """

  def __init__(self, workdir: pathlib.Path, keep: int, *, read_only: bool = False):
    self.directory = workdir / "checkpoints"
    self._options = _options(keep, read_only)
    self._manager = ocp.CheckpointManager(self.directory.absolute(), options=self._options)

  def steps(self) -> list[int]:
    return sorted(self._manager.all_steps())

  def save(self, state: TrainState, clips_read: int, validation: float | None) -> None:
    """Starts saving; the arrays are copied before this returns, the files are written behind it.

    `validation` is the seen-class accuracy of this very state, None where it was not measured.
    """
    step = int(state.step)
    if step in self._manager.all_steps():
      return
    facts = {"clips_read": clips_read, "validation": validation}
    arrays, beside = ocp.args.StandardSave(state._asdict()), ocp.args.JsonSave(facts)
    self._manager.save(step, args=ocp.args.Composite(state=arrays, facts=beside), metrics=facts, force=True)

  def restore_newest(self, network: Network, stages: list[Stage], mesh: Mesh) -> Restored | None:
    """The newest step that can be read, or None where nothing was ever saved.

    Raises:
      CheckpointError: steps are there, and none can be read.
    """
    failures: dict[int, str] = {}
    for step in reversed(self.steps()):
      try:
        restored = self._restore(step, network, stages, mesh)
      except Exception as error:
        failures[step] = f"step {step}: {type(error).__name__}: {str(error).splitlines()[0]}"
        logging.warning("%s cannot be read; trying the step before it", self.directory / str(step))
        continue
      self._set_aside(failures)
      return restored
    if failures:
      raise CheckpointError(
        f"no checkpoint in {self.directory} can be read:\n  " + "\n  ".join(failures.values())
      )
    return None

  def close(self) -> None:
    """Waits until every started save is on disk."""
    self._manager.wait_until_finished()
    self._manager.close()

  def _set_aside(self, steps: Iterable[int]) -> None:
    """Moves unreadable steps out of the way: Orbax saves no step that is older than one it sees."""
    if self._options.read_only or not steps:
      return
    aside = self.directory.with_name("checkpoints_unreadable")
    aside.mkdir(exist_ok=True)
    for step in steps:
      shutil.move(self.directory / str(step), aside / f"{step}.{time.time_ns()}")
    self._manager.reload()

  def _restore(self, step: int, network: Network, stages: list[Stage], mesh: Mesh) -> Restored:
    template = jax.eval_shape(lambda: init_state(network, stage_at(stages, step)))
    whole = replicated(mesh)
    target = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=whole), template)
    arrays, beside = ocp.args.StandardRestore(target._asdict()), ocp.args.JsonRestore()
    restored = self._manager.restore(step, args=ocp.args.Composite(state=arrays, facts=beside))
    return Restored(TrainState(**restored.state), restored.facts)


def _options(keep: int, read_only: bool) -> ocp.CheckpointManagerOptions:
  if read_only:
    return ocp.CheckpointManagerOptions(read_only=True)
  best = policies.BestN(get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False)
  policy = policies.AnyPreservationPolicy([policies.LatestN(keep), best])
  # Orbax keeps the metrics of earlier runs only where it is told how to rank them.
  return ocp.CheckpointManagerOptions(best_fn=_rank, preservation_policy=policy, cleanup_tmp_directories=True)


def has_checkpoints(workdir: pathlib.Path) -> bool:
  folder = workdir / "checkpoints"
  return folder.is_dir() and any(child.name.isdigit() for child in folder.iterdir())


def read_saved_config(workdir: pathlib.Path) -> dict[str, Any]:
  """The config that the run in `workdir` was last started with (`config.to_dict`).

  Raises:
    InputError: it is missing or no JSON object.
  """
  file = workdir / "config.json"
  try:
    saved = json.loads(file.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(
      f"{file} cannot be read ({error}), so the checkpoints' config is unknown; use --force"
    ) from error
  if not isinstance(saved, dict):
    raise InputError(f"{file} holds no JSON object, so the checkpoints' config is unknown; use --force")
  return saved


def _rank(metrics: dict[str, Any]) -> float:
  """Higher is better; a step without a finite validation accuracy never wins."""
  value = metrics.get("validation")
  return value if value is not None and math.isfinite(value) else -math.inf
