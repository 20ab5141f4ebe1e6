"""The loop on batches from memory: what it saves, logs and refuses."""

import itertools
import json
import pathlib

import numpy as np
import pytest

from zsar_jax import config as configs
from zsar_jax.classes.embeddings import class_set
from zsar_jax.methods import make_method
from zsar_jax.train.checkpoint import Checkpoints
from zsar_jax.train.loop import Diverged, train
from zsar_jax.train.sharding import make_mesh
from zsar_jax.train.state import make_network, make_stages
from zsar_jax.types import ClipBatch

ROOT = pathlib.Path(__file__).parent.parent.parent
SEEN = class_set(["waving while walking", "punching while sitting"], "folder", "hash:300")


def batches(first_step):
  """The batch of a step is a function of the step alone."""
  for step in itertools.count(first_step):
    rng = np.random.default_rng(step)
    label = rng.integers(0, 2, 8).astype(np.int32)
    frames = rng.integers(0, 256, (8, 1, 4, 24, 24, 3)).astype(np.uint8)
    yield ClipBatch(frames, label, np.zeros((8, 1), np.int32), np.ones(8, bool), np.arange(8, dtype=np.int32))


def run(workdir, **keys):
  base = {"train.batch_size": "8", "train.joint.steps": "4", "logging.every_steps": "1", "checkpoint.every_steps": "2",
          "logging.validate_every_steps": "2", "logging.tensorboard": "false"}  # fmt: skip
  config = configs.load(
    str(ROOT / "configs/demo.py:e2e"), base | {k.replace("__", "."): v for k, v in keys.items()}
  )
  method = make_method(config, SEEN)
  network = make_network(method, 0)
  stages = make_stages(config, method, network.params, 8)
  return train(
    config, network, stages, make_mesh(), batches, lambda stage, state: 100.0 - int(state.step), workdir
  )


def test_what_a_run_leaves_and_that_a_longer_one_goes_on_from_it(tmp_path):
  state = run(tmp_path)
  assert int(state.step) == 4
  lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
  assert [line["step"] for line in lines if line["kind"] == "train"] == [1, 2, 3, 4]
  assert [(line["step"], line["top1"]) for line in lines if line["kind"] == "validation"] == [
    (2, 98.0),
    (4, 96.0),
  ]
  assert Checkpoints(tmp_path, keep=2, read_only=True).steps() == [2, 4]
  assert int(run(tmp_path).step) == 4  # nothing left to do
  assert int(run(tmp_path, train__joint__steps="6").step) == 6
  steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
  assert max(steps) == 6
  assert 2 in Checkpoints(tmp_path, keep=2, read_only=True).steps()  # the best by validation


def test_a_loss_that_is_not_finite_ends_the_run_and_is_never_saved(tmp_path):
  with pytest.raises(Diverged, match="step"):
    run(tmp_path, model__normalize="false", train__joint__learning_rate="1e30", train__joint__ramp_epochs="0",
        train__joint__steps="6", logging__every_steps="100", checkpoint__every_steps="3")  # fmt: skip
  assert Checkpoints(tmp_path, keep=2, read_only=True).steps() == []
