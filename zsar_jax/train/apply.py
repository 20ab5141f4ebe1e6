"""A model's forward pass in evaluation mode, compiled over the mesh."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, UInt8

from zsar_jax.train.sharding import batch_sharding, replicated

Apply = Callable[[Any, Any, UInt8[Array, "B N T H W C"]], Array]


def make_apply(graphdef: Any, mesh: Mesh, function: Callable[[nnx.Module, Array], Array]) -> Apply:
  """jit(params, batch_stats, frames) -> function(model, frames), its result on every device."""

  def apply(params, batch_stats, frames):
    return function(nnx.merge(graphdef, params, batch_stats), frames)

  whole = replicated(mesh)
  return jax.jit(apply, in_shardings=(whole, whole, batch_sharding(mesh)), out_shardings=whole)
