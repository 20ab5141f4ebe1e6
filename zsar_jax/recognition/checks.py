"""What callers of a `Recognizer` may hand it; every other thing is told in words."""

import numbers
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zsar_jax.bundle.contents import Facts
from zsar_jax.errors import InputError, raise_all
from zsar_jax.recognition.candidates import Candidates


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
  """The names; raises InputError unless they are a list of texts."""
  if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
    raise InputError(f"classes is {_told(classes)}: expected a list of names")
  names = tuple(classes)
  raise_all(
    [
      f"classes: number {row} is {_told(name)}: expected a text"
      for row, name in enumerate(names, 1)
      if not isinstance(name, str)
    ]
  )
  return names


def check_vectors(vectors: str | Path | None) -> str | None:
  """A source of word vectors as text. A file is named by its whole path, for the working directory may change.

  Raises:
    InputError: neither a text nor a path.
  """
  if vectors is None:
    return None
  if not isinstance(vectors, str | Path):
    raise InputError(f"vectors is {_told(vectors)}: expected a file, hash:300, sentence:DIR or None")
  spec = os.fspath(vectors)
  return os.path.abspath(spec) if os.path.isfile(spec) else spec


def check_paths(videos: Iterable[str | Path] | str | Path) -> Iterable[str | Path]:
  """The videos, one by one; a list is checked whole, others as they come.

  Raises:
    InputError: something else than paths.
  """
  if isinstance(videos, str | Path):
    return [videos]
  if isinstance(videos, bytes) or not isinstance(videos, Iterable):
    raise InputError(f"videos is {_told(videos)}: expected a path or a list of them")
  return list(_paths(videos)) if isinstance(videos, Sequence) else _paths(videos)


def check_same_model(candidates: Candidates, facts: Facts) -> None:
  """Raises InputError unless the model of these facts made the candidates."""
  if not isinstance(candidates, Candidates):
    raise InputError(f"candidates is {_told(candidates)}: expected what `candidates` returns")
  if candidates.checkpoint != facts.checkpoint:
    raise InputError(
      f"these candidates were made by another model ({candidates.checkpoint[:12]}…) than this one ({facts.checkpoint[:12]}…): make "
      "them with this one's `candidates`"
    )


def numbers_problems(top: int, timeout: float) -> list[str]:
  """What is wrong with them."""
  problems = []
  if not is_whole(top) or top < 1:
    problems.append(f"top is {top!r}: expected a whole number, at least 1")
  if isinstance(timeout, bool) or not isinstance(timeout, numbers.Real) or not timeout > 0:
    problems.append(f"timeout is {timeout!r}: expected seconds, more than 0")
  return problems


def is_whole(number: Any) -> bool:
  """Whether it is a whole number, of Python's or NumPy's."""
  return isinstance(number, numbers.Integral) and not isinstance(number, bool)


def _paths(videos: Iterable[str | Path]) -> Iterator[str | Path]:
  for number, video in enumerate(videos, 1):
    if not isinstance(video, str | Path):
      raise InputError(f"videos: number {number} is {_told(video)}: expected a path")
    yield video


def _told(given: object) -> str:
  """A value as an error says it, not too long."""
  text = repr(given)
  return f"the {type(given).__name__} {text if len(text) <= 60 else text[:60] + '…'}"
