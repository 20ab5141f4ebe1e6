"""The axes of benchmarks/scaling.py: each gives cases {name: {"unit", "predicted", "points", "fit"}}.

Devices and pods have no fit: their work is the same, or grows with them, at every point.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import evaluate
import jax
import measuring
import numpy as np
from programs import Program, program, work_of_embed, work_of_train
from scaling_fits import fitted

from zsar_jax.data.sampling import distinct_frames, even_clips
from zsar_jax.methods.frames import normalize
from zsar_jax.models.flops import count
from zsar_jax.train.apply import make_apply
from zsar_jax.train.state import make_network
from zsar_jax.types import Prototypes
from zsar_jax.zeroshot.protocols import EmbeddedVideos, score_all_and_half

Case = dict[str, Any]
CLASSES = 64
# What a CPU can do: the papers' encoders on smaller pictures, a transformer of two layers.
MODELS = {
  "ResT-18": ("rest18.py", {"data.short_side": "64", "data.crop": "64", "data.num_frames": "4", "model.num_layers": "2"}),
  "R(2+1)D-18": ("e2e_r2plus1d.py", {"data.short_side": "64", "data.crop": "64", "data.num_frames": "4"}),
}  # fmt: skip
WORKS = {"train": work_of_train, "embed": work_of_embed}


def _models_of(small: bool) -> dict[str, tuple[str, dict[str, str]]]:
  """Without much to compile where it is only tried out."""
  if not small:
    return MODELS
  config, keys = MODELS["ResT-18"]
  tiny = {
    "model.backbone": "resnet_tiny",
    "model.width": "32",
    "model.num_layers": "1",
    "model.num_heads": "2",
  }
  return {"a tiny ResT": (config, keys | tiny | {"model.hidden": "64"})}


def batch(rounds: int, small: bool) -> dict[str, Case]:
  return _models("clips a batch", (1, 2) if small else (1, 2, 4, 8), rounds, small)


def frames(rounds: int, small: bool) -> dict[str, Case]:
  return _models("frames", (4, 8) if small else (4, 8, 16), rounds, small)


def _models(unit: str, sizes: tuple[int, ...], rounds: int, small: bool) -> dict[str, Case]:
  """Embedding by both models, along the batch or the frames; along the batch also ResT-18's training step."""
  cases = {}
  for title, (config, keys) in _models_of(small).items():
    made = {
      x: program(config, 1, CLASSES, keys | {"data.num_frames": str(x)})
      if unit == "frames"
      else program(config, x, CLASSES, keys)
      for x in sizes
    }
    calls = {x: one.callable() for x, one in made.items()}
    cases[f"{title}, embedding"] = _task(unit, made, calls, "embed", rounds)
    if title == "ResT-18" and unit != "frames" and not small:
      cases[f"{title}, training step"] = _task(unit, made, calls, "train", rounds)
  return cases


def _task(
  unit: str, made: dict[int, Program], calls: dict[int, dict[str, Callable[[], None]]], task: str, rounds: int
) -> Case:
  seconds = _seconds({str(x): one[task] for x, one in calls.items()}, rounds)
  points = [
    {"x": x, "seconds": seconds[str(x)], "multiply_adds": WORKS[task](one).multiply_adds}
    for x, one in made.items()
  ]
  return _case(unit, "as the multiply-adds, less what is paid once", points)


