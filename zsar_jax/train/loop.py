"""The training loop: batches in, checkpoints and metrics out."""

import contextlib
import math
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array

from zsar_jax.config import Config
from zsar_jax.train.checkpoint import Checkpoints
from zsar_jax.train.log import MetricsLog
from zsar_jax.train.progress import TrainProgress
from zsar_jax.train.sharding import place_batch, place_state
from zsar_jax.train.signals import StopSignal
from zsar_jax.train.state import Network, Stage, TrainState, enter_stage, init_state, stage_at
from zsar_jax.train.step import make_train_step
from zsar_jax.types import ClipBatch

Batches = Callable[[int], Iterator[ClipBatch]]  # first step -> endless batches
Validate = Callable[[Stage, TrainState], float]  # seen-class accuracy, per cent


def train(
  config: Config,
  network: Network,
  stages: list[Stage],
  mesh: Mesh,
  batches: Batches,
  validate: Validate,
  workdir: pathlib.Path,
) -> TrainState:
  """Trains to the last stage's end, going on from the newest checkpoint of `workdir` if it holds one.

  Raises:
    CheckpointError: checkpoints are there and none can be read.
    Stopped: SIGTERM or SIGINT came; the step was finished and saved.
    Diverged: the loss is not finite; nothing of it was saved.
  """
  with contextlib.ExitStack() as stack:
    checkpoints = Checkpoints(workdir, config.checkpoint.keep)
    stack.callback(checkpoints.close)
    state = _start(checkpoints, network, stages, mesh)
    log = MetricsLog(workdir, int(state.step), config.logging.tensorboard)
    stack.callback(log.close)
    progress = stack.enter_context(TrainProgress(stages[-1].end, int(state.step), config.train.batch_size))
    stop = stack.enter_context(StopSignal())
    run = _Run(config, network, stages, mesh, validate, checkpoints, log, progress, stop)
    return run.to_the_end(state, batches)


class Diverged(RuntimeError):
  """Training cannot go on: the loss is not finite."""


class _Run:
  """One call of `train`: what the loop needs at every step."""

  def __init__(self, config: Config, network: Network, stages: list[Stage], mesh: Mesh, validate: Validate,
               checkpoints: Checkpoints, log: MetricsLog, progress: TrainProgress, stop: StopSignal):  # fmt: skip
    self.config, self.network, self.stages, self.mesh = config, network, stages, mesh
    self.validate, self.checkpoints = validate, checkpoints
    self.log, self.progress, self.stop = log, progress, stop
    self.validated: tuple[int, float] | None = None  # step, seen-class accuracy
    self.loss: Array | None = None  # of the last step

  def to_the_end(self, state: TrainState, batches: Batches) -> TrainState:
    step, last = int(state.step), self.stages[-1].end
    feed = batches(step) if step < last else iter(())
    while step < last:
      stage = stage_at(self.stages, step)
      state = self._run_stage(stage, state, step, feed)
      step = stage.end
      if step < last:
        state = place_state(self.mesh, enter_stage(state, stage_at(self.stages, step)))
      self._save(state)
    return state

  def _run_stage(self, stage: Stage, state: TrainState, first: int, feed: Iterator[ClipBatch]) -> TrainState:
    train_step = make_train_step(self.config, self.network.graphdef, stage, self.mesh)
    for step in range(first, stage.end):
      started = time.perf_counter()
      batch = place_batch(self.mesh, next(feed))
      waited = time.perf_counter() - started
      state, metrics = train_step(state, batch)
      done, self.loss = step + 1, metrics["loss"]
      self.progress.advance(stage.phase.name, waited)
      if done % self.config.logging.every_steps == 0 or done == stage.end:
        self._log(stage, done, metrics)
      if done % self.config.logging.validate_every_steps == 0 or done == stage.end:
        self._validate(stage, state, done)
      if self.stop.requested:
        self._stop(stage, state, done)
      if done % self.config.checkpoint.every_steps == 0 and done < stage.end:
        self._save(state)
    return state

  def _log(self, stage: Stage, step: int, metrics: dict[str, Array]) -> None:
    values: dict[str, Any] = jax.device_get(metrics)
    self.progress.show(float(values["loss"]))
    self.log.write(step, "train", {"phase": stage.phase.name, **values, **self.progress.rates()})
    self._check_loss(step)

  def _validate(self, stage: Stage, state: TrainState, step: int) -> None:
    top1 = self.validate(stage, state)
    if stage is self.stages[-1]:  # the accuracies of two phases' heads cannot be ranked together
      self.validated = (step, top1)
    self.log.write(step, "validation", {"phase": stage.phase.name, "top1": top1})
    self.progress.show_validation(top1)

  def _save(self, state: TrainState) -> None:
    step = int(state.step)
    self._check_loss(step)
    validation = self.validated[1] if self.validated and self.validated[0] == step else None
    self.checkpoints.save(state, step * self.config.train.batch_size, validation)

  def _check_loss(self, step: int) -> None:
    if self.loss is not None and not math.isfinite(float(self.loss)):
      raise Diverged(
        f"the loss is {float(self.loss)} at step {step}: nothing of it is saved; lower the learning rate "
        "and start again from the last checkpoint"
      )

  def _stop(self, stage: Stage, state: TrainState, step: int) -> None:
    if step == stage.end and step < self.stages[-1].end:
      state = enter_stage(state, stage_at(self.stages, step))
    self._save(state)
    self.stop.leave(step)


def _start(checkpoints: Checkpoints, network: Network, stages: list[Stage], mesh: Mesh) -> TrainState:
  restored = checkpoints.restore_newest(network, stages, mesh)
  return restored.state if restored else place_state(mesh, init_state(network, stages[0]))
