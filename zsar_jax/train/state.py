"""What training carries from step to step."""

import hashlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Int32

from zsar_jax.config import Config
from zsar_jax.methods.base import Method, Phase
from zsar_jax.train.optim import PhaseLength, make_optimizer, make_schedule, phase_length


class TrainState(NamedTuple):
  """Plain pytrees: nested dicts of arrays. `step` counts steps over all phases, those that were left out included."""

  step: Int32[Array, ""]
  params: Any
  batch_stats: Any
  opt_state: Any
  skipped: Int32[Array, ""]  # steps that changed nothing, for their loss or gradient was not finite


def fingerprint(state: TrainState) -> str:
  """A hash of the parameters and running statistics: what embeddings and prototypes come from."""
  digest = hashlib.sha256()
  leaves, _ = jax.tree_util.tree_flatten_with_path((state.params, state.batch_stats))
  for path, leaf in leaves:
    digest.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()[:16]


class Stage(NamedTuple):
  """A phase in its place: steps `start` up to (not including) `end`."""

  phase: Phase
  start: int
  end: int
  schedule: optax.Schedule
  optimizer: optax.GradientTransformation


class Network(NamedTuple):
  """A model as the graph that `nnx.merge` takes and its fresh arrays."""

  graphdef: Any
  params: Any
  batch_stats: Any

  @property
  def num_parameters(self) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(self.params))


def make_network(method: Method, seed: int) -> Network:
  """Initialises the model in one compiled call."""
  shapes = nnx.eval_shape(lambda: method.init_model(seed))
  graphdef: Any = nnx.graphdef(shapes)

  def init() -> tuple[Any, Any]:
    model = method.init_model(seed)
    return nnx.to_pure_dict(nnx.state(model, nnx.Param)), nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

  # It runs once: compiling it well takes three times as long as compiling it plainly.
  compiled = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
  return Network(graphdef, *compiled())


def make_stages(config: Config, method: Method, params: Any, num_videos: int) -> list[Stage]:
  """The phases laid end to end, for `num_videos` training videos."""
  stages: list[Stage] = []
  for phase in method.phases():
    length: PhaseLength = phase_length(phase.optim, config.train, num_videos)
    start = stages[-1].end if stages else 0
    schedule = make_schedule(phase.optim, config.train, length)
    optimizer = make_optimizer(phase.optim, schedule, phase.trains, params, phase.keeps)
    stages.append(Stage(phase, start, start + length.steps, schedule, optimizer))
  return stages


def stage_at(stages: list[Stage], step: int) -> Stage:
  """The stage that runs step number `step`; past the end, the last one."""
  return next((stage for stage in stages if step < stage.end), stages[-1])


def init_state(network: Network, stage: Stage) -> TrainState:
  """Step 0, with the first stage's optimizer."""
  opt_state = stage.optimizer.init(network.params)
  return TrainState(jnp.int32(0), network.params, network.batch_stats, opt_state, jnp.int32(0))


def enter_stage(state: TrainState, stage: Stage) -> TrainState:
  """The same model with a fresh optimizer, at a phase's first step."""
  return state._replace(opt_state=stage.optimizer.init(state.params))
