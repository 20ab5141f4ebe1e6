"""How long one waits: for an import, for a typo to be told, for the first training step, for the whole demo and each phase of it.

python benchmarks/startup.py [--parts imports,typos,first_step,demo] [--rounds 3] [--json] [--out benchmarks/results/startup-cpu.json]

Everything runs in fresh processes, by turns. `imports`: every entry point and, beside it, the floor: the heaviest package that it cannot
do without, imported alone; `times_floor` is what it takes over that, `heavy` which heavy packages come with it. `typos`: until a wrong
key, data set or class is told. `first_step`: from the command to the end of the first training step, read from the run's own line
("first step done …"), split into phases: with nothing compiled yet and no videos (`fresh`), with videos (`cold`), with both (`warm`).
`demo`: the whole command, compiled programs and videos made on the way, by phase. Phases of the main thread exclude the phases inside
them, so that they sum to the whole; `rest` is what is in none. `beside` is what other threads did meanwhile.

Floors and predictions, 2 cores: JAX, Flax and Optax 0.9 s, TensorFlow 4 s, so a warm first step cannot come before 5 s: predicted 10 s (in
addition 1 s of tracing, 1 s of opening data, 1 s of model and state, 1 s of reading programs from disk), and 30 s when two phases'
programs are new. Making 1,860 videos is 12 ms of drawing and 5 ms of decoding each: 16 s on 2 cores, predicted 22 s with process starts.
The demo's floor is its steps, 800 of 0.13 s (ResT), 600 of 0.16 s (E2E).
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import measuring
from startup_runs import CONFIGS, Place, demo, first_steps, run, typos

PARTS = ("imports", "typos", "first_step", "demo")
FLOORS = ("numpy", "jax", "flax.nnx", "tensorflow")
HEAVY = ("jax", "flax", "optax", "orbax", "tensorflow", "tensorflow_datasets", "keras", "gensim", "av", "matplotlib", "sklearn",
         "scipy.optimize", "torch", "fastapi", "pandas")  # fmt: skip
# What its users wait for. `session` and `evaluate` are what `main` imports once its config is read, `recognizer` what `load` does.
ENTRIES = ("zsar_jax", "zsar_jax.main", "zsar_jax.session", "zsar_jax.evaluate", "zsar_jax.tune", "zsar_jax.predict", "zsar_jax.serve",
           "zsar_jax.recognition.recognizer", "zsar_jax.describe", "zsar_jax.export", "zsar_jax.report", "zsar_jax.study",
           "zsar_jax.checkpoints", "zsar_jax.data.synthetic", "data_prep.build")  # fmt: skip
HELP = ("zsar_jax.main", "zsar_jax.tune", "zsar_jax.predict", "zsar_jax.serve", "zsar_jax.describe", "zsar_jax.export", "zsar_jax.report",
        "zsar_jax.study", "zsar_jax.checkpoints", "data_prep.build")  # fmt: skip
SMALL = {"generated.train_per_class": 8, "generated.test_per_class": 2, "generated.seen_test_per_class": 1}
IMPORT = """
import json, sys, time
started = time.perf_counter()
__import__(sys.argv[1])
print(json.dumps({"seconds": time.perf_counter() - started, "modules": sorted(sys.modules)}))
"""


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--parts", default=",".join(PARTS), help="what to measure (default: all)")
  parser.add_argument("--configs", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
  parser.add_argument("--rounds", type=int, default=3, help="of imports, typos and warm starts")
  parser.add_argument(
    "--small", action="store_true", help="a dry run: E2E alone, few videos and steps, one round"
  )
  parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  parts = options.parts.split(",")
  if unknown := [part for part in parts if part not in PARTS]:
    parser.error(f"--parts {','.join(unknown)}: expected some of {','.join(PARTS)}")
  configs, rounds = (["e2e"], 1) if options.small else (options.configs, options.rounds)
  result = measure(parts, configs, rounds, small=options.small)
  measuring.finish(result, options, table(result))


def measure(parts: list[str], configs: list[str], rounds: int, *, small: bool) -> dict[str, Any]:
  result: dict[str, Any] = measuring.facts("jax", "flax", "optax", "tensorflow", "torch")
  if "imports" in parts:
    entries = ("zsar_jax.main", "zsar_jax.predict") if small else ENTRIES
    result["imports"] = imports(entries, FLOORS[:2] if small else FLOORS, rounds)
    result["help_seconds"] = helps(HELP[:1] if small else HELP, rounds)
  with tempfile.TemporaryDirectory() as folder:
    place = Place(pathlib.Path(folder), SMALL if small else {})
    if "first_step" in parts:
      result["first_step"] = {name: first_steps(place, name, rounds, small=small) for name in configs}
    if "typos" in parts:
      result["typo_seconds"] = typos(place, rounds)
    if "demo" in parts:
      steps = {"train.joint.steps": 2} if small else {}
      result["demo"] = {name: demo(place, name, steps) for name in configs}
  return result


def imports(entries: Sequence[str], floors: Sequence[str], rounds: int) -> dict[str, Any]:
  """Medians over rounds in which every module takes its turn in a fresh interpreter."""
  found: dict[str, list[dict[str, Any]]] = {name: [] for name in (*floors, *entries)}
  with tempfile.TemporaryDirectory() as folder:
    for _ in range(rounds):
      for name, taken in found.items():
        taken.append(json.loads(run(["-c", IMPORT, name], pathlib.Path(folder)).splitlines()[-1]))
  seconds = {name: statistics.median(one["seconds"] for one in taken) for name, taken in found.items()}
  result: dict[str, Any] = {"floors": {name: round(seconds[name], 3) for name in floors}}
  for name in entries:
    modules = set(found[name][0]["modules"])
    heavy = [one for one in HEAVY if one in modules]
    result[name] = {"seconds": round(seconds[name], 3), "modules": len(modules), "heavy": heavy}
    if floor := [one for one in floors if one in modules]:
      result[name] |= {"floor": floor[-1], "times_floor": round(seconds[name] / seconds[floor[-1]], 2)}
  return result


def helps(modules: Sequence[str], rounds: int) -> dict[str, float]:
  """Seconds of `python -m MODULE --help`, process and all: medians."""
  taken: dict[str, list[float]] = {name: [] for name in modules}
  with tempfile.TemporaryDirectory() as folder:
    for _ in range(rounds):
      for name, seconds in taken.items():
        started = time.perf_counter()
        run(["-m", name, "--help"], pathlib.Path(folder))
        seconds.append(time.perf_counter() - started)
  return {name: round(statistics.median(seconds), 2) for name, seconds in taken.items()}


def table(result: dict[str, Any]) -> str:
  """All of it for people."""
  lines = []
  if "imports" in result:
    floors = result["imports"]["floors"]
    lines += ["import, seconds (floors: " + ", ".join(f"{k} {v:.2f}" for k, v in floors.items()) + ")"]
    for name, one in result["imports"].items():
      if name != "floors":
        over = f"{one['times_floor']:.2f} x {one['floor']}" if "floor" in one else "nothing heavy"
        lines.append(f"  {name:<32} {one['seconds']:6.2f}  {over:<18} {' '.join(one['heavy'])}")
  for title, key in (("--help", "help_seconds"), ("a typo is told", "typo_seconds")):
    if key in result:
      lines.append(f"{title}, seconds: " + ", ".join(f"{k} {v:.2f}" for k, v in result[key].items()))
  for config, states in result.get("first_step", {}).items():
    for state, one in states.items():
      lines += [f"first step, {config}, {state}: {one['first_step_seconds']:.1f} s", _phases(one)]
  for config, one in result.get("demo", {}).items():
    lines += [
      f"demo, {config}: {one['seconds']:.1f} s, first step after {one['first_step_seconds']:.1f} s",
      _phases(one),
    ]
  return "\n".join(lines)


def _phases(one: dict[str, Any]) -> str:
  inside = ", ".join(f"{name} {seconds:.1f}" for name, seconds in one["phases"].items())
  beside = ", ".join(f"{name} {seconds:.1f}" for name, seconds in one["beside"].items() if seconds >= 0.1)
  return f"  {inside}" + (f"\n  beside: {beside}" if beside else "")


if __name__ == "__main__":
  main()
