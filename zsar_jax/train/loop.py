"""The training loop: batches in, checkpoints and metrics out."""

import contextlib
import functools
import hashlib
import math
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from zsar_jax.config import Config
from zsar_jax.lock import exclusive
from zsar_jax.train import nonfinite
from zsar_jax.train.checkpoint import Checkpoints, Facts, SaveError
from zsar_jax.train.distributed import agree, is_first
from zsar_jax.train.feed import Feed
from zsar_jax.train.log import MetricsLog
from zsar_jax.train.progress import TrainProgress
from zsar_jax.train.sharding import place_everywhere, replicated
from zsar_jax.train.signals import StopSignal
from zsar_jax.train.state import Network, Stage, TrainState, enter_stage, init_state, stage_at
from zsar_jax.train.step import Health, make_train_step
from zsar_jax.train.totals import Totals
from zsar_jax.train.watchdog import Watchdog
from zsar_jax.types import ClipBatch


class Batches(Protocol):
  """The endless training batches, each a function of its step alone."""

  def stream(self, first_step: int) -> Iterator[ClipBatch]:
    """This process's share of every batch from `first_step` (counted from 0) on."""

  def rows(self, step: int) -> Int[np.ndarray, " B"]:
    """Rows of the data set's index in the whole batch of `step`, in order."""

  def video_ids(self, rows: Int[np.ndarray, " B"]) -> list[str]:
    """Of these rows."""


