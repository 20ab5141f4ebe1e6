"""Winograd's algorithm gives what XLA's convolution and its gradients give, by fewer multiplications, near its precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from model_drawing import normal

from zsar_jax.models import winograd


def native(x, w, padding):
  pairs = [(p, p) for p in padding]
  spec = ("NHWC", "HWIO", "NHWC")
  return lax.conv_general_dilated(x, w, (1, 1), pairs, dimension_numbers=spec, precision="highest")


def three_passes(x, w, dy, padding):
  """[output, gradient by x, gradient by w, that by rows], of ours and of XLA's."""

  def run(x, w, dy):
    ours = [
      winograd.convolve(x, w, padding, "highest"),
      winograd.input_gradient(dy, w, padding, "highest"),
      winograd.weight_gradient(x, dy, padding, "highest"),
      winograd.weight_gradient_by_rows(x, dy, 3, padding, "highest"),
    ]
    y, pull_back = jax.vjp(lambda x, w: native(x, w, padding), x, w)
    dx, dw = pull_back(dy)
    return ours, [y, dx, dw, dw]

  return jax.jit(run)(x, w, dy)


def gradient_like(x, w, padding, seed=2):
  """A random gradient of the output."""
  height, width = (n + 2 * p - 2 for n, p in zip(x.shape[1:3], padding, strict=True))
  return normal((len(x), height, width, w.shape[-1]), seed, x.dtype)


def test_one_tile_by_hand():
  x = jnp.arange(16.0).reshape(1, 4, 4, 1)
  w = jnp.asarray([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])[..., None, None]
  dy = jnp.asarray([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1)
  assert winograd.convolve(x, w, (0, 0), None)[0, ..., 0].tolist() == [[-8, -8], [-8, -8]]
  by_input = [[1, 2, -1, -2], [5, 8, -5, -8], [7, 10, -7, -10], [3, 4, -3, -4]]
  assert winograd.input_gradient(dy, w, (0, 0), None)[0, ..., 0].tolist() == by_input
  by_weight = [[34, 44, 54], [74, 84, 94], [114, 124, 134]]
  assert winograd.weight_gradient(x, dy, (0, 0), None)[..., 0, 0].tolist() == by_weight
  assert winograd.weight_gradient_by_rows(x, dy, 3, (0, 0), None)[..., 0, 0].tolist() == by_weight


@pytest.mark.parametrize("held", [winograd.MAX_HELD, 1])
@pytest.mark.parametrize(
  ("size", "padding"), [((8, 6), (1, 1)), ((7, 9), (0, 0)), ((3, 4), (2, 1)), ((6, 5), (0, 2))]
)
def test_equal_to_xlas(size, padding, held, monkeypatch):
  monkeypatch.setattr(winograd, "MAX_HELD", held)
  monkeypatch.setattr(winograd, "ROWS_POSITIONS", held)
  x, w = normal((4, *size, 3), 0), normal((3, 3, 3, 5), 1)
  ours, theirs = three_passes(x, w, gradient_like(x, w, padding), padding)
  for found, expected in zip(ours, theirs, strict=True):
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=3e-6 * float(jnp.abs(expected).max()))


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.data())
def test_exact_in_float64_on_any_geometry(data):
  padding = [data.draw(st.integers(0, 2)) for _ in range(2)]
  size = [data.draw(st.integers(3 - min(2, 2 * p), 9)) for p in padding]
  with jax.enable_x64(True):
    x, w = normal((2, *size, 3), 0, jnp.float64), normal((3, 3, 3, 2), 1, jnp.float64)
    ours, theirs = three_passes(x, w, gradient_like(x, w, padding), padding)
    for found, expected in zip(ours, theirs, strict=True):
      np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_rounding_stays_near_that_of_sums():
  """Of many channels, in float32, beside float64: the paper's tile of 2 x 2 loses little, larger ones ten times as much."""
  with jax.enable_x64(True):
    x, w = normal((2, 14, 14, 256), 0, jnp.float64), normal((3, 3, 256, 64), 1, jnp.float64)
    dy = gradient_like(x, w, (1, 1))
    _, exact = three_passes(x, w, dy, (1, 1))
  narrow = [jnp.asarray(a, jnp.float32) for a in (x, w, dy)]
  for found, theirs, expected in zip(*three_passes(*narrow, (1, 1)), exact, strict=True):
    expected = np.asarray(expected)
    ours, xlas = (
      np.linalg.norm(np.asarray(a) - expected) / np.linalg.norm(expected) for a in (found, theirs)
    )
    assert ours < 1e-6
    assert ours < 10 * xlas


@pytest.mark.parametrize("kernel_width", [1, 2, 5])
@pytest.mark.parametrize("positions", [1, 24, 4096])
def test_by_rows_of_any_width(kernel_width, positions, monkeypatch):
  """Also a clip's frames in place of rows, as temporal kernels have them; and an odd number of rows."""
  monkeypatch.setattr(winograd, "ROWS_POSITIONS", positions)
  x, w = normal((2, 7, 12, 3), 0), normal((3, kernel_width, 3, 5), 1)
  padding = (1, kernel_width // 2)
  y, pull_back = jax.vjp(lambda w: native(x, w, padding), w)
  dy = normal(y.shape, 2)
  found = winograd.weight_gradient_by_rows(x, dy, kernel_width, padding, "highest")
  (expected,) = pull_back(dy)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(
  ("positions", "parts"),
  [
    (4096, 1),
    (48, 2),  # two frames in each
    (12, 8),  # half of one: 6 rows of 2 columns
  ],
)
def test_rows_go_by_parts_of_about_so_many_positions(positions, parts, monkeypatch):
  monkeypatch.setattr(winograd, "ROWS_POSITIONS", positions)
  x, dy = normal((4, 6, 4, 3), 0), normal((4, 6, 4, 5), 1)
  text = jax.make_jaxpr(lambda x, dy: winograd.weight_gradient_by_rows(x, dy, 3, (1, 1), None))(x, dy)
  (scan,) = (equation for equation in text.eqns if equation.primitive.name == "scan")
  assert scan.params["length"] == parts
  assert str(text).count("dot_general[") == 4


def test_sixteen_products_for_four_outputs():
  x, w = jax.ShapeDtypeStruct((4, 8, 6, 5), jnp.float32), jax.ShapeDtypeStruct((3, 3, 5, 7), jnp.float32)
  text = str(jax.make_jaxpr(lambda x, w: winograd.convolve(x, w, (1, 1), None))(x, w))
  assert text.count("dot_general") == 16
  assert text.count("f32[4,4,3,7] = dot_general") == 16  # 4 x 3 tiles of 4 frames; 36 would be 9 of 8 x 6


@pytest.mark.parametrize(
  ("dtype", "kernel", "stride", "padding", "expected"),
  [
    (jnp.float32, (3, 3), (1, 1), (1, 1), True),
    (jnp.float64, (3, 3), (1, 1), (0, 2), True),
    (jnp.bfloat16, (3, 3), (1, 1), (1, 1), False),
    (jnp.float32, (3, 1), (1, 1), (1, 0), False),
    (jnp.float32, (5, 5), (1, 1), (2, 2), False),
    (jnp.float32, (3, 3), (1, 2), (1, 1), False),
    (jnp.float32, (3, 3), (1, 1), (1, 3), False),
  ],
)
def test_where_it_applies(dtype, kernel, stride, padding, expected):
  x = jax.ShapeDtypeStruct((1, 8, 8, 4), dtype)
  assert winograd.applies(x, (*kernel, 4, 4), stride, padding) == expected
