"""What the guard counts: work, instructions, bytes, reads, imports. The same on every machine, whatever else it is doing.

Chosen by trial: the optimised HLO of a CPU was the same with instructions up to SSE4.2, AVX2 or AVX-512, on one core or two, and beside
one device or eight, and so were the figures of `cost_analysis` and of `memory_analysis`; LLVM's level of optimisation, set low here to
spare time, is below all of them.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from made_up import random_records
from model_cases import CASES
from programs import ROOT, Program, config_file, program, work_of_embed, work_of_train

from zsar_jax.accounting import num_bytes
from zsar_jax.costs import trace_gradient
from zsar_jax.data import sampling
from zsar_jax.data.index import open_index

Counts = dict[str, int | list[str]]

# One of each kind: factored and whole 3-D kernels, 2-D with a transformer. Training of the others is counted in full only.
QUICK_MODELS = ("r2plus1d_18", "c3d", "resnet18")
# Training steps of the demo, and forward passes of the papers' encoders on little pictures.
TRAINED = {"demo_rest": "demo.py", "demo_e2e": "demo.py:e2e"}
EMBEDDED = {
  "r2plus1d_18": ("e2e_r2plus1d.py", {"data.num_frames": "4", "data.short_side": "32", "data.crop": "32"}),
  "resnet18": (
    "rest18.py",
    {"data.num_frames": "2", "data.short_side": "64", "data.crop": "64", "model.num_layers": "2"},
  ),
}
ENTRIES = (
  "zsar_jax", "zsar_jax.main", "zsar_jax.evaluate", "zsar_jax.embedding", "zsar_jax.tune", "zsar_jax.predict", "zsar_jax.serve",
  "zsar_jax.describe", "zsar_jax.export", "zsar_jax.report", "zsar_jax.study", "zsar_jax.checkpoints", "zsar_jax.classes.__main__",
  "data_prep.build",
)  # fmt: skip
# Packages whose import a user waits for.
HEAVY = (
  "PIL", "av", "cv2", "fastapi", "flax", "gensim", "jax", "matplotlib", "optax", "orbax", "pandas", "rich", "scipy", "sklearn",
  "tensorflow", "tensorflow_datasets", "torch", "uvicorn",
)  # fmt: skip


def measure(full: bool, say: Callable[[str], None]) -> Counts:
  """All counts; without `full`, of some models only."""
  counts: Counts = {}
  for name, case in CASES.items():
    say(f"tracing {name}")
    counts |= traced(name, program(config_file(case.config), 1, 664), full or name in QUICK_MODELS)
  for name, config in TRAINED.items():
    say(f"compiling a training step of {name}")
    step, *arguments = program(config, 16, 24).train_step()
    counts |= compiled(f"compiled.{name}.train", step, *arguments)
  for name, (config, keys) in EMBEDDED.items():
    say(f"compiling {name}'s embedding")
    apply, *arguments = program(config, 2, 24, keys).embedding()
    counts |= compiled(f"compiled.{name}.embed", apply, *arguments)
  say("reading made-up records, importing")
  return counts | reads() | imports(ENTRIES)


def only_in_full(key: str) -> bool:
  """Whether a count belongs to what `measure` leaves out without `full`."""
  kind, name, *rest = key.split(".")
  return name not in QUICK_MODELS and (kind == "residuals" or (kind == "work" and rest[0] == "train"))


def traced(name: str, made: Program, training: bool) -> Counts:
  """Of one clip: multiply-adds, bytes that cross to the device, bytes kept for the backward pass."""
  counts: Counts = {
    f"work.{name}.embed.multiply_adds": work_of_embed(made).multiply_adds,
    f"transfer.{name}.bytes_per_clip": num_bytes(made.subject.batch(1)),
  }
  if training:
    counts[f"work.{name}.train.multiply_adds"] = work_of_train(made).multiply_adds
    counts[f"residuals.{name}.bytes_per_clip"] = trace_gradient(made.subject, 1).residual_bytes
  return counts


def compiled(key: str, function: Any, *arguments: Any) -> Counts:
  """Instructions of the optimised HLO, and what XLA says of it."""
  done = function.lower(*arguments).compile(compiler_options={"xla_backend_optimization_level": 0})
  found = opcodes(done.as_text())
  cost, memory = done.cost_analysis(), done.memory_analysis()
  counts = {
    "instructions": sum(found.values()),
    "fusions": found["fusion"],
    "convolutions": found["convolution"],
    "dots": found["dot"],
    "reductions": found["reduce"] + found["reduce-window"],
    "copies_and_transposes": found["copy"] + found["transpose"],
    "whiles": found["while"],
    "flops": int(cost["flops"]),
    "bytes_accessed": int(cost["bytes accessed"]),
    "temporary_bytes": int(memory.temp_size_in_bytes),
  }
  return {f"{key}.{name}": value for name, value in counts.items()}


def opcodes(text: str) -> collections.Counter[str]:
  """How many instructions of each kind an HLO text has, those inside fusions too."""
  # NAME = TYPE OPCODE(OPERANDS); a type is in brackets where it is a tuple.
  return collections.Counter(re.findall(r"^\s+(?:ROOT )?%?\S+ = .*? ([a-z][a-z0-9-]*)\(", text, re.M))


def reads() -> Counts:
  """Of three batches of 16-frame clips from made-up records."""
  counts: Counts = {}
  with tempfile.TemporaryDirectory() as folder:
    random_records(pathlib.Path(folder), 32, 60, 500)
    for stride in (1, 2):
      index = open_index(folder)
      for step in range(3):
        rows, clips = sampling.global_rows(len(index), 0, step, 16)
        draws = sampling.clip_draws(0, clips, 1)[:, 0]
        index.frame_bytes(rows, sampling.train_frames(index.num_frames[rows], 16, stride, draws))
      counts[f"reads.stride_{stride}.reads"] = index.num_reads
      counts[f"reads.stride_{stride}.bytes"] = index.bytes_read
      index.close()
  return counts


def imports(entries: tuple[str, ...], path: pathlib.Path = ROOT) -> Counts:
  """Of each entry point, imported by a fresh interpreter: how many modules it brings, how many of ours, and which heavy packages.

  Raises:
    RuntimeError: one cannot be imported.
  """
  return {key: value for entry in entries for key, value in _imported(entry, path)}


def _imported(entry: str, path: pathlib.Path) -> Iterator[tuple[str, int | list[str]]]:
  # What the interpreter brings differs with how it and this project were installed.
  code = (
    f"import sys, json; b = set(sys.modules); import {entry}; print(json.dumps(sorted(set(sys.modules) - b)))"
  )
  done = subprocess.run([sys.executable, "-c", code], cwd=path, check=False, capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f"import {entry} failed:\n{done.stderr[-2000:]}")
  modules = json.loads(done.stdout.splitlines()[-1])
  packages = {name.partition(".")[0] for name in modules}
  name = entry.removeprefix("zsar_jax.").removesuffix(".__main__").replace(".", "_")
  yield f"imports.{name}.modules", len(modules)
  yield f"imports.{name}.own_modules", sum(m.startswith(("zsar_jax", "data_prep")) for m in modules)
  yield f"imports.{name}.heavy", [package for package in HEAVY if package in packages]
