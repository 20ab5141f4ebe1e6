"""The leak audit: seen classes that mean the same as a test class (E2E section 3.3, Eq. 3-4)."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from zsar_jax.classes.embeddings import has_embedding
from zsar_jax.classes.words import readable_name
from zsar_jax.errors import InputError
from zsar_jax.types import ClassSet

# Rounding of float32 unit vectors; identical names must collide at a threshold of 0 too.
_ROUNDING = 1e-6
# How far above the threshold a kept class counts as borderline.
BORDER = 0.05

Pair = tuple[str, str, float]  # (seen name, unseen name nearest to it, cosine distance)


class Overlap(NamedTuple):
  """Which seen classes may be trained on."""

  kept: Int64[np.ndarray, " kept"]  # rows of the seen set, ascending
  removed: tuple[Pair, ...]  # in the order of the seen set
  borderline: tuple[Pair, ...] = ()  # kept, but within `BORDER` above the threshold; nearest first
  without_vectors: tuple[str, ...] = ()  # seen classes without embedding: compared by words alone

  def as_dicts(self) -> list[dict[str, Any]]:
    """The removed classes as `report.json` lists them."""
    return as_dicts(self.removed)


def as_dicts(pairs: Iterable[Pair]) -> list[dict[str, Any]]:
  """Pairs as reports write them."""
  return [{"class": name, "collides_with": other, "distance": far} for name, other, far in pairs]


def cosine_distances(
  seen: ClassSet, unseen: ClassSet, *, any_spelling: bool = False
) -> Float64[np.ndarray, "S U"]:
  """1 - cosine of every seen and every unseen class's embedding; infinite where one of them has none.

  The same name (`_` is a space) or the same words in any order are at distance 0, with or without embeddings.
  `any_spelling`: names are the same whatever their capitals too, and with their words put apart by CamelCase.
  InputError if the widths differ.
  """
  distances = np.full((len(seen.names), len(unseen.names)), np.inf)
  known = has_embedding(seen), has_embedding(unseen)
  if known[0].any() and known[1].any():
    distances[np.ix_(*known)] = _between(
      *(s.semantic_embeddings[k] for s, k in zip((seen, unseen), known, strict=True))
    )
  # Word rules differ between data sets: the same name must collide whatever its words became.
  for keys in (_read_aloud if any_spelling else _spelt, _sorted_words):
    columns: dict[Any, list[int]] = {}
    for column, key in enumerate(keys(unseen)):
      columns.setdefault(key, []).append(column)
    for row, key in enumerate(keys(seen)):
      if key:
        distances[row, columns.get(key, [])] = 0.0
  return distances


def _between(left: np.ndarray, right: np.ndarray) -> Float64[np.ndarray, "S U"]:
  if left.shape[1] != right.shape[1]:
    raise InputError(
      f"semantic embeddings of seen classes are {left.shape[1]} wide, of unseen ones {right.shape[1]}: "
      "use the same word vectors for both"
    )
  left, right = (
    each / np.linalg.norm(each, axis=1, keepdims=True)
    for each in (left.astype(np.float64), right.astype(np.float64))
  )
  distances = 1.0 - left @ right.T
  return np.where(distances < _ROUNDING, 0.0, distances)


def _spelt(classes: ClassSet) -> list[str]:
  return [name.replace("_", " ") for name in classes.names]


def _read_aloud(classes: ClassSet) -> list[str]:
  return [readable_name(name).lower() for name in classes.names]


def _sorted_words(classes: ClassSet) -> list[tuple[str, ...]]:
  return [tuple(sorted(own)) for own in classes.words]


def find_overlap(seen: ClassSet, unseen: ClassSet, threshold: float = 0.05) -> Overlap:
  """Keeps a seen class only if its distance to every unseen class exceeds `threshold` (E2E's tau, Eq. 3-4).

  Distances are those of `cosine_distances`. A removed class is told with its nearest unseen class (the first of
  equals). Several test sets: join them first with `embeddings.join_class_sets`.
  """
  if not 0 <= threshold <= 2:
    raise InputError(f"overlap_threshold is {threshold}: expected a cosine distance from 0 to 2")
  nearest, shortest = nearest_unseen(seen, unseen)

  def pairs(rows: Sequence[int] | np.ndarray) -> tuple[Pair, ...]:
    return tuple((seen.names[row], unseen.names[nearest[row]], float(shortest[row])) for row in rows)

  border = np.flatnonzero((shortest > threshold) & (shortest <= threshold + BORDER))
  return Overlap(
    kept=np.flatnonzero(shortest > threshold),
    removed=pairs(np.flatnonzero(shortest <= threshold)),
    borderline=pairs(border[np.argsort(shortest[border], kind="stable")]),
    without_vectors=tuple(seen.names[row] for row in np.flatnonzero(~has_embedding(seen))),
  )


def nearest_unseen(
  seen: ClassSet, unseen: ClassSet
) -> tuple[Int64[np.ndarray, " S"], Float64[np.ndarray, " S"]]:
  """The nearest unseen class of every seen one (the first of equals), and the cosine distance to it."""
  distances = cosine_distances(seen, unseen)
  nearest = distances.argmin(axis=1)
  return nearest, distances[np.arange(len(distances)), nearest]
