"""The classes that videos are to be named among: what their names mean, and what is known of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from zsar_jax.types import ClassSet, Prototypes


class Leak(NamedTuple):
  """A given class that the model was trained on, by its name or its meaning: naming it is no zero-shot answer."""

  name: str
  known_as: str  # class of the training
  distance: float  # cosine, between the names' embeddings


class Candidates(NamedTuple):
  """Made by `Recognizer.candidates`, for that model alone."""

  classes: ClassSet
  prototypes: Prototypes  # where videos are compared; `weights` over the seen classes where composed
  seen: tuple[str, ...]  # names of those seen classes
  leaks: tuple[Leak, ...]
  seen_semantic: Float32[np.ndarray, "S E"]  # of the seen classes, by the same word vectors
  checkpoint: str  # of the model that they were made by: `Facts.checkpoint`
  notes: tuple[str, ...] = ()  # what is odd about the prototypes, a sentence each

  def recipe(self, name: str, most: int = 5) -> list[tuple[str, float]]:
    """The seen classes that a prototype is made of and their shares, the largest first; empty where it is not composed.

    Raises:
      KeyError: `name` is none of the candidates.
    """
    row = self._row(name)
    if self.prototypes.weights is None:
      return []
    weights = self.prototypes.weights[row]
    order = (-weights).argsort(kind="stable")[:most]
    return [(self.seen[i], float(weights[i])) for i in order if weights[i] > 0]

  def nearest_seen(self, name: str, most: int = 5) -> list[tuple[str, float]]:
    """The seen classes whose names mean nearly the same, nearest first, with the cosine of the names' embeddings.

    Raises:
      KeyError: `name` is none of the candidates.
    """
    cosines = np.clip(self.seen_semantic @ self.classes.semantic_embeddings[self._row(name)], -1, 1)
    return [(self.seen[i], float(cosines[i])) for i in (-cosines).argsort(kind="stable")[:most]]

  def _row(self, name: str) -> int:
    if name not in self.classes.names:
      raise KeyError(name)
    return self.classes.names.index(name)
