"""A model's forward pass in evaluation mode, compiled over the mesh."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jax.sharding import Mesh

from zsar_jax.train.sharding import batch_sharding, replicated

Apply = Callable[[Any, Any, Any], Any]


def make_apply(graphdef: Any, mesh: Mesh, function: Callable[[nnx.Module, Any], Any]) -> Apply:
  """jit(params, batch_stats, inputs) -> function(model, inputs), its results on every device.

  `inputs` are arrays (or a tree of them) with the batch in front.
  """

  def apply(params, batch_stats, inputs):
    return function(nnx.merge(graphdef, params, batch_stats), inputs)

  whole = replicated(mesh)
  return jax.jit(apply, in_shardings=(whole, whole, batch_sharding(mesh)), out_shardings=whole)
