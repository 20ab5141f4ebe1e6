"""Learning rates and optimizers of a phase."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from zsar_jax.config import OptimConfig, TrainConfig
from zsar_jax.train.optim import decay_mask, make_optimizer, make_schedule, phase_length

PARAMS = {
  "backbone": {"conv": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}},
  "head": {"kernel": jnp.ones((2, 2)), "word_embedding": jnp.ones((3, 2))},
}


def test_phase_length_counts_epochs_of_clips():
  optim = OptimConfig(epochs=3)
  assert phase_length(optim, TrainConfig(batch_size=16), 100).steps == 19  # ceil(300 / 16)
  assert phase_length(optim, TrainConfig(batch_size=16, max_clips_per_epoch=32), 100).steps == 6
  assert phase_length(OptimConfig(epochs=3, steps=7), TrainConfig(), 100).steps == 7


def test_cosine_ends_at_zero_after_a_linear_ramp():
  train = TrainConfig(batch_size=10)
  optim = OptimConfig(schedule="cosine", learning_rate=0.5, epochs=10, ramp_epochs=2)
  length = phase_length(optim, train, 100)
  rate = make_schedule(optim, train, length)
  np.testing.assert_allclose(
    [rate(0), rate(10), rate(20), rate(60), rate(100)], [0, 0.25, 0.5, 0.25, 0], atol=1e-6
  )


def test_steps_divide_by_ten_at_each_milestone():
  train = TrainConfig(batch_size=10)
  optim = OptimConfig(schedule="steps", learning_rate=1.0, epochs=150, milestones=(60, 120))
  rate = make_schedule(optim, train, phase_length(optim, train, 100))
  steps = [0, 599, 601, 1199, 1201]
  np.testing.assert_allclose([rate(s) for s in steps], [1, 1, 0.1, 0.1, 0.01], rtol=1e-5)


def test_scale_lr_is_linear_in_the_batch_with_five_epochs_of_ramp():
  train = TrainConfig(batch_size=64, base_batch_size=16, scale_lr=True)
  optim = OptimConfig(learning_rate=0.1, epochs=20)
  rate = make_schedule(optim, train, phase_length(optim, train, 640))
  assert rate(0) == 0
  np.testing.assert_allclose([rate(25), rate(50), rate(190)], [0.2, 0.4, 0.4], rtol=1e-5)


def test_decay_touches_kernels_only():
  mask = decay_mask(PARAMS)
  assert mask["backbone"]["conv"] == {"kernel": True, "bias": False}
  assert mask["head"] == {"kernel": True, "word_embedding": False}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_parts_that_a_phase_does_not_train_do_not_move(name):
  optim = OptimConfig(optimizer=name, weight_decay=0.1)
  optimizer = make_optimizer(optim, optax.constant_schedule(0.1), ("backbone",), PARAMS)
  grads = {"backbone": PARAMS["backbone"], "head": PARAMS["head"]}
  updates, _ = optimizer.update(grads, optimizer.init(PARAMS), PARAMS)
  assert not np.any(updates["head"]["kernel"])
  assert np.all(np.asarray(updates["backbone"]["conv"]["kernel"]) < 0)
