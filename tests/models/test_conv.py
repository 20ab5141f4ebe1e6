"""Every implementation of the convolution is the same function, and so are its gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import value_and_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from model_drawing import normal

from zsar_jax.models.conv import IMPLEMENTATIONS, conv

CASES = {
  "spatial": ((2, 3, 9, 7, 4), (1, 3, 3, 4, 6), (1, 2, 2), (0, 1, 1)),
  "spatial strided in time": ((2, 5, 7, 7, 3), (1, 5, 5, 3, 4), (2, 1, 1), (0, 2, 2)),
  "temporal": ((2, 7, 5, 6, 4), (3, 1, 1, 4, 6), (2, 1, 1), (1, 0, 0)),
  "temporal strided in space": ((2, 5, 5, 6, 4), (3, 1, 1, 4, 5), (1, 2, 2), (1, 0, 0)),
  "pointwise": ((2, 5, 7, 6, 4), (1, 1, 1, 4, 6), (2, 2, 2), (0, 0, 0)),
  "cubic": ((2, 6, 9, 7, 4), (3, 3, 3, 4, 5), (2, 2, 2), (1, 1, 1)),
  "cubic, no padding": ((1, 5, 6, 5, 2), (3, 3, 3, 2, 3), (1, 1, 1), (0, 0, 0)),
  "uneven": ((1, 6, 9, 8, 2), (3, 7, 5, 2, 3), (1, 2, 3), (1, 3, 1)),
  "image": ((3, 9, 7, 4), (3, 3, 4, 6), (2, 2), (1, 1)),
  "image, not strided": ((3, 8, 7, 4), (3, 3, 4, 6), (1, 1), (1, 1)),
  "image, column kernel": ((3, 9, 7, 4), (3, 1, 4, 6), (2, 2), (1, 0)),
  "image, row kernel": ((3, 9, 7, 4), (1, 3, 4, 6), (1, 2), (0, 1)),
  "image, pointwise": ((3, 9, 7, 4), (1, 1, 4, 6), (2, 2), (0, 0)),
}


def reference(x, w, stride, padding):
  """XLA's own convolution, called here on its own."""
  spec = ("NHWC", "HWIO", "NHWC") if w.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
  return jax.lax.conv_general_dilated(x, w, stride, [(p, p) for p in padding], dimension_numbers=spec)


def tap_by_tap(x, w, stride, padding):
  """Without XLA's 3-D convolution, whose compilation ends the process on some clips of one frame (jaxlib 0.10.2)."""
  x = jnp.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))
  out = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:4], w.shape, stride, strict=False)]
  total = jnp.zeros((len(x), *out, w.shape[-1]))
  for tap in itertools.product(*(range(k) for k in w.shape[:3])):
    window = [slice(i, i + s * (n - 1) + 1, s) for i, n, s in zip(tap, out, stride, strict=True)]
    total += x[(slice(None), *window)] @ w[tap]
  return total


@pytest.mark.parametrize("impl", [i for i in IMPLEMENTATIONS if i not in ("auto", "native")])
@pytest.mark.parametrize("case", CASES)
def test_same_value_and_gradients_as_lax(case, impl):
  x_shape, w_shape, stride, padding = CASES[case]
  x, w = normal(x_shape, 0), normal(w_shape, 1)
  expected = value_and_gradients(lambda x, w: reference(x, w, stride, padding), x, w)
  got = value_and_gradients(lambda x, w: conv(x, w, stride, padding, impl), x, w)
  for a, b in zip(got, expected, strict=True):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


