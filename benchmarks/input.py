"""Clips from disk to arrays: our pipeline against PyTorch's DataLoader with PyAV or OpenCV, in alternation, on the same videos.

python benchmarks/input.py [--json] [--videos DIR] [--seconds 10] [--rounds 3] [--out benchmarks/results/input-cpu.json]

Clips are 16 consecutive frames from a random start, cropped at random, uint8: 112 pixels of 128 on the short side (row 16x112)
and 224 of 256 (row 16x224), in batches of 32. `--videos` is a folder of class folders; without it, 48 videos of 10 s (340 x 256,
H.264) are generated; `--height 720` makes them as large as cameras do. The sides, each in a process of its own and on all cores:

  ours              records (made once) through zsar_jax.data.pipeline
  torch_raw         the videos as they are, by PyAV, without decoding what no other frame needs
  plain_raw         the same as most loaders do it: every frame from the keyframe on is decoded
  torch_preshrunk   H.264 copies at 128 or 256 pixels with a keyframe every 12 frames (made once), by PyAV
  opencv_raw        the videos as they are, by OpenCV (cv2.VideoCapture)
  opencv_preshrunk  the same copies, by OpenCV
  limit             no pipeline at all: our JPEGs, already in memory, decoded and cropped

Floor: `limit`: 16 frames of 9 kB at 128 pixels, 27 kB at 256. Two thirds of its time are the JPEGs' Huffman codes, those of whole frames:
no code tells where a column begins. Reading, checksums and two copies of the pixels come on top: 0.8 to 0.9 of the limit. Prediction: a
raw video is decoded from its last keyframe, up to 250 frames back: ten times the frames of a clip, so about ten times as long. OpenCV
decodes as PyAV does and turns every frame's colours at full size: slower on large videos. Sides whose packages are missing are
named in `not_measured`.

Start-up and the first batches are not measured. `clips_per_cpu_second` counts what processes and workers spent (user and system):
what one core does in a second, whatever else the machine is doing; `clips_per_second` is by the clock. `ratio` is ours over
theirs in the same round, the median over rounds: above 1, ours is faster. Files are read from the page cache.
"""

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import input_videos
import measuring

from zsar_jax.commands import guarded
from zsar_jax.large_pages import with_large_pages

NUM_FRAMES = 16
SHORT_SIDES = {112: 128, 224: 256}  # of each crop
RATES = ("clips_per_second", "clips_per_cpu_second")
# What a side is to do: side, records, videos, reader, num_frames, short_side, crop, batch, workers, seconds; of ours also
# `scaled_to`: pixels of the short side that frames are brought to before they are cropped.
Job = dict[str, Any]


def rates(batches: Iterable, cpu: Callable[[Any], float], job: Job, warm_up: int) -> dict[str, float]:
  """Clips a second and clips a CPU-second, of whole rounds of the workers, after `warm_up` of these.

  `cpu` gives the CPU seconds spent until a batch was made.
  """
  stream, group = iter(batches), job["workers"]

  def take() -> tuple[float, float]:
    for batch in itertools.islice(stream, group):
      spent = cpu(batch)
    return time.perf_counter(), spent

  for _ in range(warm_up):
    start = take()
  groups, end = 0, start
  while groups < 2 or end[0] - start[0] < job["seconds"]:
    end = take()
    groups += 1
  clips = groups * group * job["batch"]
  return {name: clips / (b - a) for name, a, b in zip(RATES, start, end, strict=True)}


def ours(job: Job) -> dict[str, float]:
  import numpy as np

  from zsar_jax.data.index import open_index
  from zsar_jax.data.pipeline import ClipSpec, train_batches

  index = open_index(job["records"])
  batches = train_batches(
    index, np.arange(len(index)), index.label, np.zeros((len(index.class_names), 1), np.int32),
    ClipSpec(NUM_FRAMES, 1, job["crop"], job.get("scaled_to", 0)), batch_size=job["batch"], seed=0, workers=job["workers"],
  )  # fmt: skip
  return rates(batches, lambda _: time.process_time(), job, warm_up=4)


