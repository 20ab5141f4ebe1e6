"""`model.json` of a bundle: the facts, to and from JSON."""

import json
import math
import pathlib
import re
from collections.abc import Callable
from typing import Any

from zsar_jax.bundle.contents import MOST_CLIPS, Facts, Preprocessing
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json
from zsar_jax.saved.bundles import FACTS

FORMAT = 1
_LARGEST = 16 << 20  # bytes of a file that is worth reading
_MOST = 1 << 14  # pixels, frames

Check = Callable[[Any], bool]


def facts_text(facts: Facts) -> str:
  """What `model.json` holds."""
  held = {"format": FORMAT} | facts._asdict() | {"preprocessing": facts.preprocessing._asdict()}
  return json.dumps(held, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_facts(folder: pathlib.Path) -> Facts:
  """What `facts_text` was written to `folder`.

  Raises:
    InputError: it is no JSON, of another format, or says something that cannot be: all such things at once.
  """
  path = folder / FACTS
  try:
    if path.stat().st_size > _LARGEST:
      raise ValueError("it is too large")
    held = parse_json(path.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read ({error}): export the model again") from error
  if not isinstance(held, dict) or held.get("format") != FORMAT:
    found = held.get("format") if isinstance(held, dict) else None
    raise InputError(
      f"{path} is of format {found!a:.40}, expected {FORMAT}: another version of zsar_jax wrote it"
    )
  rest = {key: value for key, value in held.items() if key != "format"}
  problems = _problems(rest, _FACTS, "")
  inside = rest.get("preprocessing")
  inside = inside if isinstance(inside, dict) else {}
  problems += _problems(inside, _PREPROCESSING, "preprocessing.") if inside else []
  raise_all(problems, f"{path} is not as an export writes it; export the model again:")
  return Facts(**rest | {"preprocessing": Preprocessing(**inside)})


def _problems(held: dict[str, Any], checks: dict[str, tuple[Check, str]], prefix: str) -> list[str]:
  problems = [f"it holds the unknown {prefix + key!a:.60}" for key in held if key not in checks]
  for key, (check, expected) in checks.items():
    if key not in held:
      if key in Facts._field_defaults:
        continue  # an earlier export did not say it
      problems.append(f"it lacks '{prefix}{key}'")
    elif not check(held[key]):
      problems.append(f"'{prefix}{key}' is {held[key]!a:.60}, expected {expected}")
  return problems


def _count(least: int, most: int) -> tuple[Check, str]:
  return lambda value: type(value) is int and least <= value <= most, f"a whole number from {least} to {most}"


def _is_text(value: Any) -> bool:
  return isinstance(value, str) and not any(
    letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value
  )


def _is_rate(value: Any) -> bool:
  return value is None or (type(value) in (int, float) and math.isfinite(value) and value > 0)


def _are_rows(value: Any) -> bool:
  return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _are_texts(value: Any) -> bool:
  return isinstance(value, dict) and all(map(_is_text, value.values()))


_TEXT: tuple[Check, str] = (_is_text, "text")
_PREPROCESSING: dict[str, tuple[Check, str]] = {
  "short_side": _count(1, _MOST),
  "crop": _count(1, _MOST),
  "num_frames": _count(1, _MOST),
  "stride": _count(1, _MOST),
  "num_clips": _count(1, MOST_CLIPS),
  "fps": (_is_rate, "a number above 0, or null"),
  "jpeg_quality": _count(0, 100),
  "stored_short_side": _count(0, _MOST),
}
_FACTS: dict[str, tuple[Check, str]] = {
  "name": _TEXT,
  "created": _TEXT,
  "step": _count(0, 1 << 62),
  "checkpoint": (
    lambda value: isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{16}", value)),
    "a hash of 16 letters",
  ),
  "num_parameters": _count(1, 1 << 40),
  "vectors": _TEXT,
  "space": (lambda value: value in ("visual", "semantic"), "visual or semantic"),
  "preprocessing": (lambda value: isinstance(value, dict) and bool(value), "an object of numbers"),
  "pretrained_from": (lambda value: value is None or _is_text(value), "text or null"),
  "pretrained_known": (lambda value: type(value) is bool, "true or false"),
  "evaluation": (_are_rows, "a list of objects"),
  "licence": _TEXT,
  "versions": (_are_texts, "an object of texts"),
  "not_evaluated": _TEXT,
}
