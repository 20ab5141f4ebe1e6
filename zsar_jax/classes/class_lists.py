"""Lists of class names: those that ship with the package, frozen presets of them, and a user's own files."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zsar_jax.classes.words import SOURCES
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.files import is_file

_FOLDER = Path(__file__).parent / "names"
MOST_LETTERS = 1000  # of a class name


class ClassList(NamedTuple):
  """Class names in their order, and the data set whose word rules turn them into words."""

  names: tuple[str, ...]
  source: str  # as in `words.label_words`


def shipped_lists() -> tuple[str, ...]:
  """What `read_class_list` knows by name: seven data sets, and presets such as kinetics700_664."""
  return tuple(sorted(file.stem for file in _FOLDER.glob("*.txt")))


def read_class_list(spec: str) -> ClassList:
  """The classes of a shipped list (`kinetics700`, `kinetics700_664`, ...) or of a file with one name a line.

  A file is UTF-8 (a byte order mark and Windows line ends are fine); empty lines do not count. Its
  word rules are those of the data set that it is named after (`ucf101.txt`, `kinetics700_mine.txt`), else those
  of a user's folder.

  Raises:
    InputError: no such list or file, not UTF-8, no name at all, or all its repeated and unwritable names, by line.
  """
  given = read_names(spec)
  raise_all(_problems(given.names), f"class list {spec!r} cannot be used:")
  return given._replace(names=tuple(name for name in given.names if name))


def read_names(spec: str) -> ClassList:
  """The same without looking at the names: name i stands in line i + 1, and is empty where the line is."""
  if spec in shipped_lists():
    return ClassList(_lines(_FOLDER / f"{spec}.txt"), _source(spec))
  path = Path(spec)
  if not is_file(path):
    raise InputError(
      f"class list {spec!r}: no such file and no shipped list{did_you_mean(spec, shipped_lists())}; "
      f"expected a file with one class name a line, or one of {', '.join(shipped_lists())}"
    )
  return ClassList(_lines(path), _source(path.stem))


def find_repeats(names: Sequence[str]) -> list[tuple[int, int]]:
  """(first row, later row) of every name that comes again; `_` and spaces are the same to every reader, and so are both ways to write é."""
  first: dict[str, int] = {}
  repeats = []
  for row, name in enumerate(names):
    key = " ".join(unicodedata.normalize("NFC", name).replace("_", " ").split())
    if key and first.setdefault(key, row) != row:
      repeats.append((first[key], row))
  return repeats


def find_empty(names: Sequence[str]) -> list[int]:
  """Rows whose name is nothing but spaces."""
  return [row for row, name in enumerate(names) if not name.strip()]


def find_unwritable(names: Sequence[str]) -> list[tuple[int, str]]:
  """(row, what is wrong) of every name that nobody means: far too long, or with a letter that cannot be seen or written."""
  found = []
  for row, name in enumerate(names):
    hidden = sorted({letter for letter in name[:MOST_LETTERS] if _is_hidden(letter)})
    if len(name) > MOST_LETTERS:
      found.append((row, f"{name[:40]!r}… has {len(name)} letters, expected at most {MOST_LETTERS}"))
    elif hidden:
      found.append(
        (row, f"{name!a} holds {', '.join(f'U+{ord(c):04X}' for c in hidden)}, which is no letter")
      )
  return found


def _is_hidden(letter: str) -> bool:
  """Controls, half letters, marks of byte order and spaces without width; joiners are letters in some languages."""
  return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in "\ufeff\u200b\u2060"


def _problems(names: Sequence[str]) -> list[str]:
  if len(find_empty(names)) == len(names):
    return ["it is empty: expected one class name a line"]
  repeats = [
    f"line {row + 1}: class name {names[row]!r} is repeated (first in line {first + 1}): keep one"
    for first, row in find_repeats(names)
  ]
  unwritable = [f"line {row + 1}: {told}: write the name anew" for row, told in find_unwritable(names)]
  return unwritable + repeats


def _lines(path: Path) -> tuple[str, ...]:
  try:
    text = path.read_text(encoding="utf-8-sig")
  except UnicodeDecodeError as error:
    line = error.object[: error.start].count(b"\n") + 1
    raise InputError(f"class list {str(path)!r}, line {line}: not UTF-8: save the file as UTF-8") from error
  except OSError as error:
    raise InputError(f"class list {str(path)!r}: cannot be read: {error}") from error
  return tuple(line.strip() for line in text.rstrip().split("\n")) if text.strip() else ()


def _source(stem: str) -> str:
  """The data set that a list is named after; a preset or a part of one is `SET_anything`."""
  known = stem.lower().split("_")[0]
  return known if known in SOURCES else "folder"
