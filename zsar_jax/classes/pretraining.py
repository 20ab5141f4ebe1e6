"""The leak audit of borrowed weights: classes they were trained on that mean the same as a test class (E2E section 3.3)."""

from collections.abc import Sequence
from typing import NamedTuple

from zsar_jax.classes.embeddings import embed, load_word_vectors
from zsar_jax.classes.overlap import find_overlap
from zsar_jax.classes.words import label_words
from zsar_jax.types import ClassSet


class PretrainingAudit(NamedTuple):
  """What weights that were trained elsewhere may already know."""

  leaks: tuple[tuple[str, str, float], ...]  # (their class, unseen class it collides with, cosine distance)
  without_vectors: tuple[str, ...]  # classes with a word that has no vector: compared word by word alone


def audit_pretraining(
  names: Sequence[str], unseen: ClassSet, spec: str, threshold: float
) -> PretrainingAudit:
  """Classes among `names` within `threshold` (cosine distance) of an unseen class, or made of the same words in any order.

  Names follow the rules of users' own names. `spec` as in `embeddings.load_word_vectors`. Unlike the seen classes of a run these
  cannot be taken out again: the weights have seen them.
  """
  tokens = {name: label_words(name, "folder") for name in names}
  found = load_word_vectors(spec, {word for own in tokens.values() for word in own})
  known = [name for name, own in tokens.items() if own and all(word in found for word in own)]
  leaks = {}
  if known:
    own_words = tuple(tokens[name] for name in known)
    classes = ClassSet(tuple(known), own_words, embed(own_words, found))
    leaks = {leak[0]: leak for leak in find_overlap(classes, unseen, threshold).removed}
  for name, own in tokens.items():
    same = [other for other, words in zip(unseen.names, unseen.words, strict=True)
            if other == name or (own and sorted(words) == sorted(own))]  # fmt: skip
    if same:
      leaks.setdefault(name, (name, same[0], 0.0))
  unknown = tuple(name for name in tokens if name not in known)
  return PretrainingAudit(tuple(leaks[name] for name in tokens if name in leaks), unknown)
