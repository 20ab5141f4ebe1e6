"""`classes.npz` and `words.npz` of a bundle: classes and word vectors as plain arrays."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from zsar_jax.types import ClassSet

SEEN, KNOWN, SEEN_VISUAL = "seen", "known", "seen_visual"
_PARTS = ("names", "words", "num_words", "embeddings")


def class_arrays(classes: ClassSet, prefix: str) -> dict[str, np.ndarray]:
  """`PREFIX_names` [K], `PREFIX_embeddings` [K, E], and all words one after another with how many each class has."""
  return {
    f"{prefix}_names": np.array(classes.names, np.str_),
    f"{prefix}_words": np.array([word for own in classes.words for word in own], np.str_),
    f"{prefix}_num_words": np.array([len(own) for own in classes.words], np.int32),
    f"{prefix}_embeddings": np.asarray(classes.semantic_embeddings, np.float32),
  }


def read_classes(arrays: Mapping[str, np.ndarray], prefix: str) -> ClassSet:
  """What `class_arrays` made. Raises ValueError and KeyError where it is something else."""
  names, words, counts, embeddings = (arrays[f"{prefix}_{part}"] for part in _PARTS)
  if names.dtype.kind != "U" or words.dtype.kind != "U" or names.ndim != 1 or words.ndim != 1:
    raise ValueError(f"{prefix}: names and words are no text")
  if (
    counts.dtype != np.int32
    or counts.shape != names.shape
    or (counts < 0).any()
    or counts.sum() != len(words)
  ):
    raise ValueError(f"{prefix}: {len(words)} words do not divide over {len(names)} classes")
  check_matrix(embeddings, len(names), f"{prefix}_embeddings")
  cuts = np.cumsum(counts)[:-1]
  tokens = tuple(tuple(part.tolist()) for part in np.split(words, cuts)) if len(names) else ()
  return ClassSet(tuple(names.tolist()), tokens, embeddings)


def check_names(arrays: Mapping[str, np.ndarray]) -> None:
  """Raises ValueError unless these are the arrays of `classes.npz`; `seen_visual` may be missing."""
  expected = {f"{prefix}_{part}" for prefix in (SEEN, KNOWN) for part in _PARTS}
  if set(arrays) - {SEEN_VISUAL} != expected:
    raise ValueError(f"its arrays are {', '.join(sorted(arrays))!a:.200}")


def check_matrix(array: np.ndarray, rows: int, name: str) -> None:
  """Raises ValueError unless it is finite float32 [rows, D]."""
  if array.dtype != np.float32 or array.ndim != 2 or len(array) != rows or not np.isfinite(array).all():
    raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, expected finite float32 [{rows}, D]")


def word_arrays(vectors: Mapping[str, Float32[np.ndarray, " E"]]) -> dict[str, np.ndarray]:
  """`words` and `vectors`, as `classes.vectors` reads them."""
  return {
    "words": np.array(list(vectors), np.str_),
    "vectors": np.stack(list(vectors.values())).astype(np.float32),
  }


def read_word_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, Float32[np.ndarray, " E"]]:
  """What `word_arrays` made. Raises ValueError where it is something else."""
  if set(arrays) != {"words", "vectors"}:
    raise ValueError(f"its arrays are {', '.join(sorted(arrays))!a:.200}")
  words, vectors = arrays["words"], arrays["vectors"]
  if words.dtype.kind != "U" or words.ndim != 1:
    raise ValueError("words is no text")
  check_matrix(vectors, len(words), "vectors")
  return dict(zip(words.tolist(), vectors, strict=True))
