"""The demo over several seeds (split, clips, initialisation), both methods: the table of the README.

python benchmarks/demo.py --seeds 11 12 13 --out benchmarks/results/demo.json

For every seed and method: one `zsar_jax.main` run, then its evaluation with a single frame and with shuffled frames; for every
seed, linear probes of colour histograms and of backgrounds alone. Prints one JSON object; accuracies in per cent.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
from typing import Any

import measuring

VARIANTS = {"e2e": "configs/demo.py:e2e", "rest": "configs/demo.py"}


def run(*argv: str) -> None:
  """Runs a module of the project."""
  subprocess.run([sys.executable, "-m", *argv], check=True, stdout=subprocess.DEVNULL)


def primary(workdir: pathlib.Path, report: str) -> dict[str, dict[str, Any]]:
  """{protocol: its primary row}."""
  rows = json.loads((workdir / report).read_text())["evaluations"]
  return {row["protocol"]: row for row in rows if row["primary"]}


def demo(method: str, seed: int, runs: pathlib.Path) -> dict[str, float]:
  workdir = runs / f"{method}-{seed}"
  command = [
    "zsar_jax.main",
    "--config",
    VARIANTS[method],
    "--workdir",
    str(workdir),
    f"--config.seed={seed}",
  ]
  run(*command)
  rows = primary(workdir, "report.json")
  result = {
    "unseen": rows["all"]["top1"],
    "unseen_half": rows["half"]["top1"],
    "validation": rows["validation"]["top1"],
    "generalized_unseen": rows["generalized"]["unseen"],
    "generalized_seen": rows["generalized"]["seen"],
    "generalized_harmonic": rows["generalized"]["harmonic"],
  }
  for order in ("single", "shuffled"):
    run(*command, "--evaluate_only", f"--config.eval.frame_order={order}")
    result[f"unseen_{order}"] = primary(workdir, f"report-{order}.json")["all"]["top1"]
  return result


def probe(seed: int) -> dict[str, Any]:
  """Linear probes of what is not the action, for this seed."""
  command = [sys.executable, "-m", "zsar_jax.data.synthetic", "--probe", "--seed", str(seed)]
  return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def means(results: list[dict[str, float]]) -> dict[str, float]:
  return {key: round(statistics.mean(r[key] for r in results), 2) for key in results[0]}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
  parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/demo-seeds"))
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  results = {m: {s: demo(m, s, options.runs) for s in options.seeds} for m in VARIANTS}
  table = measuring.facts("jax", "flax", "optax", "tensorflow") | {
    "chance": 100 / 12,
    "seeds": results,
    "mean": {m: means(list(by_seed.values())) for m, by_seed in results.items()},
    "probes": {s: probe(s) for s in options.seeds},
  }
  measuring.report(table, options.out)


if __name__ == "__main__":
  main()
