"""The leak audit: seen classes that mean the same as a test class (E2E section 3.3, Eq. 3-4)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from zsar_jax.errors import InputError
from zsar_jax.types import ClassSet

# Rounding of float32 unit vectors; identical names must collide at a threshold of 0 too.
_ROUNDING = 1e-6


class Overlap(NamedTuple):
  """Which seen classes may be trained on."""

  kept: Int64[np.ndarray, " kept"]  # rows of the seen set, ascending
  removed: tuple[tuple[str, str, float], ...]  # (seen name, unseen name it collides with, cosine distance)

  def as_dicts(self) -> list[dict[str, Any]]:
    """The removed classes as `report.json` lists them."""
    return [{"class": name, "collides_with": other, "distance": far} for name, other, far in self.removed]


def cosine_distances(seen: ClassSet, unseen: ClassSet) -> Float64[np.ndarray, "S U"]:
  """1 - cosine between every seen and every unseen class's words; InputError if the widths differ."""
  left, right = (np.asarray(each.semantic_embeddings, np.float64) for each in (seen, unseen))
  if left.shape[1] != right.shape[1]:
    raise InputError(
      f"semantic embeddings of seen classes are {left.shape[1]} wide, of unseen ones {right.shape[1]}: "
      "use the same word vectors for both"
    )
  left /= np.linalg.norm(left, axis=1, keepdims=True)
  right /= np.linalg.norm(right, axis=1, keepdims=True)
  distances = 1.0 - left @ right.T
  return np.where(distances < _ROUNDING, 0.0, distances)


def _same_names(seen: Sequence[str], unseen: Sequence[str]) -> Bool[np.ndarray, "S U"]:
  """True where two names are spelt the same (`_` is a space)."""
  left, right = ([name.replace("_", " ") for name in names] for names in (seen, unseen))
  return np.array(left)[:, None] == np.array(right)[None, :]


def find_overlap(seen: ClassSet, unseen: ClassSet, threshold: float = 0.05) -> Overlap:
  """Keeps a seen class only if its distance to every unseen class exceeds `threshold` (E2E's tau, Eq. 3-4).

  A removed class is told with its nearest unseen class (the first of equals). Several test sets: join them
  first with `embeddings.join_class_sets`.
  """
  if not 0 <= threshold <= 2:
    raise InputError(f"overlap_threshold is {threshold}: expected a cosine distance from 0 to 2")
  distances = cosine_distances(seen, unseen)
  # Word rules differ between data sets: the same name must collide whatever its words became.
  distances[_same_names(seen.names, unseen.names)] = 0.0
  nearest = distances.argmin(axis=1)
  shortest = distances[np.arange(len(distances)), nearest]
  removed = tuple(
    (seen.names[row], unseen.names[nearest[row]], float(shortest[row]))
    for row in np.flatnonzero(shortest <= threshold)
  )
  return Overlap(np.flatnonzero(shortest > threshold), removed)
