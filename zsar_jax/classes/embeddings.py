"""Classes -> one unit semantic embedding each: the mean of their words' vectors (E2E, ResT section 3.3), or a sentence encoder's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from zsar_jax.classes import sentence, vectors, words
from zsar_jax.classes.class_lists import find_empty, find_repeats, find_unwritable
from zsar_jax.classes.suggestions import Suggestions
from zsar_jax.errors import InputError, raise_all
from zsar_jax.types import ClassSet


class Reading(NamedTuple):
  """What a source of vectors knows of some data sets' classes."""

  sets: dict[str, ClassSet]  # rows of `semantic_embeddings` are zero where a class has none
  unknown: dict[str, list[tuple[str, ...]]]  # of every class, its distinct words without a vector
  vectors: vectors.WordVectors  # of the words; without any for a sentence encoder

  def problems(self) -> list[str]:
    """A line for every class that holds a word without a vector, with the nearest spellings that have one."""
    near = Suggestions(self.vectors.known)
    return [
      f"{data_set}: class {name!r}: {', '.join(f'{word!r}{near.hint(word)}' for word in missing)}"
      for data_set, given in self.sets.items()
      for name, missing in zip(given.names, self.unknown[data_set], strict=True)
      if missing
    ]


def load_word_vectors(spec: str, wanted: Iterable[str]) -> dict[str, Float32[np.ndarray, " D"]]:
  """Unit float32 vectors of those `wanted` words that `spec` holds (words it lacks are simply absent).

  `spec` is "hash:D" (a fixed vector a word made from the word itself: a stand-in without meaning), a `.npz`
  with arrays `words` [n] and `vectors` [n, D], or a word2vec `.bin` or a word2vec, GloVe or fastText `.txt`
  or `.vec` file, of which only the wanted words are kept in memory. A word is looked up as it is, then in lower
  case; never Capitalised, for Polish is not polish. Raises InputError for a missing, misshapen or broken file
  and for vectors that are not finite or are zero.
  """
  return vectors.read(spec, wanted).found


def class_set(names: Sequence[str], source: str, spec: str) -> ClassSet:
  """One data set's classes with their embeddings; see `class_sets`."""
  return class_sets({source: names}, spec)[source]


def class_sets(
  names: Mapping[str, Sequence[str]], spec: str, sources: Mapping[str, str] | None = None
) -> dict[str, ClassSet]:
  """Class sets {data set: ClassSet} in the order of the given names, from one reading of the word vectors.

  `names` maps a data set to its class names. `sources` says whose word rules a data set follows (see
  `words.label_words`); without an entry they are those of the data set's own name. Embeddings are float32
  [K, D]: unit word vectors, averaged, made unit again; the order of words in a name does not matter, to the
  last bit. With `sentence:DIR` (see `sentence.encode`) they are those of the whole readable names. A word of a
  user's own name keeps the form it was written in where only that has a vector.
  Raises one InputError that lists all empty and repeated names, or all classes that hold a word without a
  vector.
  """
  return read_whole_classes(names, spec, sources).sets


def read_whole_classes(
  names: Mapping[str, Sequence[str]], spec: str, sources: Mapping[str, str] | None = None
) -> Reading:
  """The same with the vectors of the words; raises as `class_sets`."""
  raise_all([problem for data_set, given in names.items() for problem in name_problems(data_set, given)])
  raise_all(
    [
      f"{data_set}: class {name!r} holds no word: rename it"
      for data_set, given in names.items()
      for name in given
      if not words.label_words(name, (sources or {}).get(data_set, data_set))
    ]
  )
  reading = read_classes(names, spec, sources)
  raise_all(
    reading.problems(),
    f"{spec} has no vector for a word of these classes: rename or leave out the classes, "
    "or give other word vectors",
  )
  return reading


def read_classes(
  names: Mapping[str, Sequence[str]], spec: vectors.Source, sources: Mapping[str, str] | None = None
) -> Reading:
  """As `class_sets`, but a class with a word that has no vector, or with no word at all, is left without embedding.

  `spec` may also be unit vectors that were read before, by their words.
  """
  source = {data_set: (sources or {}).get(data_set, data_set) for data_set in names}
  lemmas = {own: [words.label_words(name, source[own]) for name in given] for own, given in names.items()}
  if isinstance(spec, str) and sentence.is_sentence(spec):
    return _encoded(names, spec, source, lemmas)
  written = {own: _as_written(given, lemmas[own], source[own]) for own, given in names.items()}
  read = vectors.read(spec, {word for each in (lemmas, written) for word in _flat(each)})
  tokens = {own: _known_forms(lemmas[own], written[own], read.found) for own in names}
  unknown = {
    own: [tuple(word for word in dict.fromkeys(each) if word not in read.found) for each in tokens[own]]
    for own in names
  }
  sets = {
    own: ClassSet(tuple(given), tuple(tokens[own]), _partial(tokens[own], read.found))
    for own, given in names.items()
  }
  return Reading(sets, unknown, read)


