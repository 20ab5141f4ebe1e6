"""Training step and embedding of every model, ours and PyTorch's in alternation, from the same weights.

python benchmarks/models.py [--arch r2plus1d_18,resnet18] [--out benchmarks/results/models-cpu.json] [--json]
python benchmarks/models.py --minutes 9 --add --out benchmarks/results/models-h200.json   # several calls fill one file
python benchmarks/models.py --sweep --arch resnet18 --add --out benchmarks/results/models-h200.json
python benchmarks/models.py --small                                                     # a dry run

Each model is its paper's (E2E with 16 frames of 112 x 112; ResT with its frames of 224 x 224 and a 12-layer transformer; VGG16 with 2
frames, to spare time) from bytes on the device to updated parameters (normalisation, loss, gradient, Adam or AdamW), or to
embeddings. PyTorch (torchvision's networks), eager and through torch.compile, in float32 on CPUs; on GPUs in bfloat16 by autocast,
channels last. Our process has large pages where our commands ask for them (zsar_jax/large_pages.py); PyTorch's has what it gets by
itself, and on CPUs eager is measured with large pages too (`torch_large_pages`). Both sides first compute the same from the same weights
(benchmarks/agreement.py), or the model is not measured. What differs in training: PyTorch has one mean for all colours, no flip, words
masked at a rate of 0.5, dropout inside attention.

The floor of a step: the multiply-adds of its convolutions and matrix products, counted from the jaxpr (training 3 x a forward pass),
over the rate of one large product, or the bytes that these read and write over the rate of a copy (benchmarks/ceilings.py), whichever
is longer. KNOWN for CPUs, from earlier runs: oneDNN's wider instructions keep PyTorch ahead wherever large convolutions rule (0.5 to 0.9 in
training, less against torch.compile); eager R(2+1)D 0.7 to 1.1, and below 1 against torch.compile; the embedding of networks of many
small layers comes out above 1. PREDICTED for GPUs, before any was measured: both call the same convolutions; ours keeps batch norm, ReLU
and casts in fewer passes: 1.3 x torch.compile at batches of 64 or more, 45 % of the ceiling in training (35 % R(2+1)D and ResT-101,
whose memory traffic is larger), 55 % in embedding. PREDICTED for large pages on CPUs: a step of R(2+1)D or ResT-18 asks the system for
550,000 small ones at about 2 us, a third of its time, which is what is saved; PyTorch asks for fewer, and saves less.

Keys of models.NAME.TASK: clips_per_second and, by side, ratio (PyTorch's seconds over ours in the same round, median over the rounds:
above 1, ours is faster), compile_seconds (ours: tracing to program; PyTorch's: first call less a later one, so eager's is tuning),
peak_bytes (peak_bytes_of: `allocator`, or `program`: what the compiled program asks for; none for PyTorch on CPUs), utilization
(operations a second over the measured ceiling; _of_reachable: over zsar_jax.devices' rate, which is `reachable_flops_per_second`),
floor_seconds and share_of_floor. `--sweep` instead doubles the batch until memory ends. Needs neither TensorFlow nor a network.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import time
from typing import Any

import measuring
from apart import Apart, SideError
from ceilings import Probe
from model_cases import CASES, TASKS, shrunk
from model_compare import LARGE, Machine, compare, sweep
from model_files import earlier, wanted
from model_sides import ours
from model_table import table

from zsar_jax.large_pages import with_large_pages

__all__ = ["CASES", "main", "ours"]

SIDES = ("ours", "torch", "torch_compiled")


class Clock:
  """Says whether there is time for another piece of work as long as the last one."""

  def __init__(self, minutes: float | None):
    self._end = None if minutes is None else time.monotonic() + 60 * minutes
    self._started: float | None = None
    self._last = 0.0

  def go_on(self) -> bool:
    """Ends the piece before, and begins the next unless less time is left than that took."""
    now = time.monotonic()
    if self._started is not None:
      self._last = now - self._started
    if self._end is not None and now + self._last > self._end:
      return False
    self._started = now
    return True


def measure(name: str, options: argparse.Namespace, machine: Machine) -> dict[str, Any]:
  """A model's entry; where memory ends, of half the batch, and so on."""
  case = shrunk(CASES[name]) if options.small else CASES[name]
  batch = options.batch or (case.batch_accelerator if machine.accelerator else case.batch)
  short: list[int] = []
  while True:
    try:
      entry = compare(case, batch, options, machine, options.sides)
      return entry | ({"out_of_memory_at": short} if short else {})
    except SideError as error:
      say(f"{name}: {error.text.splitlines()[0]}")
      if not error.out_of_memory or batch == 1:
        return {"batch": batch, "failed": {"all": error.text}}
      short.append(batch)
      batch //= 2


def measure_all(
  names: list[str], options: argparse.Namespace, machine: Machine, result: dict[str, Any], clock: Clock
) -> None:
  """Fills result["models"], and writes it after every model (of a sweep: after every point)."""
  models = result["models"]
  for position, name in enumerate(names):
    if not clock.go_on():
      result["not_measured"] = names[position:]
      break
    say(f"{name} ({position + 1} of {len(names)})")
    if options.sweep:
      case = shrunk(CASES[name]) if options.small else CASES[name]
      batch = options.batch or (case.batch_accelerator if machine.accelerator else case.batch)
      entry = models.setdefault(name, {})
      for found in sweep(case, batch, options, machine, options.sides, clock.go_on, entry.get("sweep", {})):
        entry["sweep"] = found
        measuring.save(result, options.out)
    else:
      kept = {key: value for key, value in models.get(name, {}).items() if key == "sweep"}
      models[name] = measure(name, options, machine) | kept
      for problem in models[name].get("disagrees", []):
        say(f"{name} is not measured: PyTorch's and ours do not compute the same: {problem}")
    measuring.save(result, options.out)
  measuring.save(result, options.out)


