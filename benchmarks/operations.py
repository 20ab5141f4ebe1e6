"""Where the time of a training step or an embedding goes: a profiler's trace as tables by kind of operation and by stage.

python benchmarks/operations.py --arch r2plus1d_18,resnet18 [--task train|embed] [--batch N] [--dtype bfloat16] [--out FILE]

Each compiled instruction's time comes from the trace, its multiply-adds and bytes (every operand read and every result written once)
from the compiled module, and its FLOOR is the longer of 2 x multiply-adds over what a large matrix product reaches here and bytes over
what a copy reaches (ceilings.py). Stages are the named scopes of the models and the step. Where two operations run at once, each has
half of the time, so shares add up to one; what no instruction explains is told ("not attributed"), and so is the time in which the
device had nothing to do. On GPUs command buffers are off, for kernels have names only so; time without the trace ("untraced") is
measured like that too.

PREDICTION: on accelerators convolutions near their floor in C3D and R3D, and batch norm's reductions and elementwise passes, which
have no multiply-adds, as the largest share after them in R(2+1)D and ResNets, at a copy's rate; on CPUs convolutions take most, weight
gradients at half the rate of the forward pass, and the optimizer of ResT's 97 M parameters about a tenth.
"""

import argparse
import gc
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import measuring
import models
import traces
from hlo_text import Module
from kinds import IDLE, KINDS, STAGES, UNKNOWN, kind_of, stage_of

from zsar_jax import large_pages

MODULES = {"train": "jit_step", "embed": "jit_apply"}
TOP = 12  # single instructions listed


def measure(arch: str, task: str, options: argparse.Namespace, ceilings: dict[str, float]) -> dict[str, Any]:
  """One model's tables. `not_attributed` is the share of the time that no instruction of the compiled module explains."""
  import jax

  case = models.CASES[arch]
  if options.small:
    case = models.shrunk(case)
  batch = options.batch or (case.batch if jax.default_backend() == "cpu" else case.batch_accelerator)
  call = models.ours(case, batch, options)[task]
  call()
  untraced = _median_seconds(call, options.steps)
  devices = traces.record(call, options.steps, MODULES[task])
  names = {event.instruction for events in devices for event in events}
  module = traces.compiled_module(MODULES[task], names)
  rows, window, busy = _instructions(devices, module, options.steps)
  return {
    "task": task,
    "batch": batch,
    "num_frames": case.num_frames,
    "size": case.size,
    "seconds": {"untraced": untraced, "traced": window},
    "not_attributed": round(sum(r["seconds"] for r in rows if r["kind"] == UNKNOWN) / window, 4),
    "without_stage": round(sum(r["seconds"] for r in rows if r["stage"] == UNKNOWN) / window, 4),
    "kinds": _table(rows, "kind", KINDS, window, window - busy, ceilings),
    "stages": _table(rows, "stage", (*STAGES, UNKNOWN, IDLE), window, window - busy, ceilings),
    "slowest": _slowest(rows, ceilings),
  }


def _median_seconds(call: Callable[[], None], steps: int) -> float:
  seconds = []
  for _ in range(steps):
    started = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - started)
  return statistics.median(seconds)


def _instructions(
  devices: list[list[traces.Event]], module: Module, steps: int
) -> tuple[list[dict[str, Any]], float, float]:
  """A row for each instruction, and the window and its busy part: seconds a step, means over devices."""
  kinds: dict[str, str] = {}
  for name in {event.instruction for events in devices for event in events}:
    kinds[name] = kind_of(module.instructions.get(name), module)
  shares = [traces.share_out(events, lambda name: kinds[name] == "loops and calls") for events in devices]
  scale = 1 / (steps * len(devices))
  rows = []
  for name, kind in kinds.items():
    instruction = module.instructions.get(name)
    count = scale * sum(share.counts.get(name, 0) for share in shares)
    rows.append({
      "name": name,
      "kind": kind,
      "stage": stage_of(instruction, module),
      "op_name": instruction.op_name if instruction else "",
      "seconds": scale * sum(share.seconds.get(name, 0) for share in shares),
      "multiply_adds": count * module.multiply_adds(instruction) if instruction else 0,
      "bytes": count * module.num_bytes(instruction) if instruction else 0,
    })  # fmt: skip
  return rows, scale * sum(share.window for share in shares), scale * sum(share.busy for share in shares)


def _floor(row: dict[str, Any], ceilings: dict[str, float]) -> float:
  """Seconds of one instruction at best."""
  products = 2 * row["multiply_adds"] / ceilings["matmul_flops_per_second"]
  return max(products, row["bytes"] / ceilings["copy_bytes_per_second"])


