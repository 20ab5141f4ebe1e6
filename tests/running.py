"""Runs the real command line, as a user would, in a process of its own."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np

from data_prep.build import main as build

ROOT = pathlib.Path(__file__).parent.parent
TINY = {
  "generated.train_per_class": 4,
  "generated.test_per_class": 2,
  "generated.seen_test_per_class": 1,
  "generated.num_frames": 12,
  "train.batch_size": 8,
  "eval.batch_size": 8,
  "eval.num_clips": 2,
  "logging.every_steps": 1,
  "eval.report": False,
  "train.joint.steps": 3,
}

# Every config that ships, with every variant.
VARIANTS = {
  "demo": ("", "e2e"),
  "e2e_c3d": ("", "activitynet"),
  "e2e_r2plus1d": ("", "activitynet", "baseline", "sun397", "from_sun397"),
  "rest101": ("", "activitynet"),
  "rest18": ("", "activitynet"),
  "small": ("", "rest"),
  "rest_encoder": ("vgg16", "mobilenet_v2", "googlenet", "r2plus1d_18", "c3d", "c3d_frozen"),
}
SHIPPED = [
  f"configs/{path.name}" + (f":{variant}" if variant else "")
  for path in sorted((ROOT / "configs").glob("*.py"))
  for variant in VARIANTS.get(path.stem, ("",))
]
# What a config leaves to be given.
LEFT_OUT = {
  path: {"data.seen": "kinetics700", "data.unseen": "ucf101,hmdb51"}
  for path in SHIPPED
  if path.startswith("configs/small.py")
}
DEMOS = ["configs/demo.py", "configs/demo.py:e2e"]


def demo_keys(config, data_dir, **more):
  """The overrides of a tiny run of a demo config; `train__steps=2` stands for `train.steps=2`."""
  warmup = {} if config.endswith("e2e") else {"train.warmup.steps": 2}
  return (
    TINY | warmup | {"data.dir": data_dir} | {key.replace("__", "."): value for key, value in more.items()}
  )


WIDTH = 9  # of the features


def make_features(folder):
  """A data set `mine` of four classes and 24 feature files in `folder`: a run on it takes milliseconds a step."""
  rng = np.random.default_rng(0)
  for name in ("walking", "running", "waving", "jumping"):
    (folder / "arrays" / name).mkdir(parents=True)
    for number in range(6):
      length = 1 + 3 * (number % 3)  # shorter and longer than a clip
      np.save(folder / "arrays" / name / f"{number}.npy", rng.standard_normal((length, WIDTH)).astype("f4"))
  assert build(["features", "--features", str(folder / "arrays"), "--out", str(folder / "mine")]) == 0
  return folder


def features_keys(config, data_dir, **more):
  """The overrides of a tiny run of a demo config on the features that `make_features` left in `data_dir`."""
  mine = {
    "data__seen": "mine:!waving+jumping",
    "data__unseen": "mine:waving+jumping",
    "data__seen_test": "",
    "data__num_frames": 4,
    "data__stride": 1,
    "model__backbone": "features",
    "model__num_features": WIDTH,
    "train__joint__steps": 2,
  }
  return demo_keys(config, data_dir, **(mine | more))


def arguments(config, workdir, overrides):
  """The command line after `python -m zsar_jax.main`."""
  keys = [f"--config.{key}={value}" for key, value in overrides.items()]
  return ["--config", config, "--workdir", str(workdir), *keys]


def start(argv, devices=1, command=("-m", "zsar_jax.main")):
  """Starts the command, Python's own arguments before it; its output is captured."""
  env = os.environ | {
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    "JAX_PLATFORMS": "cpu",
  }
  return subprocess.Popen(
    [sys.executable, *command, *argv],
    cwd=ROOT,
    env=env,
    text=True,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )


def free_port():
  with socket.socket() as found:
    found.bind(("127.0.0.1", 0))
    return found.getsockname()[1]


def start_two(argv, devices=1):
  """The same command as two processes that work together."""
  port = free_port()
  flags = ["--coordinator", f"127.0.0.1:{port}", "--num_processes", "2", "--process_id"]
  return [start([*argv, *flags, str(process)], devices) for process in range(2)]


def ended(process, seconds=300):
  """(exit code, stdout, stderr)."""
  out, err = process.communicate(timeout=seconds)
  return process.returncode, out, err


def run(argv, devices=1, command=("-m", "zsar_jax.main")):
  """Runs the command to its end: (exit code, stdout, stderr)."""
  return ended(start(argv, devices, command), seconds=500)


def read_metrics(workdir, kind="train"):
  """{step: line} of metrics.jsonl; a step that was run twice keeps its last line."""
  lines = [json.loads(line) for line in (pathlib.Path(workdir) / "metrics.jsonl").read_text().splitlines()]
  return {line["step"]: line for line in lines if line["kind"] == kind}
