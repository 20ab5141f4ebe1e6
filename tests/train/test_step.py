"""The compiled step, phases, and checkpoints, on a tiny model and eight fake devices."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from zsar_jax import config as configs
from zsar_jax.classes.embeddings import class_set
from zsar_jax.classes.vocabulary import word_table
from zsar_jax.errors import InputError
from zsar_jax.methods import make_method
from zsar_jax.train.sharding import check_batch, make_mesh, place_batch, place_everywhere, round_up
from zsar_jax.train.state import enter_stage, init_state, make_network, make_stages, stage_at
from zsar_jax.train.step import make_train_step
from zsar_jax.types import ClipBatch

ROOT = pathlib.Path(__file__).parent.parent.parent
SEEN = class_set(
  ["waving while walking", "punching while sitting", "lifting while jumping"], "folder", "hash:300"
)


def setup(variant="rest", **train):
  keys = {f"train.{key}".replace("__", "."): str(value) for key, value in train.items()}
  config = configs.load(
    str(ROOT / f"configs/demo.py:{variant}"), keys | {"data.noise": "0", "data.color_jitter": "0"}
  )
  config = dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0, bn_group_size=2))
  method = make_method(config, SEEN)
  network = make_network(method, 0)
  return config, network, make_stages(config, method, network.params, 100), make_mesh()


def batch(size=16):
  rng = np.random.default_rng(0)
  label = rng.integers(0, 3, size).astype(np.int32)
  frames = rng.integers(0, 256, (size, 1, 4, 24, 24, 3)).astype(np.uint8)
  row = np.arange(size, dtype=np.int32)
  return ClipBatch(frames, label, word_table(SEEN.words)[label], np.ones(size, bool), row)


def test_phases_follow_each_other_and_the_warmup_leaves_the_transformer_alone():
  config, network, stages, mesh = setup(warmup__steps=2, joint__steps=2)
  assert [(s.phase.name, s.start, s.end) for s in stages] == [("warmup", 0, 2), ("joint", 2, 4)]
  assert stage_at(stages, 1).phase.name == "warmup"
  assert stage_at(stages, 2).phase.name == stage_at(stages, 9).phase.name == "joint"
  state = place_everywhere(mesh, init_state(network, stages[0]))
  before = jax.device_get(state.params)
  placed = place_batch(mesh, batch())
  step = make_train_step(config, network.graphdef, stages[0], mesh)
  state, metrics, _ = step(state, placed)
  state, metrics, _ = step(state, placed)
  after = jax.device_get(state.params)
  jax.tree.map(np.testing.assert_array_equal, before["encoder"], after["encoder"])
  assert not np.allclose(before["warmup_head"]["kernel"], after["warmup_head"]["kernel"])
  assert np.isfinite(metrics["loss"])
  state = place_everywhere(mesh, enter_stage(state, stages[1]))
  step = make_train_step(config, network.graphdef, stages[1], mesh)
  for _ in range(2):  # the rate starts from 0
    state, metrics, _ = step(state, placed)
  assert int(state.step) == 4
  assert "word_loss" in metrics
  moved = jax.tree.leaves(
    jax.tree.map(lambda a, b: np.abs(a - b).max(), after["encoder"], state.params["encoder"])
  )
  assert max(moved) > 0


def test_the_loss_falls():
  config, network, stages, mesh = setup("e2e", joint__steps=12)
  state, placed = place_everywhere(mesh, init_state(network, stages[0])), place_batch(mesh, batch())
  step = make_train_step(config, network.graphdef, stages[0], mesh)
  losses = []
  for _ in range(12):
    state, metrics, _ = step(state, placed)
    losses.append(float(metrics["loss"]))
  assert losses[-1] < 0.7 * losses[0]


def test_accumulation_gives_the_gradient_of_the_whole_batch():
  """With statistics over two clips either way, and no randomness, only the order of sums differs."""
  norms = []
  for accumulate in (1, 2):
    config, network, stages, mesh = setup("e2e", accumulate=accumulate)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, flip=False, grayscale=0.0))
    whole = batch(16)
    if accumulate == 2:  # rows alternate between micro-batches; put the same pairs together
      order = np.arange(16).reshape(2, 4, 2).transpose(1, 2, 0).reshape(-1)
      whole = ClipBatch(*(array[order] for array in whole))
    _, metrics, _ = make_train_step(config, network.graphdef, stages[0], mesh)(
      place_everywhere(mesh, init_state(network, stages[0])), place_batch(mesh, whole)
    )
    norms.append((float(metrics["loss"]), float(metrics["grad_norm"])))
  np.testing.assert_allclose(norms[0], norms[1], rtol=1e-3)


def test_batch_sizes_that_do_not_divide_are_refused_with_the_nearest_that_do():
  check_batch(16, num_devices=8, accumulate=1, group=0)
  check_batch(22, num_devices=1, accumulate=1, group=22)
  with pytest.raises(InputError, match="use 8 or 16"):
    check_batch(12, num_devices=8, accumulate=1, group=0)
  with pytest.raises(InputError, match=r"use 32$"):
    check_batch(3, num_devices=8, accumulate=1, group=4)
  with pytest.raises(
    InputError,
    match=r"use 176, or keep 88 with --config.train.batch_size=88 --config.model.bn_group_size=11 ",
  ):  # a group is never split over devices
    check_batch(88, num_devices=8, accumulate=1, group=22)
  assert [round_up(size, 8) for size in (1, 8, 9)] == [8, 8, 16]
