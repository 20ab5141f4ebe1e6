"""Runs of the demo with clocks in them (see `demo_phases.py`), and what their times add up to."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from json import loads
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIGS = {"rest": "configs/demo.py", "e2e": "configs/demo.py:e2e"}
TYPOS = {
  "key": "--config.train.batchsize=8",
  "data_set": "--config.data.seen=figures_trian",
  "class": "--config.data.seen=figures_train:!wavin while walking",
}
_FIRST_STEP = re.compile(r"first step done, ([\d.]+) s after this process began")
Times = dict[str, Any]


class Place(NamedTuple):
  """A folder of our own for compiled programs, videos and workdirs, and settings of every run in it."""

  folder: pathlib.Path
  overrides: Mapping[str, Any]

  def run(
    self, config: str, *, until: str, cache: str, data: str, overrides: Mapping[str, Any] = {}
  ) -> Times:
    """One run, to the end (`until` "all") or to "first_step", with phases and the first step as the run itself told it."""
    times, workdir = self.folder / "times.json", self.folder / "workdir"
    shutil.rmtree(workdir, ignore_errors=True)
    command = [
      str(ROOT / "benchmarks/demo_phases.py"),
      str(times),
      until,
      *self.arguments(config, data, overrides),
    ]
    command += ["--workdir", str(workdir)]
    told = run(command, self.folder / cache)
    written = loads(times.read_text())
    first = _FIRST_STEP.search(told)
    if first is None:
      raise RuntimeError(f"a run did not say when its first step was done:\n{told[-2000:]}")
    return {"seconds": written["seconds"], "first_step": float(first[1]), "spans": written["spans"]}

  def arguments(self, config: str, data: str, overrides: Mapping[str, Any]) -> list[str]:
    settings = {"data.dir": self.folder / data, **self.overrides, **overrides}
    return ["--config", CONFIGS[config], *(f"--config.{key}={value}" for key, value in settings.items())]


def run(command: Sequence[str], cache: pathlib.Path, *, code: int = 0) -> str:
  """What `python COMMAND` prints, with compiled programs kept in `cache` alone."""
  environment = {
    k: v for k, v in os.environ.items() if not k.startswith(("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE"))
  }
  environment |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join([str(ROOT), *_paths()])}
  done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
  if done.returncode != code:
    raise RuntimeError(
      f"{' '.join(command)} ended with {done.returncode}, expected {code}:\n{done.stderr[-2000:]}"
    )
  return done.stdout


def first_steps(place: Place, config: str, rounds: int, *, small: bool) -> dict[str, Any]:
  """Seconds to the first step with nothing there, with videos (not when `small`), and with programs too: the median of `rounds`."""
  data, cache = f"data-{config}", f"cache-{config}"
  result = {"fresh": place.run(config, until="first_step", cache=cache, data=data)}
  if not small:
    result["cold"] = place.run(config, until="first_step", cache=f"{cache}-2", data=data)
  warm = [place.run(config, until="first_step", cache=cache, data=data) for _ in range(rounds)]
  result["warm"] = sorted(warm, key=lambda times: times["first_step"])[len(warm) // 2]
  return {name: summary(times) for name, times in result.items()}


def demo(place: Place, config: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
  """The whole command from nothing: the first time somebody runs it."""
  data, cache = f"demo-data-{config}", f"demo-cache-{config}"
  return summary(place.run(config, until="all", cache=cache, data=data, overrides=overrides))


def typos(place: Place, rounds: int) -> dict[str, float]:
  """Seconds until a wrong command has ended, with videos made and programs compiled."""
  place.run("e2e", until="first_step", cache="cache-e2e", data="data-e2e")
  taken: dict[str, list[float]] = {name: [] for name in TYPOS}
  for _ in range(rounds):
    for name, typo in TYPOS.items():
      command = ["-m", "zsar_jax.main", *place.arguments("e2e", "data-e2e", {}), typo]
      started = time.perf_counter()
      run([*command, "--workdir", str(place.folder / "typo")], place.folder / "cache-e2e", code=2)
      taken[name].append(time.perf_counter() - started)
  return {name: round(statistics.median(seconds), 2) for name, seconds in taken.items()}


def summary(times: Times) -> dict[str, Any]:
  """Seconds of the run, of each phase of the main thread without the phases inside it, and of other threads beside them."""
  phases = exclusive([span for span in times["spans"] if span["thread"] == "MainThread"])
  beside: dict[str, float] = {}
  for span in times["spans"]:
    if span["thread"] != "MainThread":
      beside[span["phase"]] = beside.get(span["phase"], 0.0) + span["seconds"]
  phases["rest"] = times["seconds"] - sum(phases.values())
  return {
    "seconds": round(times["seconds"], 1),
    "first_step_seconds": times["first_step"],
    "phases": {name: round(seconds, 2) for name, seconds in phases.items()},
    "beside": {name: round(seconds, 2) for name, seconds in beside.items()},
  }


def exclusive(spans: Sequence[Mapping[str, Any]]) -> dict[str, float]:
  """Seconds of each phase of one thread that no phase inside it takes, in the order in which they began."""
  own: dict[str, float] = {}
  open_spans: list[tuple[float, str]] = []  # end and phase of those that the next one may lie in
  for span in sorted(spans, key=lambda span: (span["start"], -span["seconds"])):
    while open_spans and open_spans[-1][0] <= span["start"]:
      open_spans.pop()
    if open_spans:
      own[open_spans[-1][1]] -= span["seconds"]
    own[span["phase"]] = own.get(span["phase"], 0.0) + span["seconds"]
    open_spans.append((span["start"] + span["seconds"], span["phase"]))
  return own


def _paths() -> list[str]:
  return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
