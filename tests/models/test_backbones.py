"""What every backbone promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from model_drawing import call, drawn, normal

from zsar_jax.models import BACKBONES

TINY = ("resnet_tiny", "r2plus1d_tiny")
TRAINED = (*TINY, "resnet18", "features")  # compiled for training in seconds
EVALUATED = (*TRAINED, "mobilenet_v2", "googlenet")
# One legal input of each, as small as it gets, no squares where there is a choice; two rows.
SHAPES = {
  "r2plus1d_18": (2, 9, 33, 23, 3),
  "r2plus1d_tiny": (2, 5, 20, 16, 3),
  "r3d_18": (2, 9, 33, 23, 3),
  "c3d": (2, 16, 111, 97, 3),
  "resnet18": (2, 45, 35, 3),
  "resnet34": (2, 45, 35, 3),
  "resnet101": (2, 45, 35, 3),
  "resnet_tiny": (2, 20, 16, 3),
  "vgg16": (2, 35, 45, 3),
  "mobilenet_v2": (2, 35, 45, 3),
  "googlenet": (2, 45, 35, 3),
  "features": (2, 5, 7),
}
# What pool=False leaves: time halved, rounding up, by every strided stage; sixteen frames by C3D's pooling.
POSITIONS = {"r2plus1d_18": 2, "r2plus1d_tiny": 2, "r3d_18": 2, "c3d": 1, "features": 5}
FEATURES = {
  "r2plus1d_18": 512,
  "r2plus1d_tiny": 96,
  "r3d_18": 512,
  "c3d": 4096,
  "resnet18": 512,
  "resnet34": 512,
  "resnet101": 2048,
  "resnet_tiny": 96,
  "vgg16": 25088,
  "mobilenet_v2": 1280,
  "googlenet": 1024,
  "features": 7,
}
# Weights drawn at random make MobileNetV2 magnify: rounding them alone, and computing in float32, moves its features by 0.11.
HALF_TOLERANCE = {"mobilenet_v2": 0.15}


def backbones(fast):
  return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in BACKBONES]


def build(name, dtype=jnp.float32, **options):
  if name == "features":
    return BACKBONES[name](7, rngs=nnx.Rngs(0), dtype=dtype)
  return BACKBONES[name](rngs=nnx.Rngs(0), dtype=dtype, **options)


@functools.cache
def model(name, dtype=jnp.float32, **options):
  return drawn(lambda: build(name, dtype, **options))


def evaluated(name, dtype=jnp.float32):
  return call(lambda m, x: m(x, False), model(name, dtype), normal(SHAPES[name]))


def step(name, x, **options):
  """(loss, features, moved statistics, gradients by parameters and input) in float64, so that only mistakes differ."""
  with jax.enable_x64(True):
    graphdef, params, batch_stats = nnx.split(model(name, jnp.float64, **options), nnx.Param, nnx.BatchStat)

    def loss(params, x, batch_stats):
      merged = nnx.merge(graphdef, params, batch_stats, copy=True)
      features = merged(x, train=True)
      return jnp.square(features).mean(), (features, nnx.state(merged, nnx.BatchStat))

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(params, x, batch_stats)


@functools.cache
def plain_step(name):
  return step(name, normal(SHAPES[name]))


def assert_same_step(got, expected):
  got, expected = ([np.asarray(leaf) for leaf in jax.tree.leaves(step)] for step in (got, expected))
  scales = [np.abs(leaf).max() for leaf in expected]
  # Gradients that batch normalisation cancels are nothing but rounding, of the size of those that it does not.
  rounding = 1e-12 * max(scales)
  for a, b, scale in zip(got, expected, scales, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * scale + rounding)


def abstract_call(name, **options):
  graphdef, state = nnx.split(nnx.eval_shape(lambda: build(name)))
  x = jax.ShapeDtypeStruct(SHAPES[name], jnp.float32)
  return jax.eval_shape(lambda s, x: nnx.merge(graphdef, s)(x, False, **options), state, x)


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes(name):
  out = abstract_call(name)
  assert out.shape == (2, FEATURES[name])
  assert out.dtype == jnp.float32
  made = nnx.eval_shape(lambda: build(name))
  assert made.num_features == FEATURES[name]
  assert made.num_dims == len(SHAPES[name]) - 2


@pytest.mark.parametrize("name", BACKBONES)
def test_positions_left_without_pooling(name):
  positions = (POSITIONS[name],) if name in POSITIONS else ()
  assert abstract_call(name, pool=False).shape == (2, *positions, FEATURES[name])


@pytest.mark.parametrize("name", BACKBONES)
def test_nothing_but_parameters_and_statistics(name):
  state = nnx.state(nnx.eval_shape(lambda: build(name, jnp.bfloat16)))
  kinds = {type(leaf) for _, leaf in nnx.to_flat_state(state)}
  assert kinds <= {nnx.Param, nnx.BatchStat}
  assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {jnp.dtype(jnp.float32)}
  assert bool(kinds) == (name != "features")


@pytest.mark.parametrize("name", ["r2plus1d_tiny", "features"])
def test_pooling_over_time_is_the_mean_of_positions(name):
  pooled, positions = call(
    lambda m, x: (m(x, False), m(x, False, pool=False)), model(name), normal(SHAPES[name])
  )
  np.testing.assert_allclose(pooled, positions.mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", backbones(TRAINED))
def test_every_parameter_gets_a_finite_gradient_and_every_statistic_moves(name):
  (value, (_, moved)), gradients = plain_step(name)
  assert np.isfinite(value)
  for leaf in jax.tree.leaves(gradients):
    assert np.isfinite(leaf).all()
    assert np.abs(leaf).max() > 0
  before = nnx.state(model(name), nnx.BatchStat)
  assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), before, moved)))


@pytest.mark.parametrize("name", [p for p in backbones(TRAINED) if p.values != ("features",)])
def test_remat_changes_nothing(name):
  assert_same_step(step(name, normal(SHAPES[name]), remat=True), plain_step(name))


@pytest.mark.parametrize(
  ("name", "impl"),
  [
    ("resnet_tiny", "native"),
    ("r2plus1d_tiny", "native"),
    ("r2plus1d_tiny", "folded_scan"),
    pytest.param("mobilenet_v2", "native", marks=pytest.mark.slow),
  ],
)
def test_every_convolution_gives_the_same_step(name, impl):
  assert_same_step(step(name, normal(SHAPES[name]), conv_impl=impl), plain_step(name))


@pytest.mark.parametrize("name", backbones(TRAINED))
def test_jit_changes_nothing(name):
  got, expected = model(name)(normal(SHAPES[name]), False), evaluated(name)
  np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize("name", backbones(EVALUATED))
def test_bfloat16_is_near_float32(name):
  exact, half = evaluated(name), evaluated(name, jnp.bfloat16)
  assert half.dtype == jnp.bfloat16
  assert float(
    jnp.linalg.norm(exact - half.astype(jnp.float32)) / jnp.linalg.norm(exact)
  ) < HALF_TOLERANCE.get(name, 0.03)


@pytest.mark.parametrize("name", [p for p in backbones(EVALUATED) if p.values != ("features",)])
def test_saved_and_restored_it_is_the_same(name, tmp_path):
  state = nnx.state(model(name))
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(tmp_path / "state", state)
    checkpointer.wait_until_finished()
    restored = checkpointer.restore(tmp_path / "state", jax.tree.map(ocp.utils.to_shape_dtype_struct, state))
  assert jax.tree.structure(restored) == jax.tree.structure(state)
  for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", backbones(("r2plus1d_tiny", "features")))
@pytest.mark.skipif(jax.device_count() != 8, reason="needs the eight CPU devices of tests/conftest.py")
def test_eight_devices_are_as_one(name):
  x = normal((8 if name == "c3d" else 16, *SHAPES[name][1:]))
  mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
  spread = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
  if name == "c3d":  # eight float64 training steps of it would take more memory than most machines have

    def run(x):
      return call(lambda m, x: m(x, False), model(name), x)

  else:
    run = functools.partial(step, name, **({} if name == "features" else {"bn_group_size": 2}))
  assert_same_step(run(spread), run(x))


@pytest.mark.parametrize("frames_and_size", [(16, 90, 112), (16, 112, 128), (15, 112, 112)])
def test_c3d_says_which_clips_fit(frames_and_size):
  graphdef, state = nnx.split(nnx.eval_shape(lambda: build("c3d")))
  x = jax.ShapeDtypeStruct((1, *frames_and_size, 3), jnp.float32)
  with pytest.raises(ValueError, match=r"16 frames of 112 x 112 pixels .*96 to 127.*got \d+ frames"):
    jax.eval_shape(lambda s, x: nnx.merge(graphdef, s)(x, False), state, x)


@pytest.mark.parametrize("name", ["vgg16", "googlenet"])
def test_images_too_small_are_refused(name):
  graphdef, state = nnx.split(nnx.eval_shape(lambda: build(name)))
  x = jax.ShapeDtypeStruct((1, 9, 60, 3), jnp.float32)
  with pytest.raises(ValueError, match="the input is too small"):
    jax.eval_shape(lambda s, x: nnx.merge(graphdef, s)(x, False), state, x)


def test_features_refuse_another_width():
  with pytest.raises(ValueError, match=r"got \(2, 6\), expected \[B,7\] or \[B,T,7\]"):
    build("features")(jnp.zeros((2, 6)), False)
  with pytest.raises(ValueError, match="num_features=0"):
    BACKBONES["features"](0, rngs=nnx.Rngs(0))