def _table(
  rows: list[dict[str, Any]], key: str, order: tuple[str, ...], window: float, idle: float, ceilings: dict[str, float]
) -> dict[str, dict[str, Any]]:  # fmt: skip
  """Rows summed by `key`, those that occur, in `order`. Floors are sums of the instructions' floors."""
  table: dict[str, dict[str, Any]] = {}
  for name in order:
    group = [row for row in rows if row[key] == name]
    seconds = idle if name == IDLE else sum(row["seconds"] for row in group)
    if not group and name != IDLE:
      continue
    multiply_adds, num_bytes = (sum(row[k] for row in group) for k in ("multiply_adds", "bytes"))
    floor = sum(_floor(row, ceilings) for row in group)
    table[name] = {
      "seconds": seconds,
      "share": round(seconds / window, 4),
      "multiply_adds": round(multiply_adds),
      "bytes": round(num_bytes),
      "flops_per_second": round(2 * multiply_adds / seconds) if seconds else 0,
      "bytes_per_second": round(num_bytes / seconds) if seconds else 0,
      "floor_seconds": floor,
      "over_floor": round(seconds / floor, 2) if floor else None,
    }
  return table


def _slowest(rows: list[dict[str, Any]], ceilings: dict[str, float]) -> list[dict[str, Any]]:
  rows = sorted(rows, key=lambda row: -row["seconds"])[:TOP]
  return [row | {"floor_seconds": _floor(row, ceilings)} for row in rows]


def text_of(arch: str, result: dict[str, Any]) -> str:
  """The two tables."""
  seconds, lines = result["seconds"], []
  lines.append(
    f"{arch}, {result['task']}, {result['batch']} clips of {result['num_frames']} x {result['size']}²: "
    f"{seconds['traced']:.4g} s a step traced, {seconds['untraced']:.4g} s without; not attributed {result['not_attributed']:.1%}"
  )
  for part in ("kinds", "stages"):
    lines.append(
      f"{part[:-1]:30}{'s':>9}{'share':>8}{'G madds':>9}{'GB':>8}{'GFLOP/s':>9}{'GB/s':>8}{'/ floor':>8}"
    )
    for name, row in result[part].items():
      over = f"{row['over_floor']:8.1f}" if row["over_floor"] else " " * 8
      lines.append(
        f"{name:30}{row['seconds']:9.4f}{row['share']:8.1%}{row['multiply_adds'] / 1e9:9.2f}{row['bytes'] / 1e9:8.2f}"
        f"{row['flops_per_second'] / 1e9:9.1f}{row['bytes_per_second'] / 1e9:8.1f}{over}"
      )
  return "\n".join(lines)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--arch", default="r2plus1d_18,resnet18", help=f"some of {', '.join(models.CASES)}")
  parser.add_argument("--task", choices=(*MODULES, "both"), default="both")
  parser.add_argument("--steps", type=int, default=3, help="that are traced")
  parser.add_argument("--batch", type=int, help="clips; default: 1 or 2 on CPUs, 32 to 128 on accelerators")
  parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: bfloat16 on accelerators")
  parser.add_argument(
    "--conv_impl", default="auto", help="how our convolutions are written; see models/conv.py"
  )
  parser.add_argument("--small", action="store_true", help="a dry run on small frames")
  parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
  parser.add_argument("--out", type=pathlib.Path, help="write the JSON here")
  options = parser.parse_args()
  archs = options.arch.split(",")
  problems = [
    f"unknown --arch {arch}; there are {', '.join(models.CASES)}"
    for arch in archs
    if arch not in models.CASES
  ]
  problems += [f"--{name} {value} should be at least 1" for name in ("steps", "batch")
               if (value := getattr(options, name)) is not None and value < 1]  # fmt: skip
  if problems:
    parser.error("; ".join(problems))
  traces.show_single_kernels()
  import ceilings
  import jax

  options.dtype = options.dtype or ("float32" if jax.default_backend() == "cpu" else "bfloat16")
  limits = ceilings.measure(options.dtype)
  result: dict[str, Any] = measuring.facts("jax", "jaxlib", "flax", "optax")
  result |= {"device": jax.devices()[0].device_kind, "dtype": options.dtype, "ceilings": limits, "models": {}}
  tasks = list(MODULES) if options.task == "both" else [options.task]
  for arch in archs:
    for task in tasks:
      result["models"].setdefault(arch, {})[task] = measure(arch, task, options, limits)
      jax.clear_caches()
      gc.collect()
      measuring.save(result, options.out)  # a call that is cut short leaves what it had
  texts = [text_of(arch, each) for arch, found in result["models"].items() for each in found.values()]
  measuring.finish(result, options, "\n\n".join(texts))


if __name__ == "__main__":
  large_pages.restart()  # as our commands have it
  main()