# Seen-class accuracy (per cent) of a state, by the phase's own scores; calls the last argument as it goes on.
Validate = Callable[[Stage, TrainState, Callable[[], None]], float]


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
    InputError: another process trains in this workdir.
    SaveError: the workdir cannot be written.
    Stopped: SIGTERM or SIGINT came; the step was finished and saved.
    Diverged: the loss or the gradient is not finite; nothing of it was saved.
  """
  with contextlib.ExitStack() as stack:
    if is_first():
      workdir.mkdir(parents=True, exist_ok=True)
      taken = f"workdir {workdir} is being trained in by another process; wait for it or give another with --workdir"
      stack.enter_context(exclusive(workdir / ".training", taken))
    watchdog = stack.enter_context(Watchdog(config.safety.watchdog_seconds))
    checkpoints = Checkpoints(workdir, config.checkpoint.keep, config.checkpoint.keep_best)
    stack.callback(checkpoints.close)
    restored = checkpoints.restore_newest(network, stages, mesh)
    state = restored.state if restored else place_everywhere(mesh, init_state(network, stages[0]))
    step, last = int(state.step), stages[-1].end
    if restored:
      print(f"restored step {step} of {workdir}", flush=True)
    log = MetricsLog(workdir, step, config.logging.tensorboard)
    stack.callback(log.close)
    run = _Run(
      config, network, stages, mesh, batches, validate, workdir, checkpoints, log,
      progress=stack.enter_context(TrainProgress(last, step, config.train.batch_size)),
      stop=stack.enter_context(StopSignal()),
      watchdog=watchdog,
      facts=restored.facts if restored else None,
    )  # fmt: skip
    feed = stack.enter_context(Feed(mesh, batches.stream(step)))
    return run.to_the_end(_with_budget(state, config.safety.skip_nonfinite, mesh), step, feed)


class _Sent(NamedTuple):
  """A step that the device may still be at."""

  step: int  # its number, counted from 0
  health: Health


class _Run:
  """One call of `train`: what the loop needs at every step."""

  def __init__(self, config: Config, network: Network, stages: list[Stage], mesh: Mesh, batches: Batches, validate: Validate,
               workdir: pathlib.Path, checkpoints: Checkpoints, log: MetricsLog, *, progress: TrainProgress, stop: StopSignal,
               watchdog: Watchdog, facts: Facts | None):  # fmt: skip
    self.config, self.network, self.stages, self.mesh = config, network, stages, mesh
    self.batches, self.validate, self.workdir = batches, validate, workdir
    self.checkpoints, self.log, self.progress = checkpoints, log, progress
    self.stop, self.watchdog = stop, watchdog
    self.totals = Totals(facts.totals if facts else {})
    self.best = facts.best if facts else None  # seen-class accuracy of the last phase
    self.validated: tuple[int, float] | None = None  # step, seen-class accuracy
    self.improved = False  # the state of `validated` is the best so far, and not saved yet
    self.sent: _Sent | None = None
    self.saved_at = time.monotonic()

  def to_the_end(self, state: TrainState, step: int, feed: Feed) -> TrainState:
    last = self.stages[-1].end
    self._make_up_for(state, step)
    while step < last:
      stage = stage_at(self.stages, step)
      state = self._run_stage(stage, state, step, feed)
      step = stage.end
      state = self._next_stage(state, step)
      self._save(state, step)
    return state

  def _run_stage(self, stage: Stage, state: TrainState, first: int, feed: Feed) -> TrainState:
    train_step = make_train_step(self.config, self.network.graphdef, stage, self.mesh)
    self.progress.begin_phase(stage.phase.name, first + 1, stage.end)
    for step in range(first, stage.end):
      batch, waited = feed.next()
      state, metrics, health = train_step(state, batch)
      self.totals.add(metrics)
      self._settle()
      self.sent = _Sent(step, health)
      self.progress.advance(stage.phase.name, waited)
      self._after(stage, state, step + 1)
    return state

  def _after(self, stage: Stage, state: TrainState, done: int) -> None:
    """What is due after `done` steps. The device goes on with nothing in between, so it is seldom."""
    self.checkpoints.check()
    logs = done % self.config.logging.every_steps == 0 or done == stage.end
    if logs:
      self._log(stage, done)
    if self.stop.requested_at(done):  # before validation, for which a preemption leaves no time
      self._save(self._next_stage(state, done) if done == stage.end else state, done)
      self.stop.leave(done)
    if self._validates_at(done):
      self._validate(stage, state, done)
    if done < stage.end and self._save_is_due(done, logs):
      self._save(state, done)

  def _validates_at(self, done: int) -> bool:
    return done % self.config.logging.validate_every_steps == 0 or any(done == s.end for s in self.stages)

  def _make_up_for(self, state: TrainState, done: int) -> None:
    """Validates a restored state if the run was stopped when that was due, and tells its checkpoint."""
    if done and self._validates_at(done) and not agree(int(self.log.has(done, "validation"))):
      stage = stage_at(self.stages, done - 1)
      self._validate(stage, state, done, late=True)
      self.improved = False

  def _settle(self) -> None:
    """Waits for the step before the one just sent, which keeps the device busy meanwhile, and looks at its health."""
    sent, self.sent = self.sent, None
    if sent is None:
      return
    health = jax.device_get(sent.health)
    self.progress.step_done()
    self.watchdog.alive()
    if health.ok:
      return
    ids = self.batches.video_ids(self.batches.rows(sent.step))
    told = (self.workdir, sent.step + 1, health, ids)
    left = self.config.safety.skip_nonfinite - int(health.skipped)
    if left < 0:
      with contextlib.suppress(SaveError):
        self.checkpoints.close()  # waits for a save that is under way
      raise nonfinite.diverged(*told, newest=max(self.checkpoints.steps(), default=None))
    nonfinite.passed_over(*told, left=left)

  def _log(self, stage: Stage, done: int) -> None:
    self._settle()
    means = self.totals.take()
    self.progress.show(means["loss"])
    values = {
      "learning_rate": float(stage.schedule(np.int32(done - 1 - stage.start))),
      **means,
      **self.progress.rates(),
    }
    self.log.write(done, "train", {"phase": stage.phase.name, "batches": self._digest(stage, done), **values})

  def _digest(self, stage: Stage, done: int) -> str:
    """Of the rows of every batch since the line before, whether or not a stop came between."""
    first = max(stage.start, (done - 1) // self.config.logging.every_steps * self.config.logging.every_steps)
    rows = [np.asarray(self.batches.rows(step), np.int64) for step in range(first, done)]
    return hashlib.sha256(np.concatenate(rows).tobytes()).hexdigest()[:12]

  def _validate(self, stage: Stage, state: TrainState, done: int, late: bool = False) -> None:
    """`late`: the state is saved already. Its checkpoint is told first, so that a kill in between costs another validation alone."""
    self._settle()
    with self.progress.aside():
      top1 = self.validate(stage, state, self.watchdog.alive)
    if stage is self.stages[-1]:  # the accuracies of two phases' heads cannot be ranked together
      self.validated = (done, top1)
      if math.isfinite(top1) and (self.best is None or top1 > self.best):
        self.best, self.improved = top1, self.config.checkpoint.keep_best > 0
    if late and self.validated:
      self.checkpoints.amend(done, top1, self.best)
    self.log.write(done, "validation", {"phase": stage.phase.name, "top1": top1})
    self.progress.show_validation(top1)

  def _save_is_due(self, done: int, logs: bool) -> bool:
    """By count, or a new best, at any step; by time where metrics are fetched anyway, as the first process's clock has it."""
    every, minutes = self.config.checkpoint.every_steps, self.config.checkpoint.every_minutes
    if self.improved or (every and done % every == 0):
      return True
    return logs and minutes > 0 and bool(agree(int(time.monotonic() - self.saved_at >= 60 * minutes)))

  def _save(self, state: TrainState, done: int) -> None:
    self._settle()
    started = time.perf_counter()
    validation = self.validated[1] if self.validated and self.validated[0] == done else None
    facts = Facts(done * self.config.train.batch_size, validation, self.best, self.totals.saved())
    self.checkpoints.save(state, facts)
    self.saved_at, self.improved = time.monotonic(), False
    self.progress.saving(time.perf_counter() - started)

  def _next_stage(self, state: TrainState, done: int) -> TrainState:
    """The state as the next phase takes it, where there is one."""
    if done >= self.stages[-1].end:
      return state
    enter = functools.partial(enter_stage, stage=stage_at(self.stages, done))
    return jax.jit(enter, out_shardings=replicated(self.mesh))(state)


def _with_budget(state: TrainState, budget: int, mesh: Mesh) -> TrainState:
  """A budget that is smaller than what was skipped already is used up, no more."""
  skipped = np.int32(min(int(state.skipped), budget))
  return state._replace(skipped=place_everywhere(mesh, skipped))
