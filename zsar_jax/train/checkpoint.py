"""Orbax checkpoints of a run: saved while training goes on, newest good one restored."""

import json
import logging
import math
import pathlib
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
  """The `checkpoints/` folder of a workdir. Keeps the newest `keep` steps and the best by seen-class validation."""

  def __init__(self, workdir: pathlib.Path, keep: int):
    self.directory = workdir / "checkpoints"
    policy = policies.AnyPreservationPolicy(
      [
        policies.LatestN(keep),
        policies.BestN(get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False),
      ]
    )
    options = ocp.CheckpointManagerOptions(preservation_policy=policy, cleanup_tmp_directories=True)
    self._manager = ocp.CheckpointManager(self.directory.absolute(), options=options)

  def steps(self) -> list[int]:
    return sorted(self._manager.all_steps())

  def save(self, state: TrainState, clips_read: int, validation: float | None) -> None:
    """Starts saving; the arrays are copied before this returns, the files are written behind it."""
    step = int(state.step)
    if step in self._manager.all_steps():
      return
    facts = {"clips_read": clips_read, "validation": validation}
    self._manager.save(
      step,
      args=ocp.args.Composite(state=ocp.args.StandardSave(state._asdict()), facts=ocp.args.JsonSave(facts)),
      metrics=facts,
    )

  def restore_newest(self, network: Network, stages: list[Stage], mesh: Mesh) -> Restored | None:
    """The newest step that can be read, or None where nothing was ever saved.

    Raises:
      CheckpointError: steps are there, and none can be read.
    """
    steps = self.steps()
    failures = []
    for step in reversed(steps):
      try:
        return self._restore(step, network, stages, mesh)
      except Exception as error:
        failures.append(f"step {step}: {type(error).__name__}: {str(error).splitlines()[0]}")
        logging.warning(
          "checkpoint of step %d in %s cannot be read; trying the one before it", step, self.directory
        )
    if failures:
      raise CheckpointError(f"no checkpoint in {self.directory} can be read:\n  " + "\n  ".join(failures))
    return None

  def close(self) -> None:
    """Waits until every started save is on disk."""
    self._manager.wait_until_finished()
    self._manager.close()

  def _restore(self, step: int, network: Network, stages: list[Stage], mesh: Mesh) -> Restored:
    template = jax.eval_shape(lambda: init_state(network, stage_at(stages, step)))
    target = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), template
    )
    restored = self._manager.restore(
      step,
      args=ocp.args.Composite(state=ocp.args.StandardRestore(target._asdict()), facts=ocp.args.JsonRestore()),
    )
    return Restored(TrainState(**restored.state), restored.facts)


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
