"""Class names as a client writes them: taken apart, checked, looked up."""

import asyncio
import functools
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from zsar_jax.classes.class_lists import find_unwritable
from zsar_jax.classes.embeddings import name_problems, read_classes
from zsar_jax.classes.sentence import is_sentence
from zsar_jax.classes.suggestions import Suggestions
from zsar_jax.classes.vectors import Source
from zsar_jax.classes.words import label_words
from zsar_jax.errors import InputError
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving.problems import Refused, wrong_input
from zsar_jax.serving.settings import (
  MOST_CHECKS,
  MOST_LETTERS,
  MOST_NAMES,
  MOST_SUGGESTED,
  MOST_TOLD,
  MOST_WORDS,
)
from zsar_jax.serving.shapes import Checked, NamesChecked, Unknown

UNUSABLE = "these class names cannot be used"
_GIVEN = "classes"
_RULES = "folder"  # of a user's own names


class Known(NamedTuple):
  """What the word vectors say of some names."""

  unknown: dict[str, list[Unknown]]  # of a name, its words without a vector
  fine: list[str]  # names that nothing keeps from being used
  problems: list[str]


def split_names(text: str) -> list[str]:
  """Names between commas and new lines; empty ones are passed over.

  Raises:
    Refused: 422, too many, or too long.
  """
  if text.count(",") + text.count("\n") > 20 * MOST_NAMES:
    raise Refused(422, UNUSABLE, [f"there are more than {MOST_NAMES} between the commas and new lines"])
  names = [name.strip() for name in re.split(r"[,\n]", text)]
  names = [name for name in names if name]
  problems = [
    f"{name[:40]!r}… has {len(name)} letters, expected at most {MOST_LETTERS}"
    for name in names
    if len(name) > MOST_LETTERS
  ]
  problems += _wordy(names)
  if len(names) > MOST_NAMES:
    problems.append(f"{len(names)} class names, expected at most {MOST_NAMES}")
  if problems:
    raise Refused(422, UNUSABLE, problems[:MOST_TOLD])
  return names


class Names:
  """Looks names up in threads of its own: reading vectors and composing prototypes would block an event loop.

  Those of a video have one, names that are only looked at have another.
  """

  def __init__(self, recognizer: Recognizer, vectors: str | None):
    self._recognizer, self._vectors = recognizer, vectors
    self._thread, self._checking = ThreadPoolExecutor(1, "names"), ThreadPoolExecutor(1, "checks")
    self._checks = 0
    self._known = functools.lru_cache(maxsize=16)(self._look_up)

  async def candidates(self, names: list[str]) -> Candidates:
    """As `Recognizer.candidates`; its InputError as Refused with 422."""
    return await self._run(self._thread, self._candidates, names)

  async def check(self, names: list[str]) -> NamesChecked:
    """What is known of each name, whether or not all can be used together.

    Raises:
      Refused: 422, names of too many words; 429.
    """
    if self._checks >= MOST_CHECKS:
      raise Refused(429, f"{self._checks} lists of names wait to be looked at, as many as this server takes")
    self._checks += 1
    try:
      return await self._run(self._checking, self._check, [name.strip() for name in names])
    finally:
      self._checks -= 1

  def close(self) -> None:
    """Ends the threads."""
    for thread in (self._thread, self._checking):
      thread.shutdown(wait=True, cancel_futures=True)

  async def _run(self, thread, function, *args):
    return await asyncio.get_running_loop().run_in_executor(thread, function, *args)

  def _candidates(self, names: Sequence[str]) -> Candidates:
    try:
      problems = self._known(tuple(names)).problems
      if problems:
        raise Refused(422, UNUSABLE, problems[:MOST_TOLD])
      return self._recognizer.candidates(names, self._vectors)
    except InputError as error:
      raise wrong_input(error) from None

  def _check(self, names: list[str]) -> NamesChecked:
    told = _wordy(names)
    if told:
      raise Refused(422, UNUSABLE, told[:MOST_TOLD])
    found, known, problems = Known({}, [], []), None, []
    try:
      found = self._known(tuple(names))
      problems = found.problems
      known = self._candidates(found.fine if problems else names)
    except InputError as error:
      problems = [*wrong_input(error).problems] or [str(error)]
    except Refused as error:
      problems = problems or error.problems or [error.error]
    words = dict(zip(known.classes.names, known.classes.words, strict=True)) if known else {}
    leaks = {leak.name: leak for leak in known.leaks} if known else {}
    checked = [
      Checked(
        name=name,
        words=list(words[name] if name in words else label_words(name)),
        unknown=found.unknown.get(name, []),
        seen_as=leaks[name].known_as if name in leaks else None,
        distance=round(leaks[name].distance, 6) if name in leaks else None,
      )
      for name in names
    ]
    return NamesChecked(usable=not problems, classes=checked, problems=problems[:MOST_TOLD])

  def _look_up(self, names: tuple[str, ...]) -> Known:
    """What keeps names from being used, with suggestions for some words only: looking for them takes long."""
    problems = name_problems(_GIVEN, names)
    if len(names) == 1:
      problems.append(f"only {names[0]!r}: at least two names are needed, to choose between")
    unwritable = {names[row] for row, _ in find_unwritable(names)}
    words = {name: label_words(name, _RULES) for name in names if name and name not in unwritable}
    problems += [f"class {name!r} holds no word: rename it" for name, own in words.items() if not own]
    usable = [name for name, own in words.items() if own]
    source = self._source()
    if source is None or not usable:
      return Known({}, usable, problems)
    reading = read_classes({_GIVEN: usable}, source, {_GIVEN: _RULES})
    missing = dict(zip(usable, reading.unknown[_GIVEN], strict=True))
    looked_for = list(dict.fromkeys(word for each in missing.values() for word in each))[:MOST_SUGGESTED]
    initials = {word[:1].lower() for word in looked_for}
    near = Suggestions(word for word in reading.vectors.known if word[:1].lower() in initials)
    unknown = {
      name: [Unknown(word=word, suggestions=near(word) if word in looked_for else []) for word in each]
      for name, each in missing.items()
      if each
    }
    problems += [f"class {name!r}: {', '.join(map(_told, each))}" for name, each in unknown.items()]
    return Known(unknown, [name for name in usable if name not in unknown], problems)

  def _source(self) -> Source | None:
    """Where words may lack a vector; None where none can."""
    bundle = self._recognizer.bundle
    source = self._vectors or bundle.facts.vectors
    if is_sentence(source) or source.startswith("hash:"):
      return None
    return bundle.word_vectors if self._vectors is None else source


def _wordy(names: Sequence[str]) -> list[str]:
  return [
    f"{name[:40]!r}… has {len(name.split())} words, expected at most {MOST_WORDS}"
    for name in names
    if len(name.split()) > MOST_WORDS
  ]


def _told(one: Unknown) -> str:
  near = f" (nearest: {', '.join(one.suggestions)})" if one.suggestions else ""
  return f"no vector for {one.word!r}{near}"
