"""Values of a config as text or as a config file gives them: what becomes of them, and how they are told."""

import math
import types
from typing import Any

_LARGEST = 1 << 31  # no number of a config is as large: steps are int32 on the device


def convert(value: Any, hint: Any) -> Any:
  """The value as the type `hint` (int, float, bool, str or a tuple of one of them), from that type or from text.

  Raises:
    ValueError, TypeError: it is none.
  """
  if isinstance(hint, types.GenericAlias):
    (item, _) = hint.__args__
    parts = [p for p in value.split(",") if p] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
      raise TypeError(value)
    return tuple(convert(p, item) for p in parts)
  if hint is bool:
    return _convert_bool(value)
  if hint in (int, float) and isinstance(value, str):
    value = hint(value)
  if hint is float and type(value) in (int, float):
    value = float(value) if -_LARGEST < value < _LARGEST else math.inf
  if type(value) is not hint or (hint is str and not _is_writable(value)):
    raise TypeError(value)
  if hint in (int, float) and not -_LARGEST < value < _LARGEST:
    raise ValueError(value)
  return value


def _is_writable(text: str) -> bool:
  """Whether it can be printed and name a file: a shell may hand over bytes that are no UTF-8."""
  return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _convert_bool(value: Any) -> bool:
  text = str(value).lower()
  if text not in ("true", "false"):
    raise ValueError(value)
  return text == "true"


def type_name(hint: Any) -> str:
  """What a user calls the type."""
  if isinstance(hint, types.GenericAlias):
    several = {int: "whole numbers", float: "numbers", str: "texts"}
    return f"a comma-separated list of {several[hint.__args__[0]]}"
  return {int: "a whole number below 2^31", float: "a number below 2^31", bool: "true or false", str: "text"}[
    hint
  ]


def short(value: Any) -> str:
  """The value as a message shows it: printable, and not longer than a line or two."""
  try:
    text = repr(value)
  except ValueError:  # a whole number of thousands of digits
    text = f"a {type(value).__name__}"
  text = text.encode("utf-8", "backslashreplace").decode()
  return text if len(text) <= 200 else f"{text[:200]}…"