def _encoded(
  names: Mapping[str, Sequence[str]],
  spec: str,
  source: Mapping[str, str],
  tokens: Mapping[str, list[tuple[str, ...]]],
) -> Reading:
  held = [(own, row) for own in names for row, each in enumerate(tokens[own]) if each]
  encoded = sentence.encode(spec, [_read_aloud(names[own][row], source[own]) for own, row in held])
  rows = {own: np.zeros((len(given), encoded.shape[1]), np.float32) for own, given in names.items()}
  for (own, row), vector in zip(held, encoded, strict=True):
    rows[own][row] = vector
  sets = {own: ClassSet(tuple(given), tuple(tokens[own]), rows[own]) for own, given in names.items()}
  unknown: dict[str, list[tuple[str, ...]]] = {own: [()] * len(given) for own, given in names.items()}
  return Reading(sets, unknown, vectors.WordVectors({}, ()))


def _read_aloud(name: str, source: str) -> str:
  # Rules differ about paths alone: a name that several of them read is one text, which is encoded once.
  return words.readable_name(name, source if "/" in name else "folder")


def _flat(tokens: Mapping[str, Sequence[Sequence[str]]]) -> Iterable[str]:
  return (word for lists in tokens.values() for own in lists for word in own)


def _as_written(
  names: Sequence[str], tokens: Sequence[tuple[str, ...]], source: str
) -> list[tuple[str, ...]]:
  """Words before lemmas, one for one, of a user's own names; sets with frozen rules have their words only."""
  if source in words.SOURCES:
    return list(tokens)
  return [words.folder_tokens(name) for name in names]


def _known_forms(
  tokens: Sequence[tuple[str, ...]], written: Sequence[tuple[str, ...]], found: Mapping[str, np.ndarray]
) -> list[tuple[str, ...]]:
  """Each word's lemma, or the form that the user wrote where only that has a vector."""
  return [
    tuple(
      form if lemma not in found and form in found else lemma for lemma, form in zip(own, forms, strict=True)
    )
    for own, forms in zip(tokens, written, strict=True)
  ]


def _partial(
  tokens: Sequence[tuple[str, ...]], found: Mapping[str, Float32[np.ndarray, " D"]]
) -> Float32[np.ndarray, "K D"]:
  """`embed` where every word is known, zeros elsewhere."""
  width = len(next(iter(found.values()))) if found else 0
  rows = np.zeros((len(tokens), width), np.float32)
  known = [row for row, own in enumerate(tokens) if own and all(word in found for word in own)]
  if known:
    rows[known] = embed([tokens[row] for row in known], found)
  return rows


def embed(
  tokens: Sequence[Sequence[str]], found: Mapping[str, Float32[np.ndarray, " D"]]
) -> Float32[np.ndarray, "K D"]:
  """The unit mean of each class's unit word vectors; every word must be in `found`."""
  rows = []
  for own in tokens:
    # Sorted, in double: the same words in another order give the same bits.
    mean = np.mean([found[word].astype(np.float64) for word in sorted(own)], axis=0)
    norm = np.linalg.norm(mean)
    if norm < 1e-9:
      raise InputError(f"the vectors of {' '.join(own)!r} cancel out: give other vectors or rename the class")
    rows.append((mean / norm).astype(np.float32))
  return np.stack(rows)


def has_embedding(classes: ClassSet) -> Bool[np.ndarray, " K"]:
  """False for the classes of a `Reading` that have none."""
  return np.asarray(classes.semantic_embeddings.any(axis=1))


def join_class_sets(sets: Sequence[ClassSet]) -> ClassSet:
  """The classes of several sets one after another, such as all test sets for the leak audit."""
  return ClassSet(
    tuple(name for one in sets for name in one.names),
    tuple(own for one in sets for own in one.words),
    np.concatenate([one.semantic_embeddings for one in sets]),
  )


def name_problems(data_set: str, names: Sequence[str]) -> list[str]:
  """What is wrong with a list of class names: none at all, empty ones, repeated ones."""
  if not names:
    return [f"{data_set}: no classes: expected at least one class name"]
  empty = [
    f"{data_set}: class {row + 1} has an empty name: give every class a name" for row in find_empty(names)
  ]
  repeats = [
    f"{data_set}: class name {names[row]!r} is repeated (classes {first + 1} and {row + 1}): keep one"
    for first, row in find_repeats(names)
  ]
  unwritable = [
    f"{data_set}: class {row + 1}: name {told}: write it anew" for row, told in find_unwritable(names)
  ]
  return empty + unwritable + repeats
