"""What every backbone promises."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zsar_jax.models import BACKBONES

TINY = ("resnet_tiny", "r2plus1d_tiny")
# Trainable parameters without a classifier: torchvision's counts less its 1000- or 400-way `fc`.
PARAMETERS = {
  "resnet18": 11_689_512 - 513_000,
  "resnet34": 21_797_672 - 513_000,
  "resnet101": 44_549_160 - 2_049_000,
  "r2plus1d_18": 31_505_325 - 205_200,
  "r3d_18": 33_371_472 - 205_200,
}
FEATURES = {
  "resnet18": 512,
  "resnet34": 512,
  "resnet101": 2048,
  "r2plus1d_18": 512,
  "r3d_18": 512,
  "resnet_tiny": 96,
  "r2plus1d_tiny": 96,
}


def clips(num_dims, batch=4, size=16):
  shape = (batch, size, size, 3) if num_dims == 2 else (batch, 5, size, size, 3)
  return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


def training_step(model, x):
  """(features, gradients, moved statistics) of one training-mode pass."""
  graphdef, params, batch_stats = nnx.split(model, nnx.Param, nnx.BatchStat)

  def loss(params, batch_stats, x):
    merged = nnx.merge(graphdef, params, batch_stats, copy=True)
    features = merged(x, train=True)
    return jnp.square(features.astype(jnp.float32)).mean(), (features, nnx.state(merged, nnx.BatchStat))

  gradients, (features, batch_stats) = jax.jit(jax.grad(loss, has_aux=True))(params, batch_stats, x)
  return features, gradients, batch_stats


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes_and_parameter_counts(name):
  model = nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0)))
  graphdef, params, batch_stats = nnx.split(model, nnx.Param, nnx.BatchStat)
  if name in PARAMETERS:
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]
  assert model.num_features == FEATURES[name]
  x = clips(model.num_dims, batch=2, size=36)
  out = jax.eval_shape(lambda p, s, x: nnx.merge(graphdef, p, s)(x, False), params, batch_stats, x)
  assert out.shape == (2, FEATURES[name])
  assert out.dtype == jnp.float32


@pytest.mark.parametrize(("name", "positions"), [("r2plus1d_18", 1), ("r3d_18", 1), ("r2plus1d_tiny", 2)])
def test_positions_left_without_pooling(name, positions):
  model = nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0)))
  graphdef, state = nnx.split(model)
  x = clips(3, batch=2, size=32)
  out = jax.eval_shape(lambda s, x: nnx.merge(graphdef, s)(x, False, pool=False), state, x)
  assert out.shape == (2, positions, model.num_features)


def test_pooling_over_time_is_the_mean_of_positions():
  model = BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(0))
  x = clips(3)
  np.testing.assert_allclose(model(x, False), model(x, False, pool=False).mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TINY)
def test_every_parameter_gets_a_finite_gradient_and_every_statistic_moves(name):
  model = BACKBONES[name](rngs=nnx.Rngs(0))
  _, gradients, batch_stats = training_step(model, clips(model.num_dims))
  for leaf in jax.tree.leaves(gradients):
    assert np.isfinite(leaf).all()
    assert np.abs(leaf).max() > 0
  before = nnx.state(model, nnx.BatchStat)
  moved = jax.tree.map(lambda a, b: bool((a != b).any()), before, batch_stats)
  assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize("name", TINY)
def test_remat_and_jit_change_nothing(name):
  plain, remat = (BACKBONES[name](rngs=nnx.Rngs(0), remat=r) for r in (False, True))
  x = clips(plain.num_dims)
  expected, got = training_step(plain, x), training_step(remat, x)
  for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(plain(x, train=True), expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_bfloat16_is_near_float32(name):
  full, half = (BACKBONES[name](rngs=nnx.Rngs(0), dtype=d) for d in (jnp.float32, jnp.bfloat16))
  x = clips(full.num_dims)
  a, b = full(x, False), half(x, False)
  assert b.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(half))} == {jnp.dtype(jnp.float32)}
  assert float(jnp.linalg.norm(a - b.astype(jnp.float32)) / jnp.linalg.norm(a)) < 0.03


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("impl", ["native", "folded", "folded_scan"])
def test_every_convolution_gives_the_same_step(name, impl):
  x = clips(3 if "2plus1" in name else 2)
  expected = training_step(BACKBONES[name](rngs=nnx.Rngs(0)), x)
  got = training_step(BACKBONES[name](rngs=nnx.Rngs(0), conv_impl=impl), x)
  for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_nothing_but_parameters_and_statistics():
  for name in TINY:
    state = nnx.state(BACKBONES[name](rngs=nnx.Rngs(0)))
    assert {type(leaf) for _, leaf in nnx.to_flat_state(state)} == {nnx.Param, nnx.BatchStat}
