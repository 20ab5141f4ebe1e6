"""What every backbone promises."""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_drawing import call, drawn, normal

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
  return normal((batch, size, size, 3) if num_dims == 2 else (batch, 5, size, size, 3))


def tiny(name, remat=False, dtype=jnp.float32, conv_impl="auto"):
  return drawn(lambda: BACKBONES[name](rngs=nnx.Rngs(0), remat=remat, dtype=dtype, conv_impl=conv_impl))


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
  pooled, positions = call(
    lambda m, x: (m(x, False), m(x, False, pool=False)), tiny("r2plus1d_tiny"), clips(3)
  )
  np.testing.assert_allclose(pooled, positions.mean(1), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def steps():
  """One training step of each tiny backbone, as it comes: (input, step)."""
  inputs = {name: clips(2 if name == "resnet_tiny" else 3) for name in TINY}
  return {name: (x, training_step(tiny(name), x)) for name, x in inputs.items()}


def assert_same_step(got, expected):
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_every_parameter_gets_a_finite_gradient_and_every_statistic_moves(name, steps):
  _, gradients, batch_stats = steps[name][1]
  for leaf in jax.tree.leaves(gradients):
    assert np.isfinite(leaf).all()
    assert np.abs(leaf).max() > 0
  before = nnx.state(tiny(name), nnx.BatchStat)
  assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), before, batch_stats)))


@pytest.mark.parametrize("name", TINY)
def test_remat_changes_nothing(name, steps):
  x, expected = steps[name]
  assert_same_step(training_step(tiny(name, remat=True), x), expected)


@pytest.mark.parametrize(
  ("name", "impl"), [("resnet_tiny", "native"), ("r2plus1d_tiny", "native"), ("r2plus1d_tiny", "folded_scan")]
)
def test_every_convolution_gives_the_same_step(name, impl, steps):
  x, expected = steps[name]
  assert_same_step(training_step(tiny(name, conv_impl=impl), x), expected)


def test_jit_changes_nothing(steps):
  x, expected = steps["resnet_tiny"]
  np.testing.assert_allclose(tiny("resnet_tiny")(x, train=True), expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_bfloat16_is_near_float32(name, steps):
  half = tiny(name, dtype=jnp.bfloat16)
  a, b = (call(lambda m, x: m(x, False), model, steps[name][0]) for model in (tiny(name), half))
  assert b.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(half))} == {jnp.dtype(jnp.float32)}
  assert float(jnp.linalg.norm(a - b.astype(jnp.float32)) / jnp.linalg.norm(a)) < 0.03


@pytest.mark.parametrize("name", BACKBONES)
def test_nothing_but_parameters_and_statistics(name):
  state = nnx.state(nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0))))
  assert {type(leaf) for _, leaf in nnx.to_flat_state(state)} == {nnx.Param, nnx.BatchStat}


EIGHT_DEVICES = """
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from flax import nnx
from model_drawing import drawn, normal
from zsar_jax.models import BACKBONES

def build():
  return BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(0), dtype="float64", conv_impl="folded_scan", bn_group_size=2)

graphdef, params, stats = nnx.split(drawn(build), nnx.Param, nnx.BatchStat)

def loss(params, x):
  model = nnx.merge(graphdef, params, stats, copy=True)
  return (model(x, True) ** 2).mean(), nnx.state(model, nnx.BatchStat)

assert jax.device_count() == 8
mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
x = normal((16, 4, 8, 8, 3))
step = jax.jit(jax.value_and_grad(loss, has_aux=True))
alone = step(params, x)
spread = step(params, jax.device_put(x, NamedSharding(mesh, PartitionSpec("data"))))
for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(spread), strict=True):
  np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
"""


def test_a_batch_over_eight_devices():
  env = {
    **os.environ,
    "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
  }
  here = pathlib.Path(__file__).parent
  env["PYTHONPATH"] = str(here.parents[1])
  run = [sys.executable, "-c", EIGHT_DEVICES, str(here)]
  done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
