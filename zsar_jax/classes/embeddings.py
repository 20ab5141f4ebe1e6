"""Words -> one unit semantic embedding a class: the mean of the words' vectors (E2E, ResT section 3.3)."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from zsar_jax.classes import vectors, words
from zsar_jax.errors import InputError, nearest, raise_all
from zsar_jax.types import ClassSet


def load_word_vectors(spec: str, wanted: Iterable[str]) -> dict[str, Float32[np.ndarray, " D"]]:
  """Unit float32 vectors of those `wanted` words that `spec` holds (words it lacks are simply absent).

  `spec` is "hash:D" (a fixed vector a word made from the word itself: a stand-in without meaning), a `.npz`
  with arrays `words` [n] and `vectors` [n, D], or a word2vec/GloVe `.bin` or `.txt` file, of which only the
  wanted words are kept in memory. A word is looked up as it is, then in lower case; never Capitalised, for
  Polish is not polish. Raises InputError for a missing, misshapen or broken file and for vectors that are not
  finite or are zero.
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
  last bit. A word of a user's own name keeps the form it was written in where only that has a vector.
  Raises one InputError that lists all empty and repeated names, or all classes that hold a word without a
  vector.
  """
  source = {data_set: (sources or {}).get(data_set, data_set) for data_set in names}
  raise_all([problem for data_set, given in names.items() for problem in name_problems(data_set, given)])
  lemmas = {own: [words.label_words(name, source[own]) for name in given] for own, given in names.items()}
  _refuse_wordless(names, lemmas)
  written = {own: _as_written(given, lemmas[own], source[own]) for own, given in names.items()}
  read = vectors.read(spec, {word for each in (lemmas, written) for word in _flat(each)})
  tokens = {own: _known_forms(lemmas[own], written[own], read.found) for own in names}
  _refuse_unknown_words(spec, names, tokens, read)
  return {
    own: ClassSet(tuple(given), tuple(tokens[own]), embed(tokens[own], read.found))
    for own, given in names.items()
  }


def _flat(tokens: Mapping[str, Sequence[Sequence[str]]]) -> Iterable[str]:
  return (word for lists in tokens.values() for own in lists for word in own)


def _refuse_wordless(
  names: Mapping[str, Sequence[str]], tokens: Mapping[str, Sequence[Sequence[str]]]
) -> None:
  raise_all(
    [
      f"{data_set}: class {name!r} holds no word: rename it"
      for data_set, given in names.items()
      for name, own in zip(given, tokens[data_set], strict=True)
      if not own
    ]
  )


def _as_written(
  names: Sequence[str], tokens: Sequence[tuple[str, ...]], source: str
) -> list[tuple[str, ...]]:
  """Words before lemmas, one for one, of a user's own names; sets with frozen rules have their words only."""
  if source in words.E2E_SOURCES or source == "sun397":
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
  problems = [
    f"{data_set}: class {row} has an empty name: give every class a name"
    for row, name in enumerate(names)
    if not name.strip()
  ]
  # Spellings that differ in `_` and spaces only are the same class to every reader.
  spelt = [" ".join(name.replace("_", " ").split()) for name in names]
  first: dict[str, int] = {}
  for row, key in enumerate(spelt):
    if key and key in first:
      problems.append(
        f"{data_set}: class name {names[row]!r} is repeated (classes {first[key]} and {row}): keep one"
      )
    first.setdefault(key, row)
  return problems


def _refuse_unknown_words(
  spec: str,
  names: Mapping[str, Sequence[str]],
  tokens: Mapping[str, Sequence[Sequence[str]]],
  read: vectors.WordVectors,
) -> None:
  """Lists every class with an out-of-vocabulary word, with the nearest spellings that have a vector."""
  by_initial: dict[str, list[str]] = {}
  for word in read.known:
    by_initial.setdefault(word[:1].lower(), []).append(word)
  hints: dict[str, str] = {}
  problems = []
  for data_set, given in names.items():
    for name, own in zip(given, tokens[data_set], strict=True):
      missing = [word for word in dict.fromkeys(own) if word not in read.found]
      for word in missing:
        if word not in hints:
          alike = [w for w in by_initial.get(word[:1].lower(), ()) if abs(len(w) - len(word)) <= 2]
          close = nearest(word, alike)
          hints[word] = f" (nearest: {', '.join(close)})" if close else ""
      if missing:
        told = ", ".join(f"{word!r}{hints[word]}" for word in missing)
        problems.append(f"{data_set}: class {name!r}: {told}")
  raise_all(
    problems,
    f"{spec} has no vector for a word of these classes: rename or leave out the classes, "
    "or give other word vectors",
  )
