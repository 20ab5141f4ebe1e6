"""CPU cores, and bytes a second, that feed one accelerator: what its clips a second ask of decoding.

python benchmarks/feeding.py [--device h200] [--json] [--out benchmarks/results/feeding.json] [--small]

For each model of the papers and each task: clips a second, times the CPU time of a clip. The clips a second are measured where
benchmarks/models.py was run on the device (`--rates`, benchmarks/results/models-DEVICE.json), else computed: the device's rate of matrix
products over the work of a clip (2 operations a multiply-add; training three times the forward pass), at 40, 50 and 60 % utilisation,
and at most what its memory allows. Every row says which. Cores and bytes are those of zsar_jax.describe, the cores brought
up to date by `--input` (benchmarks/input.py) and, for other ways to store frames, by `--variants` (benchmarks/input_variants.py).

Floor: decoding alone, from memory, is 0.8 of a clip's CPU time (`share_of_limit` of benchmarks/input.py): cores cannot be fewer than that
share of these, with the same bytes. Prediction: cores go with bytes and pixels, so models of 224 pixels need 2.9 times those of 112
at the same rate and number of frames, and ResT-101, with 4 frames a clip, a quarter of ResT-18. Embedding runs three times as fast
as training, and asks for three times the cores. Nothing is compiled or run here; other cores, and hyperthreads, have other rates.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring
from model_cases import CASES
from programs import config_file

from zsar_jax import config as configs
from zsar_jax.accounting import (
  NUM_CLASSES,
  embedding_work,
  find_classes,
  make_subject,
  reference_of,
  training_work,
)
from zsar_jax.commands import guarded
from zsar_jax.config import Config
from zsar_jax.devices import NAMES, Device, find_device, roofline
from zsar_jax.scale import FRAME_SECONDS, input_report
from zsar_jax.topology import make_topology

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
UTILISATIONS = (0.4, 0.5, 0.6)
TASKS = ("train", "embed")


def load(name: str, num_frames: int | None) -> Config:
  """The paper's config in bfloat16, one clip a video; of so many frames where a measured model had another number."""
  path = ROOT / "configs" / config_file(CASES[name].config)
  config = configs.load(str(path), {"model.dtype": "bfloat16"})
  data = replace(config.data, num_frames=num_frames or config.data.num_frames)
  return replace(config, data=data, eval=replace(config.eval, num_clips=1))


def computed(config: Config, task: str, device: Device) -> dict[str, float]:
  """Clips a second at each utilisation."""
  subject = make_subject(reference_of(config), find_classes(config, NUM_CLASSES).seen)
  clips = config.train.batch_size
  batch = training_work(subject, config, clips) if task == "train" else embedding_work(subject, 1)
  limit = roofline(device, config.model.dtype, batch.work.multiply_adds, batch.work.num_bytes, batch.clips)
  return {f"{u:.0%}": min(u * limit.compute_limit, limit.memory_limit) for u in UTILISATIONS}


def core_rate(config: Config, stored: dict[str, Any]) -> float:
  """Clips a second of one core with as many frames as benchmarks/input.py reads, by its result: of this crop."""
  return stored["rows"][f"16x{config.data.crop}"]["median"]["ours"]["clips_per_second_per_core"]


def needs(config: Config, device: str, clips_per_second: float, stored: dict[str, Any]) -> dict[str, Any]:
  """Cores and bytes a second. The cores of `describe` hold for the rate of a core that it knows; `stored` has the last one measured."""
  report = input_report(config, make_topology(device, 1), clips_per_second)
  known = 1 / (16 * FRAME_SECONDS[config.data.short_side])
  return {
    "clips_per_second": round(clips_per_second, 1),
    "cores": round(report["cores"] * known / core_rate(config, stored), 1),
    "bytes_read_per_second": round(report["bytes_per_second"]),
    "bytes_to_device_per_second": round(3 * clips_per_second * config.data.num_frames * config.data.crop**2),
  }


