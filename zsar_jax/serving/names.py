"""Class names as a client writes them: taken apart, checked, looked up."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

from zsar_jax.classes.words import label_words
from zsar_jax.errors import InputError
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving.problems import Refused, wrong_input
from zsar_jax.serving.settings import MOST_LETTERS, MOST_NAMES
from zsar_jax.serving.shapes import Checked, NamesChecked, Unknown

_UNKNOWN = re.compile(r"'([^']+)'(?: \(nearest: ([^)]*)\))?(?:, |$)")


def split_names(text: str) -> list[str]:
  """Names between commas and new lines; empty ones are passed over.

  Raises:
    Refused: 422, too many, or too long.
  """
  names = [name.strip() for name in re.split(r"[,\n]", text)]
  names = [name for name in names if name]
  problems = [
    f"{name[:40]!r}… has {len(name)} letters, expected at most {MOST_LETTERS}"
    for name in names
    if len(name) > MOST_LETTERS
  ]
  if len(names) > MOST_NAMES:
    problems.append(f"{len(names)} class names, expected at most {MOST_NAMES}")
  if problems:
    raise Refused(422, "these class names cannot be used", problems[:20])
  return names


class Names:
  """Looks names up in one thread: reading vectors and composing prototypes take long enough to block an event loop."""

  def __init__(self, recognizer: Recognizer, vectors: str | None):
    self._recognizer, self._vectors = recognizer, vectors
    self._thread = ThreadPoolExecutor(1, "names")

  async def candidates(self, names: list[str]) -> Candidates:
    """As `Recognizer.candidates`; its InputError as Refused with 422."""
    try:
      return await self._run(self._candidates, names)
    except InputError as error:
      raise wrong_input(error) from None

  async def check(self, names: list[str]) -> NamesChecked:
    """What is known of each name, whether or not all can be used together."""
    return await self._run(self._check, [name.strip() for name in names])

  def close(self) -> None:
    """Ends the thread."""
    self._thread.shutdown(wait=True, cancel_futures=True)

  async def _run(self, function, *args):
    return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

  def _candidates(self, names: list[str]) -> Candidates:
    return self._recognizer.candidates(names, self._vectors)

  def _check(self, names: list[str]) -> NamesChecked:
    known: Candidates | None
    problems: list[str] = []
    try:
      known = self._candidates(names)
    except InputError as error:
      lines = str(error).splitlines()
      problems = [line.strip().removeprefix("- ") for line in lines[1:] or lines]
      known = self._without(names, problems)
    unknown = {name: _unknown(name, problems) for name in names}
    words = dict(zip(known.classes.names, known.classes.words, strict=True)) if known else {}
    leaks = {leak.name: leak for leak in known.leaks} if known else {}
    checked = [
      Checked(
        name=name,
        words=list(words[name] if name in words else label_words(name)),
        unknown=unknown[name],
        seen_as=leaks[name].known_as if name in leaks else None,
        distance=round(leaks[name].distance, 6) if name in leaks else None,
      )
      for name in names
    ]
    return NamesChecked(usable=not problems, classes=checked, problems=problems)

  def _without(self, names: list[str], problems: list[str]) -> Candidates | None:
    """The names that no problem is told of, if they can be used by themselves."""
    fine = [name for name in dict.fromkeys(names) if not any(repr(name) in problem for problem in problems)]
    try:
      return self._candidates(fine)
    except InputError:
      return None


def _unknown(name: str, problems: list[str]) -> list[Unknown]:
  """The words without a vector that a problem tells of a name."""
  told = [problem.partition(f"class {name!r}: ")[2] for problem in problems]
  return [
    Unknown(word=word, suggestions=near.split(", ") if near else [])
    for each in told
    for word, near in _UNKNOWN.findall(each)
  ]
