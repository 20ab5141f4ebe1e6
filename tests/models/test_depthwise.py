"""Sums of shifted images are the grouped convolution, and so are their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gradients import value_and_gradients
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from model_drawing import normal

from zsar_jax.models.conv import IMPLEMENTATIONS, conv
from zsar_jax.models.depthwise import depthwise


def assert_same(got, expected, relative=1e-5, absolute=1e-5):
  """absolute: as a part of the largest number."""
  for a, b in zip(got, expected, strict=True):
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=relative, atol=absolute * float(jnp.abs(b).max()))


@pytest.mark.parametrize(
  ("kernel", "stride", "padding"),
  [((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((5, 3), (1, 2), (2, 0))],
)
@pytest.mark.parametrize("impl", [i for i in IMPLEMENTATIONS if i != "native"])
def test_every_implementation_is_xlas_grouped_convolution(impl, kernel, stride, padding):
  x, w = normal((2, 9, 8, 6), 0), normal((*kernel, 1, 6), 1)
  assert_same(
    value_and_gradients(lambda x, w: conv(x, w, stride, padding, impl, groups=6), x, w),
    value_and_gradients(lambda x, w: conv(x, w, stride, padding, "native", groups=6), x, w),
  )


PAIRS = st.tuples(st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=25, deadline=None)
@given(hw=st.tuples(st.integers(1, 9), st.integers(1, 9)), kernel=PAIRS, stride=PAIRS, data=st.data())
def test_gradients_at_any_size(hw, kernel, stride, data):
  """Strides beyond the kernel leave inputs without an output, and the last inputs of odd sizes too: their gradient is zero."""
  padding = tuple(data.draw(st.integers(0, k)) for k in kernel)
  assume(all(n + 2 * p >= k for n, p, k in zip(hw, padding, kernel, strict=True)))
  with jax.enable_x64(True):  # where sums cancel, float32 keeps few digits
    x, w = normal((2, *hw, 3), 0, jnp.float64), normal((*kernel, 1, 3), 1, jnp.float64)
    assert_same(
      value_and_gradients(lambda x, w: depthwise(x, w, stride, padding), x, w),
      value_and_gradients(lambda x, w: conv(x, w, stride, padding, "native", groups=3), x, w),
      1e-9,
      1e-9,
    )


def test_one_small_convolution_per_channel():
  x, w = normal((2, 7, 5, 3), 0), normal((3, 3, 1, 3), 1)
  got = depthwise(x, w, (2, 1), (1, 1))
  for c in range(3):
    alone = conv(x[..., c : c + 1], w[..., c : c + 1], (2, 1), (1, 1), "native")
    np.testing.assert_allclose(got[..., c : c + 1], alone, rtol=1e-5, atol=1e-5)


def test_bfloat16_adds_up_in_float32():
  x, w = normal((2, 9, 8, 6), 0, jnp.bfloat16), normal((3, 3, 1, 6), 1, jnp.bfloat16)

  def run(x, w):
    return depthwise(x, w, (2, 1), (1, 1))

  got = jax.vjp(run, x, w)
  exact = jax.vjp(run, x.astype(jnp.float32), w.astype(jnp.float32))
  np.testing.assert_array_equal(got[0], exact[0].astype(jnp.bfloat16))
  assert got[0].dtype == jnp.bfloat16
  dy = normal(got[0].shape, 2, jnp.bfloat16)
  np.testing.assert_array_equal(got[1](dy)[0], exact[1](dy.astype(jnp.float32))[0].astype(jnp.bfloat16))
