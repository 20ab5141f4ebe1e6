"""The leak audit of borrowed weights: classes they were trained on that mean the same as a test class (E2E section 3.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from zsar_jax.classes.embeddings import has_embedding, read_classes
from zsar_jax.classes.overlap import Pair, cosine_distances, find_overlap
from zsar_jax.classes.words import SOURCES
from zsar_jax.types import ClassSet


class PretrainingAudit(NamedTuple):
  """What weights that were trained elsewhere may already know."""

  leaks: tuple[Pair, ...]  # (their class, unseen class it collides with, cosine distance)
  without_vectors: tuple[str, ...]  # classes with a word that has no vector: compared by words alone
  distances: Float64[np.ndarray, "S U"] = np.zeros(
    (0, 0)
  )  # cosine, to every unseen class; infinite where unknown


def audit_pretraining(
  names: Sequence[str], unseen: ClassSet, spec: str, threshold: float
) -> PretrainingAudit:
  """Classes among `names` within `threshold` (cosine distance) of an unseen class, or made of the same words in any order.

  Which data set the names come from is unknown, so every set's word rules are tried, and the nearest reading counts. `spec` as in
  `embeddings.class_sets`. Unlike the seen classes of a run these cannot be taken out again: the weights have seen them.
  """
  names = tuple(dict.fromkeys(names))
  readings = read_classes(dict.fromkeys((*SOURCES, "folder"), names), spec).sets.values()
  leaks: dict[str, Pair] = {}
  for reading in readings:
    for leak in find_overlap(reading, unseen, threshold).removed:
      if leak[0] not in leaks or leak[2] < leaks[leak[0]][2]:
        leaks[leak[0]] = leak
  known = np.any([has_embedding(reading) for reading in readings], axis=0)
  return PretrainingAudit(
    tuple(leaks[name] for name in names if name in leaks),
    tuple(name for name, one in zip(names, known, strict=True) if not one),
    np.min([cosine_distances(reading, unseen) for reading in readings], axis=0),
  )
