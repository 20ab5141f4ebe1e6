"""Cosine nearest prototype, jitted. Axes: V video, K class, P class subset."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

_HIGHEST = jax.lax.Precision.HIGHEST


@jax.jit
def scores(embeddings: Float[Array, "V D"], prototypes: Float[Array, "K D"]) -> Float32[Array, "V K"]:
  """Cosine similarity of every video and every prototype, in float32; a zero vector scores 0 everywhere."""
  return jnp.matmul(_unit(embeddings), _unit(prototypes).T, precision=_HIGHEST)


def _unit(vectors: Float[Array, "V D"]) -> Float32[Array, "V D"]:
  vectors = vectors.astype(jnp.float32)
  # Scaled by the largest entry first: squares of large bfloat16-sized features would overflow.
  vectors = vectors / jnp.maximum(jnp.abs(vectors).max(axis=1, keepdims=True), 1e-30)
  return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


@jax.jit
def ranks(
  scores: Float[Array, "V K"], label: Int[Array, " V"], class_mask: Bool[Array, "P K"]
) -> Int32[Array, "P V"]:
  """How many of a subset's classes beat the true one: 0 is a right answer. All P subsets in one product.

  Of equal scores the lower class index wins. A video whose true class is outside a subset gets a rank too;
  leave it out.
  """
  true_score = jnp.take_along_axis(scores, label[:, None], axis=1)
  earlier = jnp.arange(scores.shape[1]) < label[:, None]
  beat = (scores > true_score) | ((scores == true_score) & earlier)
  counts = jnp.matmul(class_mask.astype(jnp.float32), beat.astype(jnp.float32).T, precision=_HIGHEST)
  return jnp.rint(counts).astype(jnp.int32)


def top_k(scores: Float[Array, "V K"], k: int) -> tuple[Float[Array, "V k"], Int32[Array, "V k"]]:
  """The k best classes of each video and their scores, best first; all where there are fewer than k."""
  return jax.lax.top_k(scores, min(k, scores.shape[1]))
