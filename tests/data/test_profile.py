"""The profile, through the real command."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from zsar_jax.data import profile as profiling
from zsar_jax.data.index import open_index
from zsar_jax.data.pipeline import train_steps
from zsar_jax.data.plans import ClipSpec
from zsar_jax.data.stream import decoding_alone, read_bytes

ROOT = pathlib.Path(__file__).parents[2]


def profile(records, *options):
  keys = {
    "data.dir": records.parent,
    "data.seen": "tiny",
    "data.unseen": "more",
    "data.seen_test": "",
    "data.short_side": 24,
    "data.crop": 16,
    "data.num_frames": 4,
    "train.batch_size": 4,
    "vectors": "hash:16",
  }
  command = [sys.executable, "-W", "error::RuntimeWarning:runpy", "-m", "zsar_jax.data.pipeline", "--config"]
  command += ["configs/demo.py:e2e", *(f"--config.{key}={value}" for key, value in keys.items()), *options]
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)


def test_profile_as_json_and_as_a_table(records, more_records):
  done = profile(records, "--profile", "--steps", "3", "--json")
  assert done.returncode == 0, done.stderr
  report = json.loads(done.stdout)
  assert (report["steps"], report["batch_size"]) == (3, 4)
  assert report["bytes_to_device_per_clip"] == 4 * 16 * 16 * 3
  assert report["bytes_read_per_clip"] > 100
  assert 0.2 <= report["reads_per_clip"] <= 4
  assert report["clips_per_second"] > 0
  assert [stage["stage"] for stage in report["stages"]] == ["plan", "read", "decode", "rest"]
  assert abs(sum(stage["share"] for stage in report["stages"]) - 1) < 1e-6
  used = sum(stage["cpu_seconds_per_clip"] for stage in report["stages"])
  assert abs(used - report["whole"]["cpu_seconds_per_clip"]) < 1e-9


def test_the_whole_counts_each_clip_once_however_few_steps_there_are(records, monkeypatch):
  """Everything that is read for the counted batches, and nothing else, is read while the clock runs."""
  index = open_index(records)
  steps = train_steps(
    index, np.arange(len(index)), ClipSpec(4, 1, 16, 24), batch_size=4, seed=0, start_step=2
  )
  planned = []

  def plan(step):
    planned.append(step)
    return steps.plan(step)

  def measure(call, num_clips):
    before = len(planned)
    call()
    assert 3 not in planned[:before]  # step 2 is planned before, to know shapes
    assert sorted(planned[before:]) == [2, 3]
    return {"num_clips": num_clips}

  monkeypatch.setattr(profiling, "_measure", measure)
  whole, size = profiling._whole(steps._replace(plan=plan, end=4), 4, 2)
  assert whole == {"num_clips": 8}
  assert size == 4 * 16 * 16 * 3


def test_decoding_alone_decodes_once_and_when_it_is_called(records):
  index = open_index(records)
  steps = train_steps(index, np.arange(len(index)), ClipSpec(4, 1, 16, 24), batch_size=4, seed=0)
  plans = [steps.plan(0), steps.plan(1)]
  decode = decoding_alone(steps, [read_bytes(steps, plan) for plan in plans], plans, 2)
  assert len(decode()) == sum(len(plan.take) for plan in plans)
  with pytest.raises(StopIteration):
    decode()


def test_wrong_use_says_what_to_do(records):
  done = profile(records)
  assert done.returncode == 2
  assert "add --profile" in done.stderr
  done = profile(records, "--profile", "--steps", "0", "--config.data.crap=3")
  assert done.returncode == 2
  assert "'data.crap'" in done.stderr


def test_profiling_needs_no_jax():
  code = "import sys; sys.modules['jax'] = None; import zsar_jax.data.profile"
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
