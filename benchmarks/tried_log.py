"""Writes the first table of benchmarks/results/tried.md from the results of tried.py: no ratio measured there is typed.

python benchmarks/tried_log.py [--check]

An idea that a device has no result for stands as "not measured". --check writes nothing and fails where the page and the results differ.
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import trials_flags
import trials_layers
import trials_steps

RESULTS = pathlib.Path(__file__).parent / "results"
BEGIN, END = "<!-- tried -->\n", "<!-- end -->"
FILES = {"CPU": "tried-cpu.json", "H200": "tried-h200.json"}

# What became of each idea, and what it is worth trying for on a GPU.
DECISIONS = {
  "conv_bn_relu": ("a bound, no change: statistics are one pass over the activation already", "decides whether a Pallas epilogue pays"),
  "layout": ("no: channels last", "yes: cuDNN may choose otherwise for narrow stems"),
  "temporal_matmul": ("not yet: would be a choice of models/conv.py", "no: native there"),
  "temporal_native": ("no on CPUs; native on accelerators", "it is what runs there"),
  "cubic_native": ("no on CPUs; native on accelerators", "it is what runs there"),
  "weight_gradient": ("yes on CPUs, of kernels with 4096 weights a tap or more", "no"),
  "padded_widths": ("not yet: for accelerators first", "yes, first of all: R(2+1)D"),
  "padded_stem": ("not yet: for accelerators first", "yes, first of all: R(2+1)D"),
  "space_to_depth_stem": ("not yet: kernels keep the published shape", "yes: 3 channels use 3/8 of a tensor core"),
  "tokens_once": ("yes: one pass since the beginning", "it is what runs there"),
  "flat_optimizer": ("no", "yes: 62 to 220 small kernels"),
  "checked_gradient": ("no: a step that overflows in the update must change nothing either", "yes"),
  "grouped_norm": ("yes: `model.bn_group_size`", "yes: batch 128 and more with the published groups of 16"),
  "remat": ("an option: `model.remat`, off", "only where a batch does not fit"),
  "vector_512": ("no: a flag is the user's", "no"),
  "onednn": ("no: experimental in XLA", "no"),
  "ynn": ("no: experimental in XLA", "no"),
  "xnn_dot": ("no: experimental in XLA", "no"),
  "large_pages": ("yes: every command asks for them", "no"),
  "latency_hiding": ("", "yes, of several GPUs above all"),
  "autotune_0": ("", "to know what autotuning gives"),
  "command_buffer_off": ("", "operations.py traces so"),
}  # fmt: skip


def rows() -> list[str]:
  """The table's lines."""
  files = {device: RESULTS / name for device, name in FILES.items()}
  found: dict[str, Any] = {d: json.loads(path.read_text()) for d, path in files.items() if path.exists()}
  trials = trials_layers.TRIALS | trials_steps.TRIALS | trials_flags.trials(False) | trials_flags.trials(True)
  lines = ["| idea | predicted | measured | kept | on a GPU, worth trying |", "|---|---|---|---|---|"]
  for name, trial in trials.items():
    kept, gpu = DECISIONS[name]
    lines.append(
      f"| {_cell(trial.idea)} (`{name}`) | {_cell(trial.prediction)} | {_measured(name, found)} | {kept or '–'} | {gpu} |"
    )
  return lines


def _measured(name: str, found: dict[str, Any]) -> str:
  parts = [
    f"{device}: {_cell(result['trials'][name]['verdict'])} ({result['date']})"
    for device, result in found.items()
    if name in result["trials"]
  ]
  return "; ".join(parts) or "not measured"


def _cell(text: str) -> str:
  return text.replace("|", "\\|")


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--check", action="store_true", help="only compare")
  options = parser.parse_args()
  page = RESULTS / "tried.md"
  old = page.read_text()
  start, end = old.index(BEGIN) + len(BEGIN), old.index(END)
  new = old[:start] + "\n".join(rows()) + "\n" + old[end:]
  if options.check and new != old:
    sys.exit("benchmarks/results/tried.md differs from the results; run `python benchmarks/tried_log.py`")
  if not options.check:
    page.write_text(new)


if __name__ == "__main__":
  main()
