"""What the names mean that a user gives: their embeddings, and their prototypes among what the model knows."""

import threading
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zsar_jax.bundle.contents import Bundle
from zsar_jax.classes.class_lists import find_unwritable
from zsar_jax.classes.embeddings import (
  Reading,
  has_embedding,
  join_class_sets,
  name_problems,
  read_classes,
)
from zsar_jax.classes.overlap import cosine_distances
from zsar_jax.classes.sentence import is_sentence
from zsar_jax.classes.suggestions import Suggestions
from zsar_jax.classes.vectors import Source
from zsar_jax.classes.words import SOURCES, label_words
from zsar_jax.data.references import parse_reference
from zsar_jax.errors import InputError, raise_all
from zsar_jax.methods import make_method
from zsar_jax.recognition.candidates import Candidates, Leak
from zsar_jax.types import ClassSet, Prototypes

# Of the same class by two sources of vectors: a copy that was rounded is nearer than this, another source is not.
SAME_SPACE = 0.99  # cosine
_GIVEN, _SEEN = "classes", "seen"
_WARNINGS = threading.Lock()  # who catches warnings does it for the whole process


class Meanings(NamedTuple):
  """Classes embedded by one source of vectors."""

  classes: ClassSet  # as given
  seen: ClassSet
  known: ClassSet  # all that the weights saw; a name may come several times, read by several word rules


def make_candidates(bundle: Bundle, names: Sequence[str], vectors: str | None, rules: str) -> Candidates:
  """See `Recognizer.candidates`."""
  meanings = (
    _own_meanings(bundle, names, rules) if vectors is None else _other_meanings(bundle, names, vectors, rules)
  )
  threshold = bundle.config.data.overlap_threshold
  leaks = tuple(leak for leak in _nearest_known(meanings) if leak.distance <= threshold)
  prototypes, notes = _noted_prototypes(bundle, meanings)
  seen = meanings.seen
  return Candidates(
    meanings.classes, prototypes, seen.names, leaks, seen.semantic_embeddings, bundle.facts.checkpoint, notes
  )


def _noted_prototypes(bundle: Bundle, meanings: Meanings) -> tuple[Prototypes, tuple[str, ...]]:
  """The prototypes, and what composing them warned of."""
  with _WARNINGS, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always", UserWarning)
    prototypes = _prototypes(bundle, meanings)
  return prototypes, tuple(str(one.message) for one in told if issubclass(one.category, UserWarning))


def _prototypes(bundle: Bundle, meanings: Meanings) -> Prototypes:
  classes = meanings.classes
  if bundle.facts.space == "semantic":
    return Prototypes(classes.names, classes.semantic_embeddings, "semantic")
  return make_method(bundle.config, meanings.seen).prototypes(classes, bundle.seen_visual)


def _nearest_known(meanings: Meanings) -> tuple[Leak, ...]:
  """Of every class the nearest that the model was trained on, leak or not."""
  distances = cosine_distances(meanings.known, meanings.classes, any_spelling=True)
  rows = distances.argmin(axis=0)
  return tuple(
    Leak(name, meanings.known.names[row], float(distances[row, column]))
    for column, (name, row) in enumerate(zip(meanings.classes.names, rows, strict=True))
  )


def _own_meanings(bundle: Bundle, names: Sequence[str], rules: str) -> Meanings:
  """By the vectors that came with the model."""
  trained = bundle.facts.vectors
  if is_sentence(trained):
    raise InputError(
      f"this model reads class names with a sentence encoder ({trained}), which did not come with it: give its folder, "
      "--vectors sentence:DIR"
    )
  source: Source = trained
  told = trained
  if not trained.startswith("hash:"):
    source = bundle.word_vectors
    told = f"the words that came with the model, of {trained}; --vectors FILE reads others of that file"
  reading = _read(names, source, told, rules, {}, {})
  return Meanings(reading.sets[_GIVEN], bundle.seen, bundle.known)


def _other_meanings(bundle: Bundle, names: Sequence[str], spec: str, rules: str) -> Meanings:
  """By other vectors: the seen classes must be read with the same ones."""
  known = {f"known by {one}": bundle.known.names for one in (*SOURCES, "folder")}
  sources = {name: name.removeprefix("known by ") for name in known}
  sources[_SEEN] = parse_reference(bundle.config.data.seen).name
  reading = _read(names, spec, spec, rules, {_SEEN: bundle.seen.names, **known}, sources)
  seen = reading.sets[_SEEN]
  if bundle.seen_visual is None:
    _check_space(bundle, seen, spec)
  else:
    _check_seen(reading, spec)
  return Meanings(
    reading.sets[_GIVEN], seen, join_class_sets([seen, *(reading.sets[name] for name in known)])
  )


def _read(
  names: Sequence[str],
  vectors: Source,
  told: str,
  rules: str,
  more: dict[str, tuple[str, ...]],
  sources: dict[str, str],
) -> Reading:
  """The given names and more sets, by one reading; every name that cannot be used is told at once."""
  problems = name_problems(_GIVEN, names)
  if len(names) == 1:
    problems.append(f"{_GIVEN}: only {names[0]!r}: expected at least two names to choose between")
  unwritable = {row for row, _ in find_unwritable(names)}
  usable = [name for row, name in enumerate(names) if name.strip() and row not in unwritable]
  reading = read_classes({_GIVEN: list(dict.fromkeys(usable)), **more}, vectors, {**sources, _GIVEN: rules})
  near = Suggestions(reading.vectors.known)
  for name, missing in zip(reading.sets[_GIVEN].names, reading.unknown[_GIVEN], strict=True):
    if not label_words(name, rules):
      problems.append(f"class {name!r} holds no word: rename it")
    elif missing:
      problems.append(
        f"class {name!r}: no vector for {', '.join(f'{word!r}{near.hint(word)}' for word in missing)}"
      )
  raise_all(problems, f"these class names cannot be used (word vectors: {told}):")
  return reading


def _check_seen(reading: Reading, spec: str) -> None:
  missing = sorted({word for own in reading.unknown[_SEEN] for word in own})
  if missing:
    raise InputError(
      f"{spec} has no vector for {len(missing)} words of the classes that the model was trained on: {', '.join(missing[:20])}"
      f"{', …' if len(missing) > 20 else ''}; prototypes are made of these classes: give vectors that hold them all, or none"
    )


def _check_space(bundle: Bundle, seen: ClassSet, spec: str) -> None:
  """A model that was taught word vectors understands no others."""
  stored, other = bundle.seen.semantic_embeddings, seen.semantic_embeddings
  advice = f"this model was taught the vectors of {bundle.facts.vectors}: give those, or none"
  both = has_embedding(bundle.seen) & has_embedding(seen)
  if not both.any():
    raise InputError(
      f"{spec} holds none of the classes that the model was trained on, so nothing tells whether it fits; {advice}"
    )
  if stored.shape[1] != other.shape[1]:
    raise InputError(f"{spec} has vectors {other.shape[1]} wide, expected {stored.shape[1]}; {advice}")
  cosines = (stored[both] * other[both]).sum(1)
  if cosines.min() < SAME_SPACE:
    row = int(np.flatnonzero(both)[cosines.argmin()])
    raise InputError(
      f"{spec} means something else by the classes that the model was trained on ({bundle.seen.names[row]!r}: cosine "
      f"{cosines.min():.3f}, expected at least {SAME_SPACE}); {advice}"
    )
