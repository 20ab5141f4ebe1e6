"""The one error a user meets: what is wrong, what was expected, what to do."""

import difflib
from collections.abc import Iterable, Sequence


class InputError(ValueError):
  """Something the user gave is wrong. Commands print it and exit with 2, without a traceback."""


def raise_all(problems: Sequence[str], heading: str = "") -> None:
  """Raises one InputError that lists every problem; does nothing when there is none."""
  if problems:
    lines = [heading] if heading else []
    lines += [f"  - {problem}" for problem in problems] if heading else list(problems)
    raise InputError("\n".join(lines))


def nearest(name: str, known: Iterable[str], num: int = 3) -> list[str]:
  """The known names spelt most like `name`, best first; may be empty."""
  return difflib.get_close_matches(name, list(known), n=num, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
  """A clause such as `; did you mean 'walk'?`, or nothing where no known name is close."""
  close = nearest(name, known)
  return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
