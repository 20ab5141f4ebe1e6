"""What was tried to make a step faster: each idea with its prediction, the equality of results, and the ratio measured.

python benchmarks/tried.py [--only layout,remat] [--rounds 7] [--out benchmarks/results/tried-cpu.json]

Each idea is timed in alternation with what is done without it, at shapes of the papers' models. The ratio is the time without over the
time with it: above 1, the idea is faster. FLOOR: the multiply-adds are the same on both sides, but for the stem as 4 x 4 (31 % more),
padded_stem (6.7 % more), padded_widths (0.9 % more), remat (a third more) and tokens_once (21 tokens in place of 38); what else can be
saved are passes over memory, lanes of vectors left empty and kernels to start. Predictions stand beside the ideas, in trials_layers.py,
trials_steps.py and trials_flags.py, those that were known before marked as such; what was found and kept is in results/tried.md. XLA's
flags need a process each, and come first, before this one holds memory of the device. Runs without TensorFlow.
"""

import argparse
import gc
import os
import pathlib
import sys
from typing import Any

import jax
import measuring
import trials_flags
import trials_layers
import trials_steps
from trial import Scale, verdict

from zsar_jax import large_pages


def scale_of(options: argparse.Namespace, accelerator: bool) -> Scale:
  """CPUs: a few frames, float32. Accelerators: a real batch, bfloat16."""
  if options.small:
    return Scale("float32", frames=2, clips=1, shrink=4, rounds=options.rounds or 1)
  if accelerator:
    return Scale("bfloat16", frames=1024, clips=64, shrink=1, rounds=options.rounds or 9)
  return Scale("float32", frames=8, clips=1, shrink=1, rounds=options.rounds or 5)


def main() -> None:
  # JAX reads this when it first meets its devices; the processes of the flags share them with this one.
  os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
  accelerator = jax.default_backend() != "cpu"
  # What this process once took of a GPU it keeps, so what needs the GPU elsewhere comes first.
  trials = trials_flags.trials(accelerator) | trials_layers.TRIALS | trials_steps.TRIALS
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--only", help=f"some of {', '.join(trials)}, with commas")
  parser.add_argument("--rounds", type=int, help="of alternation; default: 5, on accelerators 9")
  parser.add_argument("--small", action="store_true", help="a dry run at small sizes")
  parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
  parser.add_argument("--out", type=pathlib.Path, help="write the JSON here")
  options = parser.parse_args()
  only = options.only.split(",") if options.only else list(trials)
  problems = [f"unknown --only {name}; there are {', '.join(trials)}" for name in only if name not in trials]
  if options.rounds is not None and options.rounds < 1:
    problems.append(f"--rounds {options.rounds} should be at least 1")
  if problems:
    parser.error("; ".join(problems))
  scale = scale_of(options, accelerator)
  result: dict[str, Any] = measuring.facts("jax", "jaxlib", "flax", "optax")
  result |= {"device": jax.devices()[0].device_kind, "scale": scale._asdict(), "trials": {}}
  for name in trials:
    if name not in only:
      continue
    print(f"{name} ...", file=sys.stderr, flush=True)
    trial = trials[name]
    found = trial.run(scale)
    result["trials"][name] = {
      "idea": trial.idea,
      "prediction": trial.prediction,
      **found,
      "verdict": verdict(found),
    }
    jax.clear_caches()
    gc.collect()
    measuring.save(result, options.out)  # a call that is cut short leaves what it had
  text = [
    f"{name:20}{each['verdict']:24}{each['idea']}\n{'':20}predicted {each['prediction']}"
    for name, each in result["trials"].items()
  ]
  measuring.finish(result, options, "\n".join(text))


if __name__ == "__main__":
  large_pages.restart()  # as our commands have it
  main()