def other_ways(
  config: Config, cores: float, bytes_per_second: float, variants: dict[str, Any]
) -> dict[str, Any]:
  """The same clips from frames stored in other ways: cores and bytes a second by the ratio to the base of the same run."""
  rows = [row for row in variants.get("variants", []) if row["crop"] == config.data.crop]
  return {
    row["name"]: {
      "cores": round(cores / row["cheaper"], 1),
      "bytes_read_per_second": round(bytes_per_second * row["bytes_per_clip"] / rows[0]["bytes_per_clip"]),
      "psnr": row["psnr"],
    }
    for row in rows[1:]
  }


def row(
  name: str, task: str, options: argparse.Namespace, inputs: dict[str, Any], device: Device
) -> dict[str, Any]:
  entry = inputs["rates"].get("models", {}).get(name, {})
  measured = entry.get(task, {}).get("clips_per_second", {}).get("ours")
  config = load(name, entry.get("num_frames") if measured else None)
  rates = {"measured": measured} if measured else computed(config, task, device)
  points = {key: needs(config, options.device, rate, inputs["input"]) for key, rate in rates.items()}
  middle = points.get("measured") or points["50%"]
  return {
    "model": name, "task": task, "rate": "measured" if measured else "computed",
    "num_frames": config.data.num_frames, "crop": config.data.crop, "short_side": config.data.short_side, "at": points,
    "other_ways": other_ways(config, middle["cores"], middle["bytes_read_per_second"], inputs["variants"]),
  }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
  """A line for each model and task; where rates are computed, the cores are those at 40, 50 and 60 %, all else is at 50 %."""
  lines = [
    f"{'':19}{'clips':>7} {'clips/s':>16}{'cores':>14}{'read MB/s':>10}{'to device':>10}  cores otherwise"
  ]
  for one in rows:
    points = one["at"]
    at = points.get("measured") or points["50%"]
    ways = sorted(one["other_ways"].items(), key=lambda item: item[1]["cores"])
    told = [f"{way['cores']:.0f}: {name} ({way['psnr']:.1f} dB)" for name, way in ways[:1]]
    fewest = "".join(told) or "not measured"
    cores = " ".join(f"{point['cores']:.0f}" for point in points.values())
    rate = f"{at['clips_per_second']:.0f} {one['rate']}"
    size = f"{one['num_frames']}x{one['crop']}"
    lines.append(
      f"{one['model'] + ' ' + one['task']:19}{size:>7} {rate:>16}{cores:>14}{at['bytes_read_per_second'] / 1e6:10.0f}"
      f"{at['bytes_to_device_per_second'] / 1e6:10.0f}  {fewest}"
    )
  return "\n".join(lines)


def read(path: Path, needed: bool, maker: str, parser: argparse.ArgumentParser) -> dict[str, Any]:
  """A result of another benchmark; empty where it is not there and not needed."""
  if path.exists():
    return json.loads(path.read_text())
  if needed:
    parser.error(f"{path} is not there: python benchmarks/{maker} --out {path} makes it")
  return {}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--device", choices=NAMES, default="h200")
  parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
  parser.add_argument(
    "--rates", type=Path, help="of benchmarks/models.py; default: benchmarks/results/models-DEVICE.json"
  )
  parser.add_argument("--input", type=Path, default=RESULTS / "input-cpu.json", help="of benchmarks/input.py")
  parser.add_argument(
    "--variants", type=Path, default=RESULTS / "input-variants.json", help="of benchmarks/input_variants.py"
  )
  parser.add_argument("--small", action="store_true", help="a dry run: two models, training")
  parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
  parser.add_argument("--out", type=Path, help="also write the JSON here")
  options = parser.parse_args()
  inputs = {
    "rates": read(
      options.rates or RESULTS / f"models-{options.device}.json",
      options.rates is not None,
      "models.py",
      parser,
    ),
    "input": read(options.input, True, "input.py", parser),
    "variants": read(options.variants, False, "input_variants.py", parser),
  }
  device = find_device(options.device)
  names, tasks = (["r2plus1d_18", "resnet18"], TASKS[:1]) if options.small else (options.models, TASKS)
  rows = [row(name, task, options, inputs, device) for name in names for task in tasks]
  decoded = {key: inputs["input"].get(key) for key in ("machine", "date")}
  result = measuring.facts("jax") | {"device": options.device, "decoding_measured": decoded, "rows": rows}
  measuring.finish(result, options, table(rows))


if __name__ == "__main__":
  sys.exit(guarded(main))
