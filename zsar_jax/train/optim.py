"""Optimizers and learning rates of a training phase."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import optax

from zsar_jax.config import OptimConfig, TrainConfig

SCALED_RAMP_EPOCHS = 5.0


class PhaseLength(NamedTuple):
  steps: int
  steps_per_epoch: float


def phase_length(optim: OptimConfig, train: TrainConfig, num_videos: int) -> PhaseLength:
  """Optimizer steps of a phase over `num_videos` training videos (one clip a video and epoch)."""
  clips = min(num_videos, train.max_clips_per_epoch or num_videos)
  per_epoch = clips / train.batch_size
  return PhaseLength(optim.steps or math.ceil(optim.epochs * per_epoch), per_epoch)


def make_schedule(optim: OptimConfig, train: TrainConfig, length: PhaseLength) -> optax.Schedule:
  """Learning rate by step: a linear ramp, then constant, cosine to 0, or a tenth at each milestone."""
  peak, ramp_epochs = optim.learning_rate, optim.ramp_epochs
  if train.scale_lr:
    peak *= train.batch_size / train.base_batch_size
    ramp_epochs = max(ramp_epochs, SCALED_RAMP_EPOCHS)
  ramp = min(round(ramp_epochs * length.steps_per_epoch), length.steps - 1)
  after = _after_ramp(optim, peak, length, ramp)
  if not ramp:
    return after
  return optax.join_schedules([optax.linear_schedule(0.0, peak, ramp), after], [ramp])


def make_optimizer(
  optim: OptimConfig,
  schedule: optax.Schedule,
  trains: Sequence[str],
  params: Any,
  keeps: Sequence[str] = (),
) -> optax.GradientTransformation:
  """The phase's optimizer; parts of the model that the phase does not train stay as they are, decay included.

  `trains` and `keeps` name top-level parts of `params`: only `trains` (empty: all), less `keeps`, are updated.
  """
  transform = _transform(optim, schedule)
  if not trains and not keeps:
    return transform
  trained = (set(trains) or set(params)) - set(keeps)
  labels = {name: jax.tree.map(lambda _: "train" if name in trained else "keep", part)  # noqa: B023
            for name, part in params.items()}  # fmt: skip
  return optax.partition({"train": transform, "keep": optax.set_to_zero()}, labels)


def decay_mask(params: Any) -> Any:
  """True for the kernels: no decay on biases, norms and embeddings."""
  return jax.tree_util.tree_map_with_path(lambda path, _: _name(path) == "kernel", params)


def _after_ramp(optim: OptimConfig, peak: float, length: PhaseLength, ramp: int) -> optax.Schedule:
  if optim.schedule == "cosine":
    return optax.cosine_decay_schedule(peak, length.steps - ramp)
  if optim.schedule == "steps":
    drops: dict[int, float] = {}
    for epoch in optim.milestones:  # two of a short run may fall on one step
      step = max(round(epoch * length.steps_per_epoch) - ramp, 1)
      drops[step] = drops.get(step, 1.0) * 0.1
    return optax.piecewise_constant_schedule(peak, drops)
  return optax.constant_schedule(peak)


def _transform(optim: OptimConfig, schedule: optax.Schedule) -> optax.GradientTransformation:
  if optim.optimizer == "sgd":
    decay = optax.add_decayed_weights(optim.weight_decay)
    return optax.chain(decay, optax.sgd(schedule, momentum=optim.momentum))
  if optim.optimizer == "adam":
    return optax.chain(optax.add_decayed_weights(optim.weight_decay), optax.adam(schedule))
  return optax.adamw(schedule, b1=0.9, b2=0.999, weight_decay=optim.weight_decay, mask=decay_mask)


def _name(path: tuple[Any, ...]) -> str:
  return str(getattr(path[-1], "key", path[-1]))
