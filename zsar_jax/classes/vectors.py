"""Where the meaning of a word comes from: a file of word vectors, or a stand-in made from the word itself."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from zsar_jax.classes import sentence, vector_files
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import is_file

# Files list common words first, so spellings to suggest are found among the first ones.
_MAX_KNOWN = 200_000


class WordVectors(NamedTuple):
  """What a source of vectors gave for the words asked for."""

  found: dict[str, Float32[np.ndarray, " D"]]  # asked word -> unit vector
  known: tuple[str, ...]  # spellings that the source holds (at most 200,000), to suggest from


# Where vectors come from: `hash:D`, a file, or unit vectors that were read before.
Source = str | Mapping[str, Float32[np.ndarray, " D"]]


def read(spec: Source, wanted: Iterable[str]) -> WordVectors:
  """Unit vectors of the wanted words; see `embeddings.load_word_vectors`."""
  wanted = sorted(set(wanted))
  if not isinstance(spec, str):
    own = {word: next((s for s in _spellings(word) if s in spec), None) for word in wanted}
    found = {word: spec[spelling] for word, spelling in own.items() if spelling is not None}
    return WordVectors(found, tuple(itertools.islice(spec, _MAX_KNOWN)))
  check_spec(spec)
  if sentence.is_sentence(spec):
    raise InputError(
      f"word vectors {spec!r}: a sentence encoder has no vectors of words, expected a file of them"
    )
  if spec.startswith("hash:"):
    width = _hash_width(spec)
    return WordVectors({word: hash_vector(word, width) for word in wanted}, ())
  spellings = {spelling for word in wanted for spelling in _spellings(word)}
  held: dict[str, np.ndarray] = {}
  known: list[str] = []
  for word, vector in vector_files.entries(Path(spec), spellings):
    if len(known) < _MAX_KNOWN:
      known.append(word)
    if vector is not None:
      held.setdefault(word, vector)
  return WordVectors(_unit_vectors(spec, wanted, held), tuple(known))


def check_spec(spec: str) -> None:
  """Raises InputError unless `spec` is `hash:D`, `sentence:DIR` or an existing file of a known kind; reads nothing."""
  if spec.startswith("hash:"):
    _hash_width(spec)
    return
  if sentence.is_sentence(spec):
    sentence.check(spec)
    return
  if vector_files.suffix(spec) not in vector_files.SUFFIXES or spec.endswith(".npz.gz"):
    raise InputError(
      f"word vectors {spec!r}: expected hash:300, sentence:DIR or a file ending in .npz, .bin, .txt or .vec "
      "(the last three may be packed: .bin.gz)"
    )
  if not is_file(spec):
    raise InputError(
      f"word vectors {spec!r}: no such file: check the path, or use hash:300 to try things out"
    )


def hash_vector(word: str, width: int = 300) -> Float32[np.ndarray, " D"]:
  """A unit vector of normal numbers drawn from SHA-256 of the word: the same everywhere, without meaning."""
  digests = (hashlib.sha256(f"{block}:{word}".encode()).digest() for block in range(width // 4 + 1))
  uniform = (np.frombuffer(b"".join(digests), "<u4") + 0.5) / 2**32
  radius, angle = uniform[0::2], uniform[1::2]
  normal = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)  # Box-Muller
  vector = normal[:width]
  return (vector / np.linalg.norm(vector)).astype(np.float32)


def _hash_width(spec: str) -> int:
  if not re.fullmatch(r"hash:[1-9][0-9]{0,4}", spec):
    raise InputError(f"word vectors {spec!r}: expected hash: and a width, such as hash:300")
  return int(spec.removeprefix("hash:"))


def _spellings(word: str) -> tuple[str, ...]:
  """As it is, then lower case: the order in which a word is looked up."""
  return tuple(dict.fromkeys((word, word.lower())))


def _unit_vectors(spec: str, wanted: list[str], held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  found, problems = {}, []
  for word in wanted:
    spelling = next((s for s in _spellings(word) if s in held), None)
    if spelling is None:
      continue
    with np.errstate(over="ignore", invalid="ignore"):
      vector = np.asarray(held[spelling], np.float64)
    largest = np.abs(vector).max()
    if not np.isfinite(largest) or not largest > 0:
      problems.append(f"{spelling!r} has a vector that is zero or not finite")
      continue
    vector = vector / largest  # squares of very large or small numbers are infinite or zero
    found[word] = (vector / np.linalg.norm(vector)).astype(np.float32)
  raise_all(problems, f"word vectors {spec!r} are damaged: get the file again")
  return found