def limit(job: Job) -> dict[str, float]:
  import numpy as np

  from zsar_jax.data import sampling
  from zsar_jax.data.decoding import decode_window
  from zsar_jax.data.index import open_index
  from zsar_jax.data.tensorflow_import import tensorflow

  tf, crop, index = tensorflow(), job["crop"], open_index(job["records"])
  numbers = np.arange(4 * job["batch"])
  rows, draws = numbers % len(index), sampling.clip_draws(0, numbers, 3)
  frames = sampling.train_frames(index.num_frames[rows], NUM_FRAMES, 1, draws[:, 0])
  jpegs = np.array(index.frame_bytes(rows, frames), object).reshape(-1, NUM_FRAMES)
  corners = sampling.random_crops(index.height[rows], index.width[rows], crop, draws[:, 1:])

  def decode(jpegs, corner):
    window = tf.concat([corner, [crop, crop]], axis=0)
    # One byte of each picture is kept: TensorFlow drops work that nobody reads.
    return [decode_window("jpeg", jpegs[t], window, 1)[0, 0, 0] for t in range(NUM_FRAMES)]

  # libjpeg-turbo through TensorFlow; through Pillow it does about half as many.
  dataset = tf.data.Dataset.from_tensor_slices((jpegs, corners)).repeat()
  dataset = dataset.map(decode, num_parallel_calls=job["workers"], deterministic=False).batch(job["batch"])
  options = tf.data.Options()
  options.threading.private_threadpool_size = job["workers"]
  options.autotune.enabled = False
  dataset = dataset.with_options(options)
  return rates(dataset, lambda _: time.process_time(), job, warm_up=4)


def theirs(job: Job) -> dict[str, float]:
  import torch_input

  return rates(torch_input.batches(job), torch_input.CpuSeconds(), job, warm_up=2)


SIDES = {
  "ours": ours, "torch_raw": theirs, "plain_raw": theirs, "torch_preshrunk": theirs, "opencv_raw": theirs, "opencv_preshrunk": theirs,
  "limit": limit,
}  # fmt: skip
READERS = {
  "torch": "pyav_input",
  "plain": "plain_input",
  "opencv": "opencv_input",
}  # by how the names of sides begin
PACKAGES = {"torch": ("torch", "av"), "plain": ("torch", "av"), "opencv": ("torch", "cv2")}


def missing(side: str) -> str:
  """The packages that a side needs and that are not installed; empty where there are none."""
  wanted = PACKAGES.get(side.split("_")[0], ())
  return ", ".join(package for package in wanted if importlib.util.find_spec(package) is None)


def measure(job: Job) -> dict[str, float]:
  """One side, once, in a process of its own."""
  command = [sys.executable, __file__, "--job", "-"]
  # As our commands have it; the others run as they do by themselves.
  large = None if "_" in job["side"] else with_large_pages(os.environ)
  done = subprocess.run(
    command,
    input=json.dumps(job),
    stdout=subprocess.PIPE,
    text=True,
    check=True,
    env=os.environ | (large or {}),
  )
  return json.loads(done.stdout)


def compare(crop: int, sources: Job, options: argparse.Namespace) -> dict[str, Any]:
  asked = [side for side in SIDES if options.against == "torch" or "_" not in side]
  sides = [side for side in asked if not missing(side)]
  shared = {"num_frames": NUM_FRAMES, "short_side": SHORT_SIDES[crop], "crop": crop, "batch": options.batch}
  shared |= {"workers": options.workers, "seconds": options.seconds, "records": sources["records"]}
  measured: dict[str, dict[str, list[float]]] = {side: {name: [] for name in RATES} for side in sides}
  for number in range(options.rounds):
    for side in sides:
      library, _, form = side.partition("_")
      own = {"side": side, "reader": READERS.get(library), "videos": sources.get(form)}
      for name, value in measure(shared | own).items():
        measured[side][name].append(round(value, 2))
      say(f"16x{crop}, round {number + 1}, {side}: {measured[side][RATES[0]][-1]} clips/s")
  medians = {s: {n: round(statistics.median(v), 2) for n, v in by.items()} for s, by in measured.items()}
  for values in medians.values():
    values["clips_per_second_per_core"] = round(values[RATES[0]] / options.workers, 2)

  def over(side: str) -> dict[str, float]:
    return {n: measuring.ratio(measured["ours"][n], measured[side][n]) for n in RATES}

  result = {"median": medians, "ratio": {s: over(s) for s in sides if "_" in s}}
  absent = {side: f"not installed: {missing(side)}" for side in asked if missing(side)}
  return result | {"share_of_limit": over("limit"), "not_measured": absent, "rounds": measured}


