"""Which classes a study keeps: random ones, or ones that mean alike (E2E section 5.2, Fig. 4 and 5)."""

import numpy as np
from jaxtyping import Float, Int64

from zsar_jax.errors import InputError

_ATTEMPTS = 20
_ITERATIONS = 100


def random_classes(num_classes: int, keep: int, seed: int) -> Int64[np.ndarray, " keep"]:
  """Rows of `keep` of `num_classes` classes, ascending; of the same seed, fewer are among the more (Fig. 4).

  Raises:
    InputError: `keep` is not from 1 to `num_classes`.
  """
  if not 1 <= keep <= num_classes:
    raise InputError(f"{keep} of {num_classes} classes: expected 1 to {num_classes} to keep")
  return np.sort(np.random.RandomState(seed).permutation(num_classes)[:keep].astype(np.int64))


def clustered_classes(
  embeddings: Float[np.ndarray, "K D"], num_clusters: int, cluster: int, keep: int, seed: int
) -> Int64[np.ndarray, " keep"]:
  """Rows of `keep` random classes of one cluster, ascending: training classes that mean alike (Fig. 5).

  See `class_clusters`. `seed` chooses the classes inside the cluster, never the clusters; nested as `random_classes`.

  Raises:
    InputError: no such cluster, or it holds fewer than `keep` classes (the sizes of all are told).
  """
  labels = class_clusters(embeddings, num_clusters)
  sizes = np.bincount(labels, minlength=num_clusters)
  told = ", ".join(f"cluster {number}: {size}" for number, size in enumerate(sizes))
  if not 0 <= cluster < num_clusters:
    raise InputError(
      f"cluster {cluster} of {num_clusters}: expected 0 to {num_clusters - 1} (classes: {told})"
    )
  if not 1 <= keep <= sizes[cluster]:
    raise InputError(
      f"{keep} classes of cluster {cluster}, which holds {sizes[cluster]}: expected 1 to {sizes[cluster]} to keep; "
      f"take another cluster or fewer of them (classes: {told})"
    )
  members = np.flatnonzero(labels == cluster)
  return members[random_classes(len(members), keep, seed)]


def class_clusters(embeddings: Float[np.ndarray, "K D"], num_clusters: int) -> Int64[np.ndarray, " K"]:
  """The cluster of every class, by k-means over unit rows in word space; none is empty.

  Always the same for the same embeddings. Clusters are numbered in the order of their first classes, so that
  class 0 is in cluster 0.

  Raises:
    InputError: fewer distinct classes than clusters, or rows that are zero or not finite.
  """
  from scipy.cluster.vq import ClusterError, kmeans2

  rows = np.asarray(embeddings, np.float64)
  norms = np.linalg.norm(rows, axis=1, keepdims=True)
  if not (np.isfinite(norms).all() and (norms > 0).all()):
    raise InputError("classes without a semantic embedding cannot be clustered: leave them out")
  rows = rows / norms
  distinct = len(np.unique(rows, axis=0))
  if not 1 <= num_clusters <= distinct:
    raise InputError(f"{num_clusters} clusters of {distinct} distinct classes: expected 1 to {distinct}")
  for attempt in range(_ATTEMPTS):
    try:
      _, labels = kmeans2(rows, num_clusters, _ITERATIONS, minit="++", missing="raise", rng=attempt)
    except ClusterError:
      continue  # a cluster lost all its classes
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    if len(first) == num_clusters:
      return np.argsort(np.argsort(first))[number]
  raise InputError(f"{num_clusters} clusters: one stays empty however k-means begins: ask for fewer")
