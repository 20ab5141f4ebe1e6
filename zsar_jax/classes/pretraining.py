"""The leak audit of borrowed weights: classes they were trained on that mean the same as a test class (E2E section 3.3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from zsar_jax.classes.embeddings import embed, load_word_vectors
from zsar_jax.classes.overlap import find_overlap
from zsar_jax.classes.words import E2E_SOURCES, label_words
from zsar_jax.types import ClassSet

RULES = (*E2E_SOURCES, "folder")


class PretrainingAudit(NamedTuple):
  """What weights that were trained elsewhere may already know."""

  leaks: tuple[tuple[str, str, float], ...]  # (their class, unseen class it collides with, cosine distance)
  without_vectors: tuple[str, ...]  # classes with a word that has no vector: compared word by word alone


def audit_pretraining(
  names: Sequence[str], unseen: ClassSet, spec: str, threshold: float
) -> PretrainingAudit:
  """Classes among `names` within `threshold` (cosine distance) of an unseen class, or made of the same words in any order.

  Which data set the names come from is unknown, so every set's word rules are tried, and the nearest reading counts. `spec` as in
  `embeddings.load_word_vectors`. Unlike the seen classes of a run these cannot be taken out again: the weights have seen them.
  """
  readings = [{name: label_words(name, rules) for name in names} for rules in RULES]
  found = load_word_vectors(spec, {word for reading in readings for own in reading.values() for word in own})
  leaks: dict[str, tuple[str, str, float]] = {}
  known: set[str] = set()
  for reading in readings:
    readable = {name: own for name, own in reading.items() if own and all(word in found for word in own)}
    known |= readable.keys()
    for leak in [*_same_words(reading, unseen), *_near(readable, unseen, found, threshold)]:
      if leak[0] not in leaks or leak[2] < leaks[leak[0]][2]:
        leaks[leak[0]] = leak
  ordered = dict.fromkeys(names)
  return PretrainingAudit(
    tuple(leaks[name] for name in ordered if name in leaks),
    tuple(name for name in ordered if name not in known),
  )


def _same_words(reading: Mapping[str, tuple[str, ...]], unseen: ClassSet) -> Iterator[tuple[str, str, float]]:
  others = [(other, sorted(words)) for other, words in zip(unseen.names, unseen.words, strict=True)]
  for name, own in reading.items():
    in_order = sorted(own)
    for other, words in others:
      if other == name or (own and words == in_order):
        yield name, other, 0.0


def _near(
  readable: Mapping[str, tuple[str, ...]], unseen: ClassSet, found: Mapping[str, Any], threshold: float
) -> tuple[tuple[str, str, float], ...]:
  if not readable:
    return ()
  words = tuple(readable.values())
  return find_overlap(ClassSet(tuple(readable), words, embed(words, found)), unseen, threshold).removed
