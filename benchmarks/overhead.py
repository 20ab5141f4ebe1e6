"""What training costs beside the compiled step: waiting for input, metrics, checkpoints.

python benchmarks/overhead.py --out benchmarks/results/overhead-cpu.json

A real run of `zsar_jax.main`'s training (records, TensorBoard, a checkpoint each minute) against the same compiled step called back to
back on one batch that lies on the device, before and after it. `outside_step` is the share of the run's wall time that those calls do
not explain; `data_wait`, `saving` are what the loop itself measured of it. On CPUs decoding and the step share the cores, so what
decoding takes appears as a slower step. Prints one JSON object; shares in per cent.

The floor is the compiled step: nothing outside it. The pipeline delivers several times what a CPU trains, so waiting comes to the first
batch alone; a checkpoint copies the state (R(2+1)D-18 with Adam: 31.5 M x 12 bytes = 0.4 GB, 0.1 s at 4 GB/s) before the next step and is
written behind it: 0.2 % at one a minute. Found: waiting 0.01 to 0.22 %, checkpoints 0.01 to 0.28 %.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import measuring

from zsar_jax import config as configs
from zsar_jax.session import Session, TrainingBatches, open_session
from zsar_jax.train.sharding import place_batch, place_everywhere
from zsar_jax.train.state import init_state
from zsar_jax.train.step import make_train_step

ROOT = pathlib.Path(__file__).parent.parent


class Case(NamedTuple):
  """What is trained, and for how many steps of the main phase."""

  config: str
  steps: int
  overrides: dict[str, str]


CASES = {
  "demo": Case("demo.py:e2e", 500, {}),
  "demo_rest": Case("demo.py", 700, {"train.warmup.steps": "1"}),
  # R(2+1)D-18, 31 million parameters, on clips of the demo.
  "middle": Case("demo.py:e2e", 60, {"model.backbone": "r2plus1d_18"}),
}
EVERY = 10  # steps between two lines of the log
ALONE = 15  # steps called back to back


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
  parser.add_argument("--minutes", type=float, default=1.0, help="between two checkpoints")
  parser.add_argument("--steps", type=int, help="of each run, instead of the case's own")
  parser.add_argument("--data", default=str(ROOT / "data"), help="where the generated videos are")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  found = {name: measure(CASES[name], options) for name in options.cases}
  versions = measuring.facts("jax", "flax", "orbax-checkpoint", "tensorflow")
  devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
  measuring.report(versions | {"devices": devices, "cases": found}, options.out)


def measure(case: Case, options: argparse.Namespace) -> dict[str, Any]:
  steps = options.steps or case.steps
  overrides = case.overrides | {
    "train.joint.steps": str(steps), "data.dir": options.data, "checkpoint.every_steps": "0",
    "checkpoint.every_minutes": str(options.minutes), "logging.every_steps": str(EVERY), "logging.validate_every_steps": str(10**9),
  }  # fmt: skip
  config = configs.load(f"{ROOT}/configs/{case.config}", overrides)
  with tempfile.TemporaryDirectory() as folder:
    workdir = pathlib.Path(folder)
    session = open_session(config, workdir)
    alone = steps_alone(session)
    before = alone()
    session.train()
    after = alone()
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
  main_phase = session.stages[-1].phase.name
  return shares([x for x in lines if x["kind"] == "train" and x["phase"] == main_phase], before, after)


def steps_alone(session: Session) -> Callable[[], float]:
  """A call that gives the seconds of one compiled step, over several back to back."""
  stage, mesh = session.stages[-1], session.mesh
  step = make_train_step(session.config, session.network.graphdef, stage, mesh)
  batch = place_batch(mesh, next(TrainingBatches(session.reader, session.corpus.train).stream(0)))

  def once() -> float:
    # A copy: the step gives the arrays of its state away.
    state = place_everywhere(mesh, jax.tree.map(lambda x: x.copy(), init_state(session.network, stage)))
    state, *_ = jax.block_until_ready(step(state, batch))
    started = time.perf_counter()
    for _ in range(ALONE):
      state, *_ = step(state, batch)
    jax.block_until_ready(state)
    return (time.perf_counter() - started) / ALONE

  return once


def shares(lines: list[dict[str, Any]], before: float, after: float) -> dict[str, Any]:
  """The first line is left out: it holds the compilation."""
  steps, seconds = lines[-1]["step"] - lines[0]["step"], lines[-1]["time"] - lines[0]["time"]
  alone = statistics.mean([before, after])

  def mean(key: str) -> float:
    parts = [(b["time"] - a["time"], b[key]) for a, b in itertools.pairwise(lines)]
    return round(100 * sum(t * share for t, share in parts) / seconds, 3)

  return {
    "steps": steps,
    "seconds": round(seconds, 2),
    "step_seconds_alone": [round(before, 4), round(after, 4)],
    "outside_step": round(100 * (1 - steps * alone / seconds), 2),
    "data_wait": mean("data_wait_share"),
    "saving": mean("save_share"),
    "checkpoints": sum(line["save_share"] > 0 for line in lines[1:]),
  }


if __name__ == "__main__":
  main()
