"""What every benchmark shares: alternating rounds, medians, ratios, and where it was measured."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def facts(*packages: str) -> dict[str, Any]:
  """Where, when and with which versions a result was measured."""
  return {
    "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    "versions": {name: _version(name) for name in packages},
    "date": datetime.date.today().isoformat(),
  }


def alternate(sides: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
  """Seconds of one call of each side, round by round in turn, after one unmeasured call each.

  Machines are shared: only the ratio of neighbours in one round is worth anything.
  """
  for call in sides.values():
    call()
  seconds: dict[str, list[float]] = {name: [] for name in sides}
  for _ in range(rounds):
    for name, call in sides.items():
      started = time.perf_counter()
      call()
      seconds[name].append(time.perf_counter() - started)
  return seconds


def ratio(other: list[float], ours: list[float]) -> float:
  """How many times faster ours is: the median over rounds of other / ours."""
  return round(statistics.median(a / b for a, b in zip(other, ours, strict=True)), 3)


def report(result: Any, out: pathlib.Path | None) -> None:
  """Prints one JSON object, and writes it to `out` too."""
  text = json.dumps(result, indent=1)
  print(text)
  if out:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n")


def _version(package: str) -> str | None:
  try:
    return version(package)
  except PackageNotFoundError:
    return None