def _seconds(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
  measured = measuring.alternate(calls, rounds)
  return {name: round(statistics.median(values), 5) for name, values in measured.items()}


def _case(unit: str, predicted: str, points: list[Case], work: str = "multiply_adds") -> Case:
  return {
    "unit": unit,
    "predicted": predicted,
    "points": points,
    "fit": fitted(points, work),
  }


def clips(rounds: int, small: bool) -> dict[str, Case]:
  """Clips of one video at evaluation: distinct frames through ResT's encoder once, whole clips through E2E's."""
  length, numbers, cases = 64, (1, 5) if small else (1, 5, 25), {}
  for title, (config, keys) in _models_of(small).items():
    made = program(config, 1, CLASSES, keys)
    calls, points = {}, []
    for num in numbers:
      calls[str(num)], work = _embed_video(made, length, num)
      points.append({"x": num, "multiply_adds": work})
    for point, value in zip(points, _seconds(calls, rounds).values(), strict=True):
      point["seconds"] = value
    cases[f"{title}, a video of {length} frames"] = _case(
      "clips", "as the frames that the clips show", points
    )
  return cases


def _embed_video(made: Program, length: int, num_clips: int) -> tuple[Callable[[], None], int]:
  config, method = made.subject.config, made.subject.method
  places = even_clips(np.array([length]), num_clips, config.data.num_frames, config.data.stride)
  distinct, positions = distinct_frames(places)
  video = np.random.default_rng(0).integers(
    0, 256, (1, distinct.shape[1], config.data.crop, config.data.crop, 3), np.uint8
  )
  inputs = jax.device_put((video, positions))
  apply = make_apply(
    made.subject.network.graphdef,
    made.mesh,
    lambda model, x: method.embed_clips(model, normalize(x[0], config.data), x[1]).own,
  )
  network = make_network(method, 0)
  arguments = (network.params, network.batch_stats, inputs)
  work = count(apply.trace(*arguments).jaxpr.jaxpr).multiply_adds  # type: ignore[attr-defined]
  return lambda: jax.block_until_ready(apply(*arguments)), work


def classes(rounds: int, small: bool) -> dict[str, Case]:
  """Scoring of 5000 videos, and transfer up to 2000 unseen by 20,000 seen classes."""
  sizes, videos = (64, 128) if small else (100, 400, 1600), 500 if small else 5000
  scores = {str(num): _scoring(videos, num) for num in sizes}
  seconds = _seconds(scores, rounds)
  points = [
    {"x": num, "seconds": seconds[str(num)], "multiply_adds": videos * num * evaluate.WIDTH} for num in sizes
  ]
  cases = {f"scoring {videos:,} videos": _case("classes", "as videos × classes × width", points)}
  pairs = ((20, 200), (40, 400)) if small else ((20, 200), (200, 2000), (2000, 20_000))
  points = []
  for unseen, seen in pairs:
    found = evaluate.measure_transfer(1 if unseen == 2000 else rounds, unseen, seen, with_full=False)[
      "seconds"
    ]
    points.append(
      {"x": unseen * seen, "seconds": found["reduced program"], "seconds_closed_form": found["closed form"]}
    )
  told = "as the edges, U × S, which are computed and sorted; the program itself sees K = 5 a row"
  return cases | {"transfer, integer program": _case("edges", told, points, "x")}


def _scoring(num_videos: int, num_classes: int) -> Callable[[], Any]:
  random = np.random.default_rng(0)
  vectors = random.standard_normal((num_classes, evaluate.WIDTH)).astype(np.float32)
  vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
  label = np.arange(num_videos) % num_classes
  predicted = jax.device_put(
    vectors[label] + 0.1 * random.standard_normal((num_videos, evaluate.WIDTH), np.float32)
  )
  names = tuple(f"class {row}" for row in range(num_classes))
  videos = EmbeddedVideos("made up", names, predicted, label, 1, level="single")
  prototypes = Prototypes(names, vectors, "semantic")
  return lambda: score_all_and_half(videos, prototypes, primary=False)


def videos(rounds: int, small: bool) -> dict[str, Case]:
  """An index and the order of its videos, made up; seconds of all steps together, and memory."""
  del rounds
  sizes = (20_000, 40_000) if small else (100_000, 1_000_000, 10_000_000)
  points = []
  for num in sizes:
    command = [
      sys.executable,
      str(pathlib.Path(__file__).with_name("index_scale.py")),
      "--videos",
      str(num),
      "--json",
    ]
    with tempfile.TemporaryDirectory() as folder:
      done = subprocess.run([*command, "--folder", folder], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    points.append({
      "x": num, "seconds": round(sum(found["seconds"].values()), 4), "steps": found["seconds"], "peak_memory_mb": found["peak_memory_mb"],
    })  # fmt: skip
  case = _case(
    "videos",
    "as the videos, a little more for sorting; a batch is planned in the time of its frames",
    points,
    "x",
  )
  return {"index and order": case | {"memory": fitted(points, "x", "peak_memory_mb")}}


def devices(rounds: int, small: bool) -> dict[str, Case]:
  """The same batch on 1 to 8 devices that share the cores: what splitting costs, never what it gains."""
  points = []
  for num in (1, 2) if small else (1, 2, 4, 8):
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={num}", "JAX_PLATFORMS": "cpu"}
    task = "embed" if small else "train"  # which compiles in a fifth of the time
    command = [sys.executable, __file__, "--devices", str(num), "--rounds", str(rounds), "--task", task]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    points.append(json.loads(done.stdout))
  alone = points[0]["seconds"]
  for point in points:
    point["times_one_device"] = round(point["seconds"] / alone, 3)
  told = (
    "the same work and cores, so 1 × one device and what exchange and smaller pieces cost: overhead alone"
  )
  return {"E2E demo's step, batch 16": {"unit": "devices", "predicted": told, "points": points}}


def _one_mesh(num: int, rounds: int, task: str) -> Case:
  made = program(
    "demo.py:e2e", 16, 24, {"data.num_frames": "4", "data.short_side": "32", "data.crop": "32"}, devices=num
  )
  call = made.callable()[task]
  call()
  spent = []
  for _ in range(max(3, rounds)):
    started = time.perf_counter()
    call()
    spent.append(time.perf_counter() - started)
  return {"x": num, "seconds": round(statistics.median(spent), 5)}


def pods(rounds: int, small: bool) -> dict[str, Case]:
  """Computed, not measured, by the model of benchmarks/pod_table.py (docs/scale.md has the whole table)."""
  del rounds
  import pod_table

  cases = {}
  for name in list(pod_table.MODELS)[: 1 if small else None]:
    points = [
      {"x": row["devices"], "seconds": row["batch_size"] / row["clips_per_second"], "clips_per_second": row["clips_per_second"],
       "share_of_exchange": row["share"]}
      for row in pod_table.rows(name, "h200")
    ]  # fmt: skip
    told = "computed: a step takes as long on any number, but for the exchange"
    cases[f"{name}, H200 (computed)"] = {"unit": "devices", "predicted": told, "points": points}
  return cases


AXES: dict[str, Callable[[int, bool], dict[str, Case]]] = {
  "batch": batch, "frames": frames, "clips": clips, "classes": classes, "videos": videos, "devices": devices, "pods": pods,
}  # fmt: skip


if __name__ == "__main__":  # one number of devices, for they are counted when JAX starts
  parser = argparse.ArgumentParser()
  parser.add_argument("--devices", type=int)
  parser.add_argument("--rounds", type=int)
  parser.add_argument("--task")
  given = parser.parse_args()
  print(json.dumps(_one_mesh(given.devices, given.rounds, given.task)))
