"""Small models and arrays for tests: values drawn with numpy, calls compiled whole. Both save hundreds of small compilations."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike


def drawn(build: Callable[[], Any], seed: int = 0) -> Any:
  """build() with every parameter and statistic drawn anew, none at a value that hides a mistake (0 or 1)."""
  rng = np.random.default_rng(seed)
  model = nnx.eval_shape(build)
  graphdef, state = nnx.split(model)

  def value(path, leaf):
    if path[-1] in ("scale", "var"):
      array = rng.uniform(0.5, 1.5, leaf.shape)
    elif path[-1] in ("bias", "mean"):
      array = 0.1 * rng.standard_normal(leaf.shape)
    else:
      array = rng.standard_normal(leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
    return path, leaf.replace(jnp.asarray(array, leaf.dtype))

  return nnx.merge(graphdef, nnx.from_flat_state([value(p, v) for p, v in nnx.to_flat_state(state)]))


def call(function: Callable[..., Any], model: Any, *arrays: Any) -> Any:
  """function(model, *arrays) as one compiled program. Statistics that it moves are not seen outside."""
  graphdef, state = nnx.split(model)
  return jax.jit(lambda state, *arrays: function(nnx.merge(graphdef, state, copy=True), *arrays))(
    state, *arrays
  )


def normal(shape: Sequence[int], seed: int = 0, dtype: DTypeLike = jnp.float32) -> jax.Array:
  """Standard normal numbers."""
  return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)
