"""Fewer classes or fewer videos to train on (E2E section 5.2, Fig. 4 and 5): rows of the index, nothing is read."""

import hashlib

import numpy as np
from jaxtyping import Float, Int, Int64

from zsar_jax.classes.subsets import class_clusters, clustered_classes, random_classes
from zsar_jax.config import DataConfig
from zsar_jax.data.index import VideoIndex
from zsar_jax.errors import InputError


def keep_classes(embeddings: Float[np.ndarray, "K D"], data: DataConfig) -> Int64[np.ndarray, " k"]:
  """The seen classes that the config trains on, ascending: `max_classes` random ones, of one cluster where it says so.

  Of one `subset_seed`, fewer classes are among the more.

  Raises:
    InputError: no such cluster, or it has fewer than `max_classes` classes, or than two.
  """
  everything = np.arange(len(embeddings))
  if data.num_clusters:
    if not data.max_classes:
      return _whole_cluster(embeddings, data)
    return clustered_classes(embeddings, data.num_clusters, data.cluster, data.max_classes, data.subset_seed)
  if not data.max_classes or data.max_classes >= len(everything):
    return everything
  return random_classes(len(everything), data.max_classes, data.subset_seed)


def _whole_cluster(embeddings: Float[np.ndarray, "K D"], data: DataConfig) -> Int64[np.ndarray, " k"]:
  clusters = class_clusters(embeddings, data.num_clusters)
  kept = np.flatnonzero(clusters == data.cluster)
  if len(kept) < 2:
    sizes = ", ".join(map(str, np.bincount(clusters, minlength=data.num_clusters)))
    raise InputError(
      f"'data.cluster' {data.cluster} holds {len(kept)} of the seen classes, expected at least 2; the clusters hold {sizes}: "
      "take another, or fewer of them with 'data.num_clusters'"
    )
  return kept


def keep_videos(
  index: VideoIndex, rows: Int[np.ndarray, " V"], labels: Int[np.ndarray, " V"], data: DataConfig
) -> Int64[np.ndarray, " M"]:
  """Positions of the videos that the config trains on, ascending.

  First at most `max_videos_per_class` of each class, then `max_videos` of what is left: uniformly at random, but one of
  every class (Fig. 4 keeps all classes). Chosen by a hash of `subset_seed` and the video's id: fewer videos are
  among the more, whatever else the data set holds.

  Raises:
    InputError: `max_videos` is less than there are classes.
  """
  kept = np.arange(len(rows))
  if not data.max_videos and not data.max_videos_per_class:
    return kept
  labels = np.asarray(labels)
  keys = _keys(index.video_ids(np.asarray(rows)), data.subset_seed)
  place = _places_in_class(keys, labels)
  if data.max_videos_per_class:
    kept = kept[place < data.max_videos_per_class]
  num_classes = len(np.unique(labels))
  if 0 < data.max_videos < num_classes:
    raise InputError(
      f"'data.max_videos' is {data.max_videos}, expected at least one for each of the {num_classes} classes; "
      "for fewer classes set 'data.max_classes'"
    )
  if data.max_videos:
    # The first of every class before all others.
    order = np.lexsort((keys[kept], place[kept] > 0))
    kept = np.sort(kept[order[: data.max_videos]])
  return kept


def _keys(names: list[str], seed: int) -> np.ndarray:
  digests = b"".join(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8] for name in names)
  return np.frombuffer(digests, ">u8").astype(np.uint64)


def _places_in_class(keys: np.ndarray, labels: np.ndarray) -> Int64[np.ndarray, " V"]:
  """The place of every video among those of its class, by key."""
  order = np.lexsort((keys, labels))
  _, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
  places = np.empty(len(keys), np.int64)
  places[order] = np.arange(len(keys)) - np.repeat(first, sizes)
  return places
