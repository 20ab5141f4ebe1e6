"""The spaces where unseen videos are named, with the prototypes of each (ResT Tables 3 and 5).

`visual`: ResT's embeddings against composed prototypes. `semantic`: E2E's regressed vectors against the names' word vectors; for ResT, no
transfer: the name of the visually nearest seen class stands in for the video. `words`: ResT's word head speaks, the mean word vector
under its distribution against the names'.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from zsar_jax.embedding import SetEmbeddings
from zsar_jax.methods.meaning import nearest_meaning
from zsar_jax.session import Session
from zsar_jax.types import ClassSet, Prototypes, VideoEmbeddings
from zsar_jax.zeroshot.protocols import PrototypesFor

Vectors = Float[np.ndarray, "V D"]


class Space(NamedTuple):
  """Where the videos of one unseen data set are compared, and with what."""

  name: str
  unseen: Prototypes
  halves: Prototypes | PrototypesFor  # of half the unseen classes
  seen: Prototypes
  kept: Callable[[SetEmbeddings], VideoEmbeddings]  # which of a video's embeddings
  place: Callable[[Vectors], Vectors]  # and how they come into this space


def primary_space(session: Session) -> str:
  """Where the rows of a report that count are scored: the method's own, or what `transfer.space` says of a visual one."""
  return session.config.transfer.space if session.method.space == "visual" else session.method.space


def make_space(
  session: Session, name: str, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"] | None
) -> Space:
  """The space `name`, one of `session.method.spaces`. `seen_visual` are the seen classes' visual prototypes."""
  if name == "visual":
    assert seen_visual is not None, "visual prototypes need the seen classes' mean embeddings"
    return _visual(session, unseen, seen_visual)
  seen = session.corpus.seen
  names = Prototypes(unseen.names, unseen.semantic_embeddings, name)
  of_seen = Prototypes(seen.names, seen.semantic_embeddings, name)
  if name == "words":
    return Space(name, names, names, of_seen, _said, _as_they_are)
  if seen_visual is None:
    return Space(name, names, names, of_seen, _own, _as_they_are)

  def nearest_name(vectors: Vectors) -> Vectors:
    return nearest_meaning(vectors, seen_visual, seen.semantic_embeddings)

  return Space(name, names, names, of_seen, _own, nearest_name)


def seen_prototypes(session: Session, seen_visual: Float32[np.ndarray, "S D"] | None) -> Prototypes:
  """Of the seen classes, in the method's own space."""
  classes = session.corpus.seen
  if seen_visual is None:
    return Prototypes(classes.names, classes.semantic_embeddings, "semantic")
  return Prototypes(classes.names, seen_visual, "visual")


def _visual(session: Session, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"]) -> Space:
  # The composition of a prototype depends on which other unseen classes are there (ResT Eq. 5).
  @functools.cache
  def composed(classes: tuple[int, ...]) -> Prototypes:
    return session.method.prototypes(unseen.subset(classes), seen_visual)

  def halves(classes: np.ndarray) -> Prototypes:
    return composed(tuple(map(int, classes)))

  made = session.method.prototypes(unseen, seen_visual)
  return Space("visual", made, halves, seen_prototypes(session, seen_visual), _own, _as_they_are)


def _own(embedded: SetEmbeddings) -> VideoEmbeddings:
  return embedded.own


def _said(embedded: SetEmbeddings) -> VideoEmbeddings:
  assert embedded.words is not None, "the word head is asked where its space is"
  return embedded.words


def _as_they_are(vectors: Vectors) -> Vectors:
  return vectors