def say(text: str) -> None:
  print(text, file=sys.stderr, flush=True)


def parse(argv: list[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  add = parser.add_argument
  add("--arch", help=f"all (the default; of a dry run vgg16), or some of {', '.join(CASES)}, with commas")
  add("--tasks", default=",".join(TASKS), help="train, embed, or both with a comma (default)")
  add("--against", choices=("torch", "nothing"), default="torch")
  add(
    "--compile",
    action=argparse.BooleanOptionalAction,
    help="torch.compile too, or not; default: too, but in a dry run",
  )
  add("--rounds", type=int, help="default: 5; of a dry run 2")
  add(
    "--batch",
    type=int,
    help="clips; default: 1 or 2 on CPUs, 32 to 128 on accelerators, halved where memory ends",
  )
  add("--dtype", choices=("float32", "bfloat16"), help="default: float32 on CPUs, bfloat16 on accelerators")
  add(
    "--layout",
    choices=("contiguous", "channels_last"),
    help="of PyTorch's arrays; default: channels_last on GPUs",
  )
  add("--conv_impl", default="auto", help="how our convolutions are written; see models/conv.py")
  add(
    "--sweep",
    action="store_true",
    help="double the batch until memory ends, each side and batch in a process of its own",
  )
  add("--max_batch", type=int, help="where a sweep ends; default: none on accelerators, 8 on CPUs")
  add(
    "--minutes",
    type=float,
    help="begin nothing that is likely to end later; what is left out stands in not_measured",
  )
  add("--add", action="store_true", help="keep what --out has of the same setup, and measure what it lacks")
  add("--small", action="store_true", help="a dry run: small shapes, one model")
  add("--json", action="store_true", help="print JSON in place of a table")
  add("--out", type=pathlib.Path, help="write the JSON here, after every model")
  options = parser.parse_args(argv)
  _check(parser, options)
  return parser, options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
  """Completes what was not given; tells all that cannot be."""
  arch = options.arch or ("vgg16" if options.small else "all")
  options.names = list(CASES) if arch == "all" else arch.split(",")
  options.tasks = tuple(options.tasks.split(","))
  options.rounds = options.rounds if options.rounds is not None else (2 if options.small else 5)
  compiles = options.compile if options.compile is not None else not options.small
  options.sides = SIDES[: 1 if options.against == "nothing" else 3 if compiles else 2]
  problems = [
    f"unknown --arch {name}; there are {', '.join(CASES)}" for name in options.names if name not in CASES
  ]
  problems += [
    f"unknown --tasks {task}; there are {', '.join(TASKS)}" for task in options.tasks if task not in TASKS
  ]
  for name in ("rounds", "batch", "max_batch", "minutes"):
    value = getattr(options, name)
    if value is not None and value <= 0:
      problems.append(f"--{name} is {value}, expected more than 0")
  if options.add and not options.out:
    problems.append("--add needs --out, the file to add to")
  missing = [package for package in ("torch", "torchvision") if importlib.util.find_spec(package) is None]
  if missing and len(options.sides) > 1:
    problems.append(f"{' and '.join(missing)} cannot be imported; install them, or give --against nothing")
  if problems:
    parser.error("\n  ".join(problems))


def prepare(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[Machine, dict[str, Any]]:
  """The machine, and the result as far as it is known: facts, and the models of an earlier call."""
  # The sides share a GPU, but a point of a sweep has it for itself, where memory in one piece holds the largest batch.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "true" if options.sweep else "false")
  if "XLA_CLIENT_MEM_FRACTION" not in os.environ:
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")
  os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)  # compile times are of empty caches
  with Apart(Probe, options.dtype) as probe:
    told = probe.call("measure")
  if told["num_devices"] > 1:
    parser.error(
      f"JAX sees {told['num_devices']} devices, but this compares one; hide the others (CUDA_VISIBLE_DEVICES=0)"
    )
  accelerator = told["backend"] != "cpu"
  options.dtype, options.torch_device = told["dtype"], "cuda" if told["backend"] == "gpu" else "cpu"
  options.layout = options.layout or ("channels_last" if accelerator else "contiguous")
  options.max_batch = options.max_batch or (None if accelerator else 8)
  large = with_large_pages(os.environ) is not None
  if large and not accelerator and len(options.sides) > 1:
    options.sides += (LARGE,)
  setup = {"device": told["device"], "dtype": options.dtype, "torch_layout": options.layout,
           "conv_impl": options.conv_impl, "large_pages": large, "small": options.small}  # fmt: skip
  result = measuring.facts("jax", "jaxlib", "flax", "optax", "torch", "torchvision") | setup
  old = earlier(options.out, result, parser) if options.add else {}
  ceilings = old.get("ceilings", told["ceilings"])
  machine = Machine(accelerator, told["reachable"], ceilings)
  return machine, result | {
    "ceilings": ceilings,
    "reachable_flops_per_second": told["reachable"],
    "models": old.get("models", {}),
  }


def main(argv: list[str] | None = None) -> None:
  """The command line; exit code 2: wrong use."""
  parser, options = parse(argv)
  clock = Clock(options.minutes)
  machine, result = prepare(parser, options)
  names = wanted(options.names, result["models"], options) if options.add else options.names
  measure_all(names, options, machine, result, clock)
  measuring.finish(result, options, table(result))


if __name__ == "__main__":
  main()
