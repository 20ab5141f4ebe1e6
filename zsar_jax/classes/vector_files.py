"""Reads files of word vectors in one pass: `.npz`, word2vec `.bin`, and the text of word2vec, GloVe and fastText.

gensim reads a whole `.bin` or `.txt` into memory (3.6 GB for GoogleNews); the readers here keep the wanted words only.
"""

import codecs
import gzip
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from zsar_jax.classes.npz_vectors import npz_entries
from zsar_jax.errors import InputError

if TYPE_CHECKING:
  from rich.progress import Progress

_CHUNK = 1 << 20
_PATIENCE = 1.0  # seconds before a reader shows how far it is
_WIDEST = 1 << 16  # numbers of a word; a header that says more is damaged, and memory would be taken for it

_Entries = Iterator[tuple[str, np.ndarray | None]]


def suffix(spec: str) -> str:
  """The kind of a file by its name; `.gz` is left aside."""
  return Path(spec.removesuffix(".gz")).suffix


def entries(path: Path, wanted: set[str]) -> _Entries:
  """Every word of the file in its order, with its raw vector if it is one of `wanted`, else None.

  A bar of the bytes read shows on stderr where reading takes more than a second.

  Raises:
    InputError: the file is missing, cut short, misshapen, or cannot be read.
  """
  kind = suffix(str(path))
  try:
    with path.open("rb") as raw:
      file: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
      yield from _with_bar(_STREAMS[kind](path, wanted, file), raw, path)
  except (OSError, EOFError, zlib.error) as error:
    raise InputError(f"word vectors {str(path)!r}: cannot be read: {error}") from error


def _with_bar(read: _Entries, raw: IO[bytes], path: Path) -> _Entries:
  """Passes the entries on, and shows how much of the file is read once that takes long."""
  began, bar = time.monotonic(), None
  try:
    for number, entry in enumerate(read):
      if number % 4096 == 0 and time.monotonic() - began > _PATIENCE:
        bar = bar or _start_bar(path)
        bar.update(bar.task_ids[0], completed=raw.tell())
      yield entry
  finally:
    if bar is not None:
      bar.stop()


def _start_bar(path: Path) -> "Progress":
  from rich.console import Console
  from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

  columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
  bar = Progress(*columns, console=Console(stderr=True), transient=True)
  bar.add_task(f"reading {path.name}", total=path.stat().st_size)
  bar.start()
  return bar


def _bin_entries(path: Path, wanted: set[str], file: IO[bytes]) -> _Entries:
  """word2vec's binary form: `count width\\n`, then a word, a space, `width` float32 each time."""
  header = file.readline(100).split()
  if len(header) != 2 or not all(field.isdigit() for field in header) or int(header[1]) == 0:
    raise InputError(
      f"word vectors {str(path)!r}: not a word2vec .bin file: its first line holds no count and width"
    )
  count, width = int(header[0]), int(header[1])
  _check_width(path, width)
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
  if (buffer[at:] + file.read(_CHUNK)).strip():
    raise InputError(
      f"word vectors {str(path)!r}: goes on after the {count} words that its first line counts: get the file again"
    )


def _check_width(path: Path, width: int) -> None:
  if width > _WIDEST:
    raise InputError(
      f"word vectors {str(path)!r}: its first line says {width} numbers a word, expected at most {_WIDEST}: get the file again"
    )


def _text_entries(path: Path, wanted: set[str], file: IO[bytes]) -> _Entries:
  """A word and its numbers a line, after an optional line `count width` (word2vec and fastText; GloVe has none)."""
  count = width = done = longer = 0
  heads = {word.encode() for word in wanted}
  for number, raw in enumerate(file, 1):
    if number == 1:
      raw = raw.removeprefix(codecs.BOM_UTF8)
      if header := re.fullmatch(rb"(\d+) (\d+)\s*", raw):
        # Text of so many digits is no number to Python.
        count, width = (int(field[:19]) for field in header.groups())
        _check_width(path, width)
        continue
    line = raw.rstrip()
    if not line:
      continue
    width = width or line.count(b" ")
    if not width or line.count(b" ") < width:
      raise InputError(
        f"word vectors {str(path)!r}, line {number}: expected a word and {width or 'its'} numbers"
      )
    done += 1
    longer += line.count(b" ") > width
    head = line[: line.index(b" ")]
    if head not in heads:  # most lines: not worth taking apart
      yield head.decode("utf-8", errors="replace"), None
      continue
    # Public files hold a few "words" with spaces in them: the numbers are the last `width` fields.
    fields = line.rsplit(b" ", width)
    yield (
      fields[0].decode("utf-8", errors="replace"),
      _numbers(path, number, fields[1:]) if fields[0] == head else None,
    )
  if done < count:
    raise InputError(f"word vectors {str(path)!r}: ends after word {done} of {count}: get the file again")
  if not done:
    raise InputError(f"word vectors {str(path)!r}: holds no vectors")
  if 2 * longer > done:  # a few words with spaces in them are longer, no more
    raise InputError(
      f"word vectors {str(path)!r}: most lines hold more than the {width} numbers that its first line says: get the file again"
    )


def _numbers(path: Path, number: int, fields: list[bytes]) -> np.ndarray:
  try:
    with np.errstate(over="ignore"):  # infinite as float32: whoever wants the word says so
      return np.array([float(field) for field in fields], np.float32)
  except ValueError as error:
    raise InputError(f"word vectors {str(path)!r}, line {number}: expected numbers: {error}") from error


_STREAMS = {".npz": npz_entries, ".bin": _bin_entries, ".txt": _text_entries, ".vec": _text_entries}
SUFFIXES = tuple(_STREAMS)
