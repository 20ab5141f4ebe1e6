"""A network of a few arrays with a real optimizer, for tests of what is saved."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from zsar_jax.train.checkpoint import Facts
from zsar_jax.train.sharding import make_mesh, place_everywhere
from zsar_jax.train.state import Network, Stage, init_state

FACTS = Facts(32, None, None, {"loss": float(np.float32(0.1))})


def tiny(size=24, end=1000):
  """(network, stages, mesh, state at step 0)."""
  key = jax.random.key(0)
  params = {
    "backbone": {
      "kernel": jax.random.normal(key, (size, 7)),
      "blocks": {0: {"scale": jnp.float32([-0.0, 1e-40, jnp.inf])}},
    },
    "head": {"kernel": jax.random.normal(key, (7, 3)).astype(jnp.bfloat16)},
  }
  network = Network(None, params, {"backbone": {"mean": jnp.arange(5.0)}})
  schedule = optax.constant_schedule(0.1)
  stages = [Stage(None, 0, end, schedule, optax.adamw(schedule))]
  mesh = make_mesh()
  return network, stages, mesh, place_everywhere(mesh, init_state(network, stages[0]))


def at(state, step):
  """The state at another step, with values that tell it from others."""
  stats = jax.tree.map(lambda x: x + step, state.batch_stats)
  return state._replace(step=jnp.int32(step), batch_stats=stats)


def same(left, right):
  """Whether every array is the same, bit for bit."""
  pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
  return all(a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def fill(checkpoints, state, *validations):
  """Saves steps 1, 2, ... one after the other, with these validations."""
  for step, validation in enumerate(validations, 1):
    checkpoints.save(at(state, step), FACTS._replace(validation=validation))
  checkpoints.close()
