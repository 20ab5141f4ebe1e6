"""A function of two arrays with its gradients, as one compiled program."""

from collections.abc import Callable

import jax
from model_drawing import normal


def value_and_gradients(
  function: Callable[[jax.Array, jax.Array], jax.Array], x: jax.Array, w: jax.Array
) -> list[jax.Array]:
  """[output, gradient by x, gradient by w] of a random weighting of the output."""

  def run(x, w):
    out, pull_back = jax.vjp(function, x, w)
    return [out, *pull_back(normal(out.shape, 2, out.dtype))]

  return jax.jit(run)(x, w)
