"""Stored results and how their figures are written in the pages."""

import json
import pathlib
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

MISSING = "not measured"
WIDTH = 138  # characters of a line of prose


class Stored:
  """The JSON files of a folder; what is not there is None."""

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._read: dict[str, Any] = {}

  def file(self, name: str) -> dict[str, Any]:
    """Everything in `NAME.json`; {} where there is no such file."""
    if name not in self._read:
      path = self._folder / f"{name}.json"
      self._read[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return self._read[name]

  def get(self, name: str, *keys: str | int) -> Any:
    """One value of it."""
    found: Any = self.file(name)
    for key in keys:
      if (isinstance(found, list) and isinstance(key, int) and key < len(found)) or (
        isinstance(found, dict) and key in found
      ):
        found = found[key]
      else:
        return None
    return found

  def facts(self, names: Iterable[str]) -> str:
    """A line: where, with what and when these files were measured."""
    files = [self.file(name) for name in names if self.file(name).get("date")]
    if not files:
      return "Not measured."
    machines = list(dict.fromkeys(file.get("machine", "a machine that was not told") for file in files))
    versions: dict[str, list[str]] = {}
    for file in files:
      for package, version in (file.get("versions") or {}).items():
        known = versions.setdefault(package, [])
        known += [version] if version and version not in known else []
    told = ", ".join(
      f"{package} {' and '.join(known)}" for package, known in sorted(versions.items()) if known
    )
    dates = sorted({file["date"] for file in files})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return wrapped(f"Measured on {'; '.join(machines)}, with {told or 'no package told'}; {when}.")


def wrapped(text: str, hanging: str = "") -> str:
  """Prose in lines of a page's width."""
  return textwrap.fill(text, WIDTH, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  """Markdown."""
  lines = [head, ["---"] * len(head), *rows]
  return "\n".join(f"| {' | '.join(line)} |".replace("|  ", "| ") for line in lines)


def times(ratio: float | None) -> str:
  """A ratio: 1.07, 19.1, 132."""
  return MISSING if ratio is None else number(ratio, 3)


def number(value: float | None, digits: int = 3, unit: str = "") -> str:
  """So many digits that count, at most two behind the point; thousands with commas."""
  if value is None:
    return MISSING
  whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
  text = f"{value:,.{max(0, min(2, digits - whole))}f}"
  return text + (f" {unit}" if unit else "")


def seconds(value: float | None) -> str:
  """4.1 s, 7.4 ms, 2.5 min."""
  if value is None:
    return MISSING
  if value < 1:
    return number(1000 * value, 2 if value < 0.1 else 3, "ms")
  return number(value, 3, "s") if value < 120 else number(value / 60, 2, "min")


def per_cent(share: float | None) -> str:
  return MISSING if share is None else f"{100 * share:.0f} %"


def scaled(value: float | None, factor: float) -> float | None:
  return None if value is None else value * factor