def say(message: str) -> None:
  print(message, file=sys.stderr, flush=True)


def table(result: dict[str, Any]) -> str:
  lines = [f"{'':24}{'clips/s':>10}{'a core':>10}{'a CPU-s':>10}{'ours is':>12}{'by CPU-s':>10}"]
  for name, row in result["rows"].items():
    for side, values in row["median"].items():
      ratio = row["ratio"].get(side) or (row["share_of_limit"] if side == "limit" else None)
      cells = [values[n] for n in ("clips_per_second", "clips_per_second_per_core", "clips_per_cpu_second")]
      ends = [f"{ratio[n]:.2f} x" for n in RATES] if ratio else ["", ""]
      lines.append(f"{name} {side:17}" + "".join(f"{c:10.1f}" for c in cells) + f"{ends[0]:>12}{ends[1]:>10}")
  for name, row in result["rows"].items():
    lines += [f"{name} {side}: {why}" for side, why in row["not_measured"].items()]
    stored = row["stored"]
    for form in ("raw", "preshrunk", "records"):
      once = f", {stored[form]['seconds_once']} s to make" if "seconds_once" in stored[form] else ""
      lines.append(f"{name} {form}: {stored[form]['bytes_per_video'] / 1e6:.2f} MB a video{once}")
  return "\n".join(lines)


def parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument(
    "--videos", type=Path, help="a small folder of class folders; default: generated videos"
  )
  parser.add_argument("--num_videos", type=int, default=48, help="to generate")
  parser.add_argument("--video_seconds", type=float, default=10.0, help="of each generated video")
  parser.add_argument(
    "--height", type=int, default=input_videos.HEIGHT, help="pixels, of each generated video"
  )
  parser.add_argument("--crops", type=int, nargs="+", choices=list(SHORT_SIDES), default=list(SHORT_SIDES))
  parser.add_argument("--against", choices=("torch", "nothing"), default="torch")
  parser.add_argument("--seconds", type=float, default=10.0, help="at least, of each measurement")
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--batch", type=int, default=32, help="clips")
  parser.add_argument(
    "--workers", type=int, default=os.cpu_count() or 1, help="threads or processes that decode"
  )
  parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
  parser.add_argument("--out", type=Path, help="also write the JSON here")
  parser.add_argument("--job", help=argparse.SUPPRESS)
  options = parser.parse_args()
  if min(options.num_videos, options.rounds, options.batch, options.workers) < 1:
    parser.error("--num_videos, --rounds, --batch and --workers are 1 or more")
  return options


def run(options: argparse.Namespace) -> dict[str, Any]:
  rows = {}
  with tempfile.TemporaryDirectory() as folder:
    work = Path(folder)
    say("making videos, records and small copies")
    videos = options.videos or input_videos.generate(
      work / "videos", options.num_videos, options.video_seconds, options.height, options.workers
    )
    for crop in options.crops:
      sources, stored = input_videos.prepare(videos, work, SHORT_SIDES[crop], options.workers)
      rows[f"16x{crop}"] = compare(crop, sources, options) | {"stored": stored}
  facts = measuring.facts("tensorflow", "torch", "av", "opencv-python-headless")
  return facts | {
    "videos": "own" if options.videos else f"generated, {options.height} pixels high",
    "workers": options.workers,
    "rows": rows,
  }


def main() -> None:
  options = parse()
  if options.job:
    job = json.load(sys.stdin)
    print(json.dumps(SIDES[job["side"]](job)))
    return
  result = run(options)
  measuring.finish(result, options, table(result))


if __name__ == "__main__":
  sys.exit(guarded(main))
