"""BatchNorm against torch's rules written out in numpy; dropout, pooling, patches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.models.layers import (
  BatchNorm,
  Conv,
  ConvBN,
  Dropout,
  Numerics,
  adaptive_mean_pool,
  max_pool,
  space_to_depth,
)


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
  np.testing.assert_array_equal(max_pool(x, (3, 3), (2, 2), (1, 1))[0, :, :, 0], [[-1, -2], [-5, -6]])


def test_max_pool_says_when_nothing_fits():
  with pytest.raises(ValueError, match=r"no window of \(2, 2\) fits in a map of \(1, 5\).*too small"):
    max_pool(jnp.zeros((1, 1, 5, 2)), (2, 2), (2, 2), (0, 0))


# window, stride, padding, ceil_mode: every pooling of the backbones, and some more.
POOLINGS = [
  ((3, 3), (2, 2), (1, 1), False),
  ((3, 3), (2, 2), (0, 0), True),
  ((2, 2), (2, 2), (0, 0), True),
  ((3, 3), (1, 1), (1, 1), True),
  ((3, 2), (3, 2), (1, 1), True),
  ((2, 2, 2), (2, 2, 2), (0, 1, 1), False),
  ((1, 2, 2), (1, 2, 2), (0, 0, 0), False),
]


@pytest.mark.parametrize(("window", "stride", "padding", "ceil_mode"), POOLINGS)
@pytest.mark.parametrize("size", [(5, 8, 7), (4, 9, 6), (3, 3, 14)])
def test_max_pool_is_torchs(window, stride, padding, ceil_mode, size):
  torch = pytest.importorskip("torch")
  x = draw((2, *size[3 - len(window) :], 3))
  pool = torch.nn.functional.max_pool2d if len(window) == 2 else torch.nn.functional.max_pool3d
  theirs = torch.from_numpy(np.moveaxis(x, -1, 1).copy()).requires_grad_()
  expected = pool(theirs, window, stride, padding, ceil_mode=ceil_mode)
  weights = draw(expected.shape, 1)
  (expected * torch.from_numpy(weights)).sum().backward()
  got, pull_back = jax.vjp(lambda x: max_pool(x, window, stride, padding, ceil_mode), jnp.asarray(x))
  np.testing.assert_array_equal(got, np.moveaxis(expected.detach().numpy(), 1, -1))
  gradient = pull_back(jnp.asarray(np.moveaxis(weights, 1, -1)))[0]
  np.testing.assert_allclose(gradient, np.moveaxis(theirs.grad.numpy(), 1, -1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 3), (6, 7), (5, 16), (13, 20), (7, 7)])
def test_adaptive_mean_pool_is_torchs(size):
  torch = pytest.importorskip("torch")
  x = draw((2, *size, 3))
  expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(np.moveaxis(x, -1, 1).copy()), 7)
  got = adaptive_mean_pool(jnp.asarray(x), 7)
  np.testing.assert_allclose(got, np.moveaxis(expected.numpy(), 1, -1), rtol=1e-5, atol=1e-6)


def conv_bn(kernel_size=(3, 3), stride=(2, 2), groups=1, dtype=jnp.float32, features=6):
  numerics = Numerics(dtype, None, None, "auto")
  layer = ConvBN(
    6, features, kernel_size, stride, groups=groups, epsilon=1e-3, rngs=nnx.Rngs(0), numerics=numerics
  )
  for i, leaf in enumerate((layer.bn.scale, layer.bn.bias, layer.bn.mean)):
    leaf[...] = jnp.asarray(draw((features,), i))
  layer.bn.var[...] = jnp.asarray(np.random.default_rng(3).uniform(0.1, 2, features), jnp.float32)
  return layer


@pytest.mark.parametrize(
  ("kernel_size", "stride", "groups"), [((3, 3), (2, 2), 1), ((3, 3), (1, 1), 6), ((1, 3, 3), (1, 2, 2), 1)]
)
def test_folded_normalisation_is_convolution_then_normalisation(kernel_size, stride, groups):
  layer = conv_bn(kernel_size, stride, groups)
  x = jnp.asarray(draw((2, *(5,) * (len(kernel_size) - 2), 9, 7, 6)))

  def apart(layer, x):
    return layer.bn(layer.conv(x), train=False)

  graphdef, params, stats = nnx.split(layer, nnx.Param, nnx.BatchStat)
  results = []
  for run in (lambda layer, x: layer(x, False), apart):

    def loss(params, x, run=run):
      y = run(nnx.merge(graphdef, params, stats), x)
      return (y * jnp.asarray(draw(y.shape, 5))).sum(), y

    results.append(jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, x))
  for a, b in zip(*map(jax.tree.leaves, results), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * float(jnp.abs(b).max()))


def test_folded_normalisation_in_bfloat16():
  x = jnp.asarray(draw((2, 9, 7, 6)))
  exact, half = conv_bn()(x, False), conv_bn(dtype=jnp.bfloat16)(x, False)
  assert half.dtype == jnp.bfloat16
  assert float(jnp.linalg.norm(exact - half.astype(jnp.float32)) / jnp.linalg.norm(exact)) < 0.01


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("train", [False, True])
def test_convolution_and_normalisation_are_torchs_at_odd_sizes(groups, train):
  torch = pytest.importorskip("torch")
  layer = conv_bn(groups=groups)
  theirs = torch.nn.Sequential(
    torch.nn.Conv2d(6, 6, 3, 2, 1, groups=groups, bias=False), torch.nn.BatchNorm2d(6, eps=1e-3)
  ).train(train)
  values = {
    "0.weight": np.moveaxis(np.asarray(layer.conv.kernel[...]), (-1, -2), (0, 1)).copy(),
    "1.weight": np.array(layer.bn.scale[...]),
    "1.bias": np.array(layer.bn.bias[...]),
    "1.running_mean": np.array(layer.bn.mean[...]),
    "1.running_var": np.array(layer.bn.var[...]),
  }
  theirs.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
  x = draw((3, 11, 7, 6), 7)
  expected = theirs(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).detach().numpy()
  np.testing.assert_allclose(layer(jnp.asarray(x), train), np.moveaxis(expected, 1, -1), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(layer.bn.var[...], theirs[1].running_var.numpy(), rtol=1e-5)
  np.testing.assert_allclose(layer.bn.mean[...], theirs[1].running_mean.numpy(), rtol=1e-5, atol=1e-6)


def test_space_to_depth():
  x = jnp.arange(2.0 * 4 * 4 * 3).reshape(2, 4, 4, 3)
  y = space_to_depth(x, 2)
  assert y.shape == (2, 2, 2, 12)
  np.testing.assert_array_equal(y[1, 0, 1].reshape(2, 2, 3), x[1, :2, 2:])
  with pytest.raises(ValueError, match="6 x 4 pixels are no multiple of 4"):
    space_to_depth(jnp.zeros((1, 6, 4, 3)), 4)
