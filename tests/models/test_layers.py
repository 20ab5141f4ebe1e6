"""BatchNorm against torch's rules written out in numpy; dropout, pooling, patches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.models.layers import BatchNorm, Conv, Dropout, max_pool, space_to_depth


def draw(shape, seed=0, mean=0.0):
  return (mean + np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def norm_by_hand(rows):
  """[n,...,C] normalised over all but C; also the mean and the unbiased variance."""
  flat = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
  mean, var = flat.mean(0), flat.var(0)
  return (rows - mean) / np.sqrt(var + 1e-5), mean, flat.var(0, ddof=1)


@pytest.mark.parametrize("group_size", [None, 2, 3, 6, 1])
def test_batch_norm_groups(group_size):
  x = draw((6, 2, 3, 4), mean=3.0)
  bn = BatchNorm(4, group_size=group_size)
  bn.scale[...] = jnp.arange(1.0, 5.0)
  bn.bias[...] = jnp.arange(4.0)
  y = bn(jnp.asarray(x), train=True)
  parts = [norm_by_hand(g) for g in np.split(x, 6 // (group_size or 6))]
  expected = np.concatenate([p[0] for p in parts]) * np.arange(1.0, 5.0) + np.arange(4.0)
  np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(bn.mean[...], 0.1 * np.mean([p[1] for p in parts], 0), rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(bn.var[...], 0.9 + 0.1 * np.mean([p[2] for p in parts], 0), rtol=1e-5)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 100))
def test_a_group_is_a_batch_of_its_own(num_groups, size, seed):
  x = draw((num_groups * size, 3, 2), seed)
  y = BatchNorm(2, group_size=size)(jnp.asarray(x), train=True)
  alone = [BatchNorm(2)(jnp.asarray(part), train=True) for part in np.split(x, num_groups)]
  np.testing.assert_allclose(y, np.concatenate(alone), rtol=1e-5, atol=1e-5)


def test_batch_norm_running_values_are_used_and_left_alone_when_frozen():
  x = draw((4, 3, 3))
  bn = BatchNorm(3, group_size=3)  # does not divide 4: no matter when frozen
  bn.mean[...], bn.var[...] = jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 1.0, 9.0])
  y = bn(jnp.asarray(x), train=False)
  np.testing.assert_allclose(y, (x - [1, 2, 3]) / np.sqrt(np.array([4, 1, 9]) + 1e-5), rtol=1e-5, atol=1e-6)
  np.testing.assert_array_equal(bn.mean[...], [1, 2, 3])
  np.testing.assert_array_equal(bn.var[...], [4, 1, 9])


def test_batch_norm_survives_a_mean_far_from_zero():
  x = draw((8, 5, 5, 2), mean=1000.0)
  bn = BatchNorm(2)
  bn.mean[...] = jnp.full(2, 999.0)
  np.testing.assert_allclose(bn(jnp.asarray(x), train=True), norm_by_hand(x)[0], atol=2e-3)


def test_batch_norm_gradient_matches_differentiating_the_formula():
  x, weights = draw((4, 3, 2)), draw((4, 3, 2), 1)

  def by_hand(x):
    y = (x - x.mean((0, 1))) / jnp.sqrt(x.var((0, 1)) + 1e-5)
    return (y * weights).sum()

  got = jax.grad(lambda x: (BatchNorm(2)(x, train=True) * weights).sum())(jnp.asarray(x))
  np.testing.assert_allclose(got, jax.grad(by_hand)(jnp.asarray(x)), rtol=1e-4, atol=1e-5)


def test_batch_norm_in_bfloat16_takes_float32_statistics():
  x = jnp.asarray(draw((64, 8, 8, 2), mean=4.0)).astype(jnp.bfloat16)
  bn = BatchNorm(2, dtype=jnp.bfloat16)
  y = bn(x, train=True)
  assert y.dtype == jnp.bfloat16
  assert bn.mean[...].dtype == jnp.float32
  np.testing.assert_allclose(bn.mean[...], 0.1 * np.asarray(x, np.float64).mean((0, 1, 2)), rtol=1e-5)


def test_batch_norm_names_the_nearest_batch_sizes():
  with pytest.raises(ValueError, match=r"10 .* groups of 4.*8 or 12"):
    BatchNorm(2, group_size=4)(jnp.zeros((10, 2)), train=True)
  with pytest.raises(ValueError, match=r"groups of 4.*do: 4"):
    BatchNorm(2, group_size=4)(jnp.zeros((3, 2)), train=True)
  with pytest.raises(ValueError, match="group_size=0"):
    BatchNorm(2, group_size=0)


def test_conv_starts_at_kaiming_fan_out():
  kernel = Conv(64, 128, (1, 3, 3), rngs=nnx.Rngs(0)).kernel[...]
  np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 128)), rtol=0.02)


def test_conv_bias_is_added():
  layer = Conv(2, 3, (1, 1), use_bias=True, rngs=nnx.Rngs(0))
  layer.bias[...] = jnp.array([1.0, 2.0, 3.0])
  np.testing.assert_allclose(layer(jnp.zeros((1, 2, 2, 2))), np.broadcast_to([1.0, 2.0, 3.0], (1, 2, 2, 3)))


def test_dropout():
  x = jnp.ones((100, 100))
  drop = Dropout(0.25)
  y = np.asarray(drop(x, nnx.Rngs(dropout=0), train=True))
  assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
  assert abs((y == 0).mean() - 0.25) < 0.02
  np.testing.assert_array_equal(drop(x, None, train=False), x)
  with pytest.raises(ValueError, match="needs rngs"):
    drop(x, None, train=True)
  with pytest.raises(ValueError, match="outside"):
    Dropout(1.0)
  assert not jax.tree.leaves(nnx.state(drop))


def test_max_pool_ignores_padding():
  x = -jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
  np.testing.assert_array_equal(max_pool(x, 3, 2, 1)[0, :, :, 0], [[-1, -2], [-5, -6]])


def test_space_to_depth():
  x = jnp.arange(2.0 * 4 * 4 * 3).reshape(2, 4, 4, 3)
  y = space_to_depth(x, 2)
  assert y.shape == (2, 2, 2, 12)
  np.testing.assert_array_equal(y[1, 0, 1].reshape(2, 2, 3), x[1, :2, 2:])
  with pytest.raises(ValueError, match="6 x 4 pixels are no multiple of 4"):
    space_to_depth(jnp.zeros((1, 6, 4, 3)), 4)
