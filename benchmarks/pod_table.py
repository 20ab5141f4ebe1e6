"""Training Kinetics-700 on 1 to 256 chips, computed and not measured: the table of README "Scale".

python benchmarks/pod_table.py                                             # the table, in Markdown
python benchmarks/pod_table.py --json --out benchmarks/results/pod-table.json

Every device trains as many clips at once as the papers' one GPU did, which are also one BatchNorm group; the batch grows with the
devices. Where that does not fit into a device's memory, `model.remat` is on, and if it still does not, the group is halved.
All numbers are those of `zsar_jax.describe`, in bfloat16; nothing is compiled, and no device is needed.
"""

import argparse
import dataclasses
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from measuring import finish

from zsar_jax import config as configs
from zsar_jax.accounting import NUM_CLASSES, Classes, find_classes, make_subject
from zsar_jax.config import Config
from zsar_jax.costs import Costs, costs_of
from zsar_jax.devices import DEVICES, roofline
from zsar_jax.scale import exchange_report, input_report
from zsar_jax.topology import make_topology
from zsar_jax.train.optim import phase_length

ROOT = pathlib.Path(__file__).parent.parent
MODELS = {"E2E R(2+1)D-18": "e2e_r2plus1d", "ResT-18": "rest18", "ResT-101": "rest101"}
CHIPS = {"h200": (1, 8, 64, 256), "v5e": (1, 8, 64, 256)}
NUM_VIDEOS = 545_000  # training videos of Kinetics-700, about
FILLED = 0.9  # of a device's memory, at most: what compiled steps need besides is not counted
UTILISATION = 0.4  # of the roofline, as an example of what compiled steps reach
GIB = 2**30


def fitting(config: Config, classes: Classes, capacity: float) -> tuple[Config, Costs]:
  """The config as it is trained on one device of that memory, and what it costs there."""
  half = config.model.bn_group_size // 2
  for changes in ({}, {"remat": True}, {"remat": True, "bn_group_size": half}):
    model = dataclasses.replace(config.model, **changes)
    batch = dataclasses.replace(config.train, batch_size=model.bn_group_size)
    tried = dataclasses.replace(config, model=model, train=batch)
    costs = costs_of(tried, classes)
    if costs.memory["total"] <= FILLED * capacity:
      return tried, costs
  raise SystemExit(f"{config.model.backbone} does not fit into {capacity / GIB:.1f} GiB even so")


def rows(name: str, device: str) -> Iterator[dict[str, Any]]:
  loaded = configs.load(str(ROOT / "configs" / f"{MODELS[name]}.py"), {"model.dtype": "bfloat16"})
  classes = find_classes(loaded, NUM_CLASSES)
  config, costs = fitting(loaded, classes, DEVICES[device].capacity)
  phases = make_subject(config, classes.seen).method.phases()
  for num in CHIPS[device]:
    train = dataclasses.replace(config.train, batch_size=num * config.train.batch_size)
    scaled = dataclasses.replace(config, train=train)
    topology, work = make_topology(device, num), costs.training.work
    limit = roofline(
      DEVICES[device], "bfloat16", work.multiply_adds, work.num_bytes, costs.training.clips, num
    )
    exchange = exchange_report(scaled, costs, topology, limit.clips_per_second)
    rate = exchange["clips_per_second"]
    clips = sum(phase_length(phase.optim, train, NUM_VIDEOS).steps * train.batch_size for phase in phases)
    slow = train.batch_size / (exchange["compute_seconds"] / UTILISATION + exchange["seconds"])
    yield {
      "model": name, "device": device, "devices": num, "hosts": topology.num_hosts,
      "batch_size": train.batch_size, "bn_group_size": config.model.bn_group_size, "remat": config.model.remat,
      "memory_gib": costs.memory["total"] / GIB, "sent_gb": exchange["sent_bytes"] / 1e9, "share": exchange["share"],
      "clips_per_second": rate, "epoch_hours": NUM_VIDEOS / rate / 3600, "training_hours": clips / rate / 3600,
      "training_hours_utilised": clips / slow / 3600,
      "input_cores_per_host": input_report(scaled, topology, rate)["cores"],
      "input_bytes_per_second_per_host": input_report(scaled, topology, rate)["bytes_per_second"],
    }  # fmt: skip


def markdown(table: list[dict[str, Any]]) -> str:
  heads = ("model", "chips", "batch", "GiB a chip", "sent a step", "share", "clips/s", "an epoch", "the paper's training",
           f"at {100 * UTILISATION:.0f} %", "input of a host")  # fmt: skip
  lines = [heads, ["---"] * len(heads), *map(_cells, table)]
  return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: dict[str, Any]) -> list[str]:
  alone = row["devices"] == 1
  return [
    row["model"] + (", remat" if row["remat"] else ""),
    f"{row['devices']} {row['device']}",
    f"{row['batch_size']:,}",
    f"{row['memory_gib']:.1f}",
    "nothing" if alone else f"{row['sent_gb']:.2f} GB",
    "" if alone else f"{100 * row['share']:.0f} %",
    f"{row['clips_per_second']:,.0f}",
    _time(row["epoch_hours"]),
    _time(row["training_hours"]),
    _time(row["training_hours_utilised"]),
    f"{math.ceil(row['input_cores_per_host'])} cores, {row['input_bytes_per_second_per_host'] / 1e9:.1f} GB/s",
  ]


def _time(hours: float) -> str:
  if hours >= 1:
    return f"{hours:.1f} h"
  return f"{60 * hours:.1f} min" if 60 * hours >= 1 else f"{3600 * hours:.0f} s"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  table = [row for name in MODELS for device in CHIPS for row in rows(name, device)]
  result = {
    "computed": True,
    "num_videos": NUM_VIDEOS,
    "utilisation": UTILISATION,
    "dtype": "bfloat16",
    "rows": table,
  }
  finish(result, options, markdown(table))


if __name__ == "__main__":
  main()
