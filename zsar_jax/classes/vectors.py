"""Reads word vectors: `.npz`, word2vec `.bin`, text files; and a stand-in made from the words themselves.

gensim reads a whole `.bin` or `.txt` into memory (3.6 GB for GoogleNews); the readers here keep the wanted words only.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from jaxtyping import Float32

from zsar_jax.errors import InputError, raise_all

# Files list common words first, so spellings to suggest are found among the first ones.
_MAX_KNOWN = 200_000
_CHUNK = 1 << 20


class WordVectors(NamedTuple):
  """What a source of vectors gave for the words asked for."""

  found: dict[str, Float32[np.ndarray, " D"]]  # asked word -> unit vector
  known: tuple[str, ...]  # spellings that the source holds (at most 200,000), to suggest from


def read(spec: str, wanted: Iterable[str]) -> WordVectors:
  """Unit vectors of the wanted words; see `embeddings.load_word_vectors`."""
  wanted = sorted(set(wanted))
  check_spec(spec)
  if spec.startswith("hash:"):
    width = _hash_width(spec)
    return WordVectors({word: hash_vector(word, width) for word in wanted}, ())
  path = Path(spec)
  suffix = Path(spec.removesuffix(".gz")).suffix
  spellings = {spelling for word in wanted for spelling in _spellings(word)}
  held: dict[str, np.ndarray] = {}
  known: list[str] = []
  try:
    for word, vector in _READERS[suffix](path, spellings):
      if len(known) < _MAX_KNOWN:
        known.append(word)
      if vector is not None:
        held.setdefault(word, vector)
  except (OSError, EOFError) as error:
    raise InputError(f"word vectors {spec!r}: cannot be read: {error}") from error
  return WordVectors(_unit_vectors(spec, wanted, held), tuple(known))


def check_spec(spec: str) -> None:
  """Raises InputError unless `spec` is `hash:D` or an existing file of a known kind; reads nothing."""
  if spec.startswith("hash:"):
    _hash_width(spec)
    return
  if Path(spec.removesuffix(".gz")).suffix not in _READERS or spec.endswith(".npz.gz"):
    raise InputError(
      f"word vectors {spec!r}: expected hash:300 or a file ending in .npz, .bin, .txt or .vec "
      "(the last three may be packed: .bin.gz)"
    )
  if not Path(spec).is_file():
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
    vector = np.asarray(held[spelling], np.float64)
    norm = np.linalg.norm(vector)
    if not np.isfinite(vector).all() or not norm > 0:
      problems.append(f"{spelling!r} has a vector that is zero or not finite")
      continue
    found[word] = (vector / norm).astype(np.float32)
  raise_all(problems, f"word vectors {spec!r} are damaged: get the file again")
  return found


def _open(path: Path) -> IO[bytes]:
  if path.suffix != ".gz":
    return path.open("rb")
  from gensim import utils

  return utils.open(str(path), "rb")


_Entries = Iterator[tuple[str, np.ndarray | None]]


def _npz_entries(path: Path, wanted: set[str]) -> _Entries:
  try:
    # Opened here, because numpy leaves a file open that turns out not to be a zip.
    with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as arrays:
      missing = [key for key in ("words", "vectors") if key not in arrays.files]
      if missing:
        raise InputError(
          f"word vectors {str(path)!r}: expected arrays `words` and `vectors`, "
          f"found {', '.join(arrays.files) or 'none'}"
        )
      words, vectors = arrays["words"], arrays["vectors"]
  except (zipfile.BadZipFile, ValueError, EOFError) as error:
    if isinstance(error, InputError):
      raise
    raise InputError(
      f"word vectors {str(path)!r}: not a readable .npz of words and numbers: {error}"
    ) from error
  if words.ndim != 1 or words.dtype.kind not in "US" or vectors.dtype.kind not in "fiu":
    raise InputError(
      f"word vectors {str(path)!r}: expected `words` as strings [n] and `vectors` as numbers [n, D], "
      f"found {words.dtype} {list(words.shape)} and {vectors.dtype} {list(vectors.shape)}"
    )
  if vectors.ndim != 2 or len(vectors) != len(words) or vectors.shape[1] == 0:
    raise InputError(
      f"word vectors {str(path)!r}: expected one row of `vectors` a word, "
      f"found {list(vectors.shape)} for {len(words)} words"
    )
  for word, vector in zip(words.astype(str).tolist(), vectors, strict=True):
    yield word, vector if word in wanted else None


def _bin_entries(path: Path, wanted: set[str]) -> _Entries:
  """word2vec's binary form: `count width\\n`, then a word, its bytes, a space, `width` float32 each time."""
  with _open(path) as file:
    header = file.readline(100).split()
    if len(header) != 2 or not all(field.isdigit() for field in header) or int(header[1]) == 0:
      raise InputError(
        f"word vectors {str(path)!r}: not a word2vec .bin file: its first line holds no count and width"
      )
    count, width = int(header[0]), int(header[1])
    for word, raw in _bin_records(file, path, count, 4 * width):
      yield word, np.frombuffer(raw, "<f4") if word in wanted else None


def _bin_records(file: IO[bytes], path: Path, count: int, size: int) -> Iterator[tuple[str, bytes]]:
  buffer, at = b"", 0
  for number in range(count):
    space = buffer.find(b" ", at)
    if space < 0 or space + 1 + size > len(buffer):
      buffer, at = buffer[at:] + file.read(_CHUNK + size), 0
      space = buffer.find(b" ")
      if space < 0 or space + 1 + size > len(buffer):
        raise InputError(
          f"word vectors {str(path)!r}: ends inside word {number + 1} of {count}: get the file again"
        )
    # Some writers end every vector with a newline, some do not.
    word = buffer[at:space].lstrip(b"\n").decode("utf-8", errors="replace")
    at = space + 1 + size
    yield word, buffer[space + 1 : at]


def _text_entries(path: Path, wanted: set[str]) -> _Entries:
  """A word and its numbers a line, after an optional line `count width`."""
  width = 0
  with _open(path) as file:
    for number, raw in enumerate(file, 1):
      line = raw.decode("utf-8", errors="replace")
      if number == 1 and re.fullmatch(r"\d+ \d+\s*", line):
        continue
      fields = line.rstrip().split(" ")
      width = width or len(fields) - 1
      # Public files hold a few "words" with spaces in them: the numbers are the last `width` fields.
      word = " ".join(fields[:-width]) if width > 0 else ""
      if not word:
        raise InputError(
          f"word vectors {str(path)!r}, line {number}: expected a word and {width or 'its'} numbers"
        )
      yield word, _numbers(path, number, fields[-width:]) if word in wanted else None
  if not width:
    raise InputError(f"word vectors {str(path)!r}: holds no vectors")


def _numbers(path: Path, number: int, fields: list[str]) -> np.ndarray:
  try:
    return np.array(fields, np.float32)
  except ValueError as error:
    raise InputError(f"word vectors {str(path)!r}, line {number}: expected numbers: {error}") from error


_READERS = {".npz": _npz_entries, ".bin": _bin_entries, ".txt": _text_entries, ".vec": _text_entries}
