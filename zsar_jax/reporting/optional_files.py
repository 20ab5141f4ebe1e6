"""Files that a page can do without: what cannot be used is left out with a sentence and never costs the page."""

import math
import pathlib
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.files import parse_json

TUNING, EXAMPLES = "tuning.json", "examples/examples.json"
_AXES = ("num_neighbors", "max_seen_per_unseen", "distinctiveness")
_EXAMPLE: dict[str, Any] = {"dataset": str, "video_id": str, "class": str, "predicted": str, "score": (int, float),
                            "right": bool, "frames": list}  # fmt: skip


class Optional(NamedTuple):
  """What a file holds; `fault` is a sentence where it is there but of no use."""

  value: Any
  fault: str = ""


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
  """The lines of `metrics.jsonl` that can be read: a kill may have cut the last one short. Empty where there is no file."""
  try:
    text = path.read_text(encoding="utf-8", errors="replace")
  except OSError:
    return []
  lines = []
  for one in text.splitlines():
    try:
      line = parse_json(one)
    except ValueError:
      continue
    if isinstance(line, dict) and _is_number(line.get("step")) and isinstance(line.get("kind"), str):
      # What is no number is not drawn: a diverged run may have written anything.
      texts = {key: line[key] for key in ("kind", "phase") if isinstance(line.get(key), str)}
      lines.append({key: value for key, value in line.items() if _is_number(value)} | texts)
  return lines


def read_tuning(path: pathlib.Path, checkpoint: str) -> Optional:
  """What `zsar_jax.tune` wrote, if it searched with `checkpoint`; None where there is no file."""
  found, fault = _read(path, dict)
  if found is None:
    return Optional(None, fault)
  if found.get("checkpoint") != checkpoint:
    return Optional(None, f"{path} was searched with another checkpoint ({found.get('checkpoint')}, the evaluation is of "
                          f"{checkpoint}); run zsar_jax.tune again.")  # fmt: skip
  problem = _check_tuning(found)
  if problem:
    return Optional(None, f"{path}: {problem}; run zsar_jax.tune again.")
  return Optional(found)


def read_examples(path: pathlib.Path) -> Optional:
  """The list of `examples/examples.json`; empty where there is no file."""
  found, fault = _read(path, list)
  for number, one in enumerate(found or ()):
    wrong = [key for key, kind in _EXAMPLE.items() if not isinstance(one, dict) or not isinstance(one.get(key), kind)]  # fmt: skip
    if wrong:
      fault = (
        f"{path}: example {number} has no {', '.join(map(repr, wrong))} as expected; evaluate the run again."
      )
      break
    if not all(isinstance(frame, str) for frame in one["frames"]):
      fault = f"{path}: the frames of example {number} are no names of files; evaluate the run again."
      break
  return Optional([], fault) if fault else Optional(found or [])


def _read(path: pathlib.Path, kind: type) -> tuple[Any, str]:
  """(what the file holds or None, why it cannot be used)."""
  if not path.exists():
    return None, ""
  try:
    made = parse_json(path.read_text(encoding="utf-8"))
  except (ValueError, OSError) as error:
    return None, f"{path} cannot be read ({error}); remove it, or make it again."
  if not isinstance(made, kind):
    return (
      None,
      f"{path} holds a {type(made).__name__}, expected a {kind.__name__}; remove it, or make it again.",
    )
  return made, ""


def _check_tuning(tuning: dict[str, Any]) -> str:
  """What is wrong with it, or nothing."""
  needed = dict.fromkeys(("grid", "chosen", "default"), dict) | {
    "scores": list,
    "deviations": list,
    "num_folds": int,
  }
  missing = [key for key, kind in needed.items() if not isinstance(tuning.get(key), kind)]
  if missing:
    return f"no {', '.join(map(repr, missing))} as expected"
  for name in ("chosen", "default"):
    missing = [key for key in (*_AXES, "score", "deviation") if not _is_number(tuning[name].get(key))]
    if missing:
      return f"{name!r} has no number {', '.join(map(repr, missing))}"
  grid = [tuning["grid"].get(key) for key in _AXES]
  if not all(isinstance(values, list) and values and all(map(_is_number, values)) for values in grid):
    return f"'grid' has no numbers for one of {', '.join(map(repr, _AXES))}"
  shape = tuple(map(len, grid))
  for name in ("scores", "deviations"):
    try:
      found = np.array(tuning[name], float)
    except (ValueError, TypeError):
      return f"{name!r} is no array of numbers"
    if found.shape != shape or np.isnan(found).all():
      return f"{name!r} is of shape {list(found.shape)}, expected numbers of shape {list(shape)}, as the grid"
  return ""


def _is_number(value: Any) -> bool:
  return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