# The same geometries every time: XLA's CPU compiler (jaxlib 0.10.2) ends the process on a rare few.
@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_folding_agrees_on_any_geometry(data):
  kernel = [data.draw(st.integers(1, 3)) for _ in range(3)]
  padding = [data.draw(st.integers(0, k // 2)) for k in kernel]
  sizes = [data.draw(st.integers(max(1, k - 2 * p), 7)) for k, p in zip(kernel, padding, strict=True)]
  stride = [data.draw(st.integers(1, 3)) for _ in range(3)]
  x, w = normal((2, *sizes, 2), 0), normal((*kernel, 2, 3), 1)
  expected = value_and_gradients(lambda x, w: tap_by_tap(x, w, stride, padding), x, w)
  got = value_and_gradients(lambda x, w: conv(x, w, stride, padding, "folded_scan"), x, w)
  for a, b in zip(got, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("impl", ["folded", "folded_scan", "winograd"])
def test_bfloat16_keeps_dtype_and_stays_near_float32(impl):
  x_shape, w_shape, stride, padding = CASES["cubic"]
  x, w = normal(x_shape, 0), normal(w_shape, 1)

  def loss(x, w):
    return jnp.square(conv(x, w, stride, padding, impl).astype(jnp.float32)).sum()

  gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
  got, expected = gradient(x.astype(jnp.bfloat16), w.astype(jnp.bfloat16)), gradient(x, w)
  for a, b in zip(got, expected, strict=True):
    assert a.dtype == jnp.bfloat16
    assert float(jnp.linalg.norm(a.astype(jnp.float32) - b) / jnp.linalg.norm(b)) < 0.02


@pytest.mark.parametrize("impl", ["folded", "folded_scan", "winograd"])
def test_float64_is_exact_to_float64(impl):
  x_shape, w_shape, stride, padding = CASES["cubic"]
  with jax.enable_x64(True):
    x, w = normal(x_shape, 0, jnp.float64), normal(w_shape, 1, jnp.float64)
    expected = value_and_gradients(lambda x, w: reference(x, w, stride, padding), x, w)
    got = value_and_gradients(lambda x, w: conv(x, w, stride, padding, impl), x, w)
    for a, b in zip(got, expected, strict=True):
      assert a.dtype == jnp.float64
      np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_remat_of_the_hand_written_gradient():
  x_shape, w_shape, stride, padding = CASES["spatial"]
  x, w = normal(x_shape, 0), normal(w_shape, 1)

  def loss(w):
    return jnp.square(conv(x, w, stride, padding, "folded_scan")).sum()

  np.testing.assert_allclose(
    jax.jit(jax.grad(jax.checkpoint(loss)))(w), jax.jit(jax.grad(loss))(w), rtol=1e-6
  )


def test_auto_is_xlas_own_off_the_cpu(monkeypatch):
  x, w = normal((1, 3, 6, 6, 2), 0), normal((3, 1, 1, 2, 2), 1)

  def primitives():
    return str(jax.make_jaxpr(lambda x, w: conv(x, w, (1, 1, 1), (1, 0, 0)))(x, w))

  assert "custom_vjp" in primitives()
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  jax.clear_caches()
  assert "custom_vjp" not in primitives()
  assert "reshape" not in primitives()


# Input and kernel, and the matrix products of the output, and of it and both gradients: Winograd's algorithm makes 16 of each by tiles,
# and 4 of a weight gradient by rows.
@pytest.mark.parametrize(
  ("x_shape", "w_shape", "outputs", "gradients"),
  [
    ((32, 28, 28, 128), (3, 3, 128, 128), 16, 48),
    ((4, 7, 7, 512), (3, 3, 512, 512), 16, 32 + 1),  # too few positions for the weight gradient
    ((8, 56, 56, 64), (3, 3, 64, 144), 16, 32 + 4),  # too narrow for it by tiles
    ((2, 224, 224, 64), (3, 3, 64, 64), 0, 4),  # too narrow for so large a map
    ((2, 8, 14, 14, 256), (1, 3, 3, 256, 576), 16, 48),
    ((2, 8, 28, 28, 32), (1, 3, 3, 32, 64), 0, 0),
    ((2, 8, 28, 28, 288), (3, 1, 1, 288, 128), 0, 4),
    ((2, 16, 28, 28, 45), (3, 1, 1, 45, 64), 0, 3),  # too narrow by rows
    ((2, 8, 28, 28, 288), (2, 1, 1, 288, 128), 0, 2),
  ],
)
def test_auto_takes_winograds_algorithm_where_it_gains(x_shape, w_shape, outputs, gradients):
  dims = len(w_shape) - 2
  stride, padding = (1,) * dims, [int(k == 3) for k in w_shape[:dims]]

  def apply(x, w):
    return conv(x, w, stride, padding)

  def both(x, w):
    y, pull_back = jax.vjp(apply, x, w)
    return pull_back(y)

  arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x_shape, w_shape)]
  found = [str(jax.make_jaxpr(function)(*arguments)).count("= dot_general[") for function in (apply, both)]
  assert found == [outputs, gradients]


def test_bad_calls_say_what_does_not_fit():
  x, w = normal((1, 3, 6, 6, 2), 0), normal((3, 1, 1, 2, 2), 1)
  with pytest.raises(ValueError, match="do not go together"):
    conv(x, w, (1, 1), (1, 0, 0))
  with pytest.raises(ValueError, match=r"2 channels, kernel .* wants 3"):
    conv(x, normal((3, 1, 1, 3, 2), 1), (1, 1, 1), (1, 0, 0))
  with pytest.raises(ValueError, match="'fast' is not one of"):
    conv(x, w, (1, 1, 1), (1, 0, 0), "fast")
  with pytest.raises(ValueError, match=r"groups=2 .* give 1, or as many as there are"):
    conv(normal((1, 6, 6, 4), 0), normal((3, 3, 2, 4), 1), (1, 1), (1, 1), groups=2)
