"""The JSON of benchmarks/models.py, which several calls may fill."""

import argparse
import json
import pathlib
from typing import Any

# A file of other values is another measurement.
SETUP = ("machine", "versions", "device", "dtype", "torch_layout", "conv_impl", "large_pages", "small")


def earlier(path: pathlib.Path, facts: dict[str, Any], parser: argparse.ArgumentParser) -> dict[str, Any]:
  """What an earlier call wrote, if it was measured like this one."""
  try:
    found = json.loads(path.read_text())
  except FileNotFoundError:
    return {}
  except ValueError as error:
    parser.error(f"--add: {path} holds no JSON ({error}); name another file or delete it")
  differing = [
    f"{key}: {found.get(key)} there, {facts[key]} here" for key in SETUP if found.get(key) != facts[key]
  ]
  if differing:
    parser.error(f"--add: {path} was measured otherwise; name another file:\n  " + "\n  ".join(differing))
  return found


def wanted(names: list[str], models: dict[str, Any], options: argparse.Namespace) -> list[str]:
  """What the file has not yet, models that failed before last."""

  def done(entry: dict[str, Any]) -> bool:
    if options.sweep:
      return all(_ended(entry, task, side) for task in options.tasks for side in options.sides)
    return all(task in entry for task in options.tasks)

  left = [name for name in names if not done(models.get(name, {}))]
  return sorted(
    left, key=lambda name: "failed" in models.get(name, {}) or "disagrees" in models.get(name, {})
  )


def _ended(entry: dict[str, Any], task: str, side: str) -> bool:
  """Whether a curve of a sweep has its last point; a call that was killed left its `limit` None."""
  limit = entry.get("sweep", {}).get(task, {}).get(side, {}).get("limit")
  return limit is not None and "no time" not in limit
