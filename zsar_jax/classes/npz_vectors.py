"""Reads `.npz` files of word vectors some rows at a time: NumPy itself would load the whole array."""

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from zsar_jax.errors import InputError

_CHUNK = 1 << 20  # bytes


def npz_entries(path: Path, wanted: set[str], file: IO[bytes]) -> Iterator[tuple[str, np.ndarray | None]]:
  """Every word of `words` [n] in order (text, or bytes in UTF-8), with its row of `vectors` [n, D] if wanted, else None.

  Memory is that of a few rows, unless `vectors` was saved in Fortran's order, column by column: it is loaded whole.

  Raises:
    InputError: no zip file, arrays that are missing, misshapen, damaged or not text and numbers.
    OSError: the disk fails.
  """
  try:
    with zipfile.ZipFile(file) as archive:
      yield from _entries(path, wanted, archive)
  except (InputError, OSError):
    raise
  except Exception as error:  # whatever a damaged zip, packing or header makes zipfile, zlib and NumPy raise
    raise InputError(
      f"word vectors {str(path)!r}: not a readable .npz of words and numbers: {error}"
    ) from error


class _Array(NamedTuple):
  """An array whose header is read."""

  file: IO[bytes]  # at the first value; rows follow one another
  shape: tuple[int, ...]
  dtype: np.dtype


def _entries(
  path: Path, wanted: set[str], archive: zipfile.ZipFile
) -> Iterator[tuple[str, np.ndarray | None]]:
  if not {"words.npy", "vectors.npy"} <= set(archive.namelist()):
    found = ", ".join(name.removesuffix(".npy") for name in archive.namelist()) or "none"
    raise InputError(f"word vectors {str(path)!r}: expected arrays `words` and `vectors`, found {found}")
  with archive.open("words.npy") as first, archive.open("vectors.npy") as second:
    words, vectors = _opened(first), _opened(second)
    _check(path, words, vectors)
    num = words.shape[0]
    rows_at_once = max(1, _CHUNK // max(words.dtype.itemsize, vectors.dtype.itemsize * vectors.shape[1]))
    for begin in range(0, num, rows_at_once):
      count = min(rows_at_once, num - begin)
      texts, rows = _texts(path, begin, _rows(words, count)), _rows(vectors, count)
      for text, row in zip(texts, rows, strict=True):
        yield text, row.copy() if text in wanted else None
    # A packed array's checksum is looked at where it ends.
    if words.file.read(1) or vectors.file.read(1):
      raise ValueError("an array is longer than its header says")


def _opened(file: IO[bytes]) -> _Array:
  version = np.lib.format.read_magic(file)
  if version not in ((1, 0), (2, 0)):
    raise ValueError(f"an array of NumPy's format {version}")
  read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
  shape, fortran, dtype = read(file)
  if dtype.hasobject:
    raise ValueError("Python objects in place of text or numbers")
  if fortran and len(shape) > 1:
    columns = np.frombuffer(file.read(), dtype).reshape(shape, order="F")
    return _Array(io.BytesIO(columns.tobytes()), shape, dtype)
  return _Array(file, shape, dtype)


def _check(path: Path, words: _Array, vectors: _Array) -> None:
  if len(words.shape) != 1 or words.dtype.kind not in "US" or vectors.dtype.kind not in "fiu":
    raise InputError(
      f"word vectors {str(path)!r}: expected `words` as strings [n] and `vectors` as numbers [n, D], "
      f"found {words.dtype} {list(words.shape)} and {vectors.dtype} {list(vectors.shape)}"
    )
  if len(vectors.shape) != 2 or vectors.shape[0] != words.shape[0] or vectors.shape[1] == 0:
    raise InputError(
      f"word vectors {str(path)!r}: expected one row of `vectors` a word, "
      f"found {list(vectors.shape)} for {words.shape[0]} words"
    )


def _rows(array: _Array, count: int) -> np.ndarray:
  """The next rows of an array."""
  size = count * math.prod(array.shape[1:]) * array.dtype.itemsize
  held = array.file.read(size)
  if len(held) < size:
    raise EOFError("an array is shorter than its header says: get the file again")
  return np.frombuffer(held, array.dtype).reshape(count, *array.shape[1:])


def _texts(path: Path, begin: int, words: np.ndarray) -> list[str]:
  if words.dtype.kind == "U":
    return words.tolist()
  texts = []
  for number, word in enumerate(words.tolist(), begin + 1):
    try:
      texts.append(word.decode())
    except UnicodeDecodeError:
      raise InputError(
        f"word vectors {str(path)!r}: word {number} of `words` is {word!r}, which is not UTF-8: save the words as text"
      ) from None
  return texts
