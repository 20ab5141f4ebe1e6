"""Cosine nearest prototype, jitted. Axes: V video, K class, P class subset, U unseen class, S seen class.

Every function takes numpy arrays or jax arrays, also ones that a mesh's devices share.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

_HIGHEST = jax.lax.Precision.HIGHEST


class Sides(NamedTuple):
  """What decides between unseen and seen classes, for every video."""

  unseen: Float32[Array, " V"]  # best score among the unseen classes
  seen: Float32[Array, " V"]  # and among the seen ones
  right: Bool[Array, " V"]  # the true class is the best of its own side


@jax.jit
def scores(embeddings: Float[Array, "V D"], prototypes: Float[Array, "K D"]) -> Float32[Array, "V K"]:
  """Cosine similarity of every video and every prototype, in float32; a zero vector scores 0 everywhere."""
  return projections(embeddings, _unit(prototypes))


@jax.jit
def projections(embeddings: Float[Array, "V D"], vectors: Float[Array, "S D"]) -> Float32[Array, "V S"]:
  """Products of unit videos with vectors as long as they are: `scores` of any weighted sum of these is a weighted sum."""
  embeddings = embeddings.astype(jnp.float32)
  products = jnp.matmul(embeddings, vectors.T.astype(jnp.float32), precision=_HIGHEST)
  return products / _lengths(
    embeddings
  )  # a product is smaller than its factors: it, not they, is passed over again


def _unit(vectors: Float[Array, "V D"]) -> Float32[Array, "V D"]:
  vectors = vectors.astype(jnp.float32)
  return vectors / _lengths(vectors)


def _lengths(vectors: Float32[Array, "V D"]) -> Float32[Array, "V 1"]:
  # Scaled by the largest entry first: squares of large bfloat16-sized features would overflow.
  largest = jnp.maximum(jnp.abs(vectors).max(axis=1, keepdims=True), 1e-30)
  return largest * jnp.maximum(jnp.linalg.norm(vectors / largest, axis=1, keepdims=True), 1e-6)


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


@partial(jax.jit, static_argnames="k")
def top_k(scores: Float[Array, "V K"], k: int) -> tuple[Float[Array, "V k"], Int32[Array, "V k"]]:
  """The k best classes of each video and their scores, best first; all where there are fewer than k.

  Of equal scores the lower class index comes first.
  """
  scores = jnp.where(scores == 0, jnp.zeros_like(scores), scores)  # top_k puts -0.0 behind 0.0
  return jax.lax.top_k(scores, min(k, scores.shape[1]))


@partial(jax.jit, static_argnames="num_unseen")
def sides(scores: Float[Array, "V K"], label: Int[Array, " V"], num_unseen: int) -> Sides:
  """The first `num_unseen` classes against the others."""
  unseen, seen = scores[:, :num_unseen], scores[:, num_unseen:]
  best = jnp.where(label < num_unseen, unseen.argmax(axis=1), num_unseen + seen.argmax(axis=1))
  return Sides(unseen.max(axis=1), seen.max(axis=1), best == label)


@jax.jit
def composed_hits(
  projections: Float[Array, "V S"],
  gram: Float[Array, "S S"],
  weights: Float[Array, "U S"],
  label: Int[Array, " V"],
) -> Int32[Array, ""]:
  """How many videos are nearest to the right one of U prototypes, each a weighted sum of the seen classes' S.

  `projections` are the videos' on the seen prototypes, `gram` the seen prototypes' products with each other: the
  composed ones need not be made. Of equal scores the lower class index wins; a label of -1 is never right.
  """
  squared = (jnp.matmul(weights, gram, precision=_HIGHEST) * weights).sum(axis=1)
  scores = jnp.matmul(projections, weights.T, precision=_HIGHEST)
  scores = scores * jax.lax.rsqrt(jnp.maximum(squared, 1e-30))
  return (scores.argmax(axis=1) == label).sum(dtype=jnp.int32)
