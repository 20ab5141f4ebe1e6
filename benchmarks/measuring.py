"""What every benchmark shares: alternating rounds, medians, ratios, and where it was measured."""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def facts(*packages: str) -> dict[str, Any]:
  """Where, when and with which versions a result was measured."""
  python = f"Python {platform.python_version()}"
  told = [*_told("model name")[:1], platform.machine(), f"{os.cpu_count()} cores", python]
  return {
    "machine": ", ".join(told),
    "versions": {name: _version(name) for name in packages},
    "date": datetime.date.today().isoformat(),
  }


def processor() -> str:
  """The kind of this one, by what it can do: compilers for CPUs choose by that. Its architecture, and a hash of its flags."""
  words = {word for line in (*_told("flags"), *_told("Features")) for word in line.split()}
  text = " ".join(sorted(words)) or platform.processor()
  return f"{platform.machine()} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _told(key: str) -> list[str]:
  """What Linux says of each core under `key`; nothing where it says nothing."""
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
  except OSError:
    return []
  pairs = (line.partition(":") for line in lines)
  return [value.strip() for name, _, value in pairs if name.strip() == key]


def alternate(sides: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
  """Seconds of one call of each side, round by round in turn, after one unmeasured call each.

  Machines are shared: only the ratio of neighbours in one round is worth anything.
  """
  return take_turns({name: partial(_seconds_of, call) for name, call in sides.items()}, rounds)


def take_turns(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
  """The same of sides that time themselves: each call returns its seconds."""
  seconds: dict[str, list[float]] = {name: [] for name in sides}
  for turn in range(1 + rounds):
    for name, run in sides.items():
      value = run()
      if turn:
        seconds[name].append(value)
  return seconds


def ratio(other: list[float], ours: list[float]) -> float:
  """How many times faster ours is: the median over rounds of other / ours."""
  return round(statistics.median(a / b for a, b in zip(other, ours, strict=True)), 3)


def finish(result: Any, options: argparse.Namespace, text: str) -> None:
  """The end of a command with `--json` and `--out`: prints the JSON object or the text, and writes the JSON where `out` says."""
  if options.json:
    report(result, options.out)
    return
  save(result, options.out)
  print(text)


def report(result: Any, out: pathlib.Path | None) -> None:
  """Prints one JSON object, and writes it to `out` too."""
  print(json.dumps(result, indent=1))
  save(result, out)


def save(result: Any, out: pathlib.Path | None) -> None:
  """Writes one JSON object, and the folder for it: whole or not at all, for a call may be killed at any time."""
  if out is None:
    return
  out.parent.mkdir(parents=True, exist_ok=True)
  partial = out.with_name(out.name + ".partial")
  partial.write_text(json.dumps(result, indent=1) + "\n")
  partial.replace(out)


def _seconds_of(call: Callable[[], None]) -> float:
  started = time.perf_counter()
  call()
  return time.perf_counter() - started


def _version(package: str) -> str | None:
  try:
    return version(package)
  except PackageNotFoundError:
    return None
