"""ResT's variants (Lin et al. 2022, Tables 3, 5 and 6) on the demo's generated video: the ablation table of the README.

python benchmarks/ablations.py --seeds 11 12 --out benchmarks/results/ablations.json

Every variant is the demo config with the switches of VARIANTS. The two rows on pretrained clip features take the encoder of an E2E
demo run of the same seed. Prints one JSON object; accuracies in per cent, `accuracy` the training accuracy at the end.
"""

import argparse
import json
import pathlib
import statistics
from typing import Any

import measuring
from demo import primary, run

PRETRAINED = {"model.backbone": "r2plus1d_tiny", "model.init_from": "{runs}/e2e-{seed}"}
SEMANTIC = {"transfer.space": "semantic"}
VARIANTS: dict[str, dict[str, str]] = {
  "transformer, both tasks, transfer": {},
  "RNN, two streams": {"model.temporal": "rnn"},
  "LSTM, two streams": {"model.temporal": "lstm"},
  "class task alone, no transfer": {"model.tasks": "cls", **SEMANTIC},
  "word task alone, no transfer": {"model.tasks": "mlm", **SEMANTIC},
  "cross-modal attention": {"model.cross_modal": "true"},
  "pretrained clip features, frozen": {**PRETRAINED, "model.freeze_backbone": "true"},
  "pretrained clip features, end to end": PRETRAINED,
}


def train(config: str, seed: int, workdir: pathlib.Path, overrides: dict[str, str]) -> None:
  keys = [f"--config.{key}={value}" for key, value in overrides.items()]
  run("zsar_jax.main", "--config", config, "--workdir", str(workdir), f"--config.seed={seed}", *keys)


def last_accuracy(workdir: pathlib.Path, most: int = 3) -> float | None:
  """Mean training accuracy of the last logged steps; None where the class task is off."""
  lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
  values = [
    line["accuracy"]
    for line in lines
    if line["kind"] == "train" and line["phase"] == "joint" and "accuracy" in line
  ]
  return statistics.mean(values[-most:]) if values else None


def measure(name: str, seed: int, runs: pathlib.Path) -> dict[str, float | None]:
  overrides = {key: value.format(runs=runs, seed=seed) for key, value in VARIANTS[name].items()}
  workdir = runs / f"{list(VARIANTS).index(name)}-{seed}"
  train("configs/demo.py", seed, workdir, overrides)
  rows = primary(workdir, "report.json")
  result = {
    "unseen": rows["all"]["top1"],
    "unseen_half": rows["half"]["top1"],
    "validation": rows["validation"]["top1"],
    "training": last_accuracy(workdir),
  }
  report = json.loads((workdir / "report.json").read_text())["evaluations"]
  without = [row["top1"] for row in report if row["protocol"] == "all" and row["space"] == "semantic"]
  return result | {"unseen_without_transfer": without[0]}


def mean(values: list[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return round(statistics.mean(known), 2) if known else None


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
  parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/ablations"))
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  results: dict[str, dict[int, Any]] = {name: {} for name in VARIANTS}
  for seed in options.seeds:
    train("configs/demo.py:e2e", seed, options.runs / f"e2e-{seed}", {})
    for name in VARIANTS:
      results[name][seed] = measure(name, seed, options.runs)
  means = {
    name: {key: mean([r[key] for r in by_seed.values()]) for key in next(iter(by_seed.values()))}
    for name, by_seed in results.items()
  }
  facts = measuring.facts("jax", "flax", "optax", "tensorflow")
  measuring.report(facts | {"chance": 100 / 12, "seeds": results, "mean": means}, options.out)


if __name__ == "__main__":
  main()
