"""The weight gradient of CPUs: each of its forms gives what XLA's own gives, in as many products as its limits say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from model_drawing import normal

from zsar_jax.models import weight_gradient as forms
from zsar_jax.models.weight_gradient import weight_gradient


def native(x, dy, kernel_shape, stride):
  """By XLA's gradient of its convolution of an input that is padded already."""

  def conv(w):
    return lax.conv_general_dilated(
      x, w, stride, "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )

  (dw,) = jax.vjp(conv, jnp.zeros(kernel_shape))[1](dy)
  return dw


def loop(kernel_shape, stride, x, dy):
  """How often the loop of products runs, and the shape of what it adds up, by which the form is told."""
  jaxpr = jax.make_jaxpr(lambda x, dy: weight_gradient(x, dy, kernel_shape, stride, "highest"))(x, dy)
  (scan,) = (equation for equation in jaxpr.eqns if equation.primitive.name == "scan")
  return scan.params["length"], scan.outvars[0].aval.shape


# Frames and their size after padding, kernel, stride, loops, shape of the sum for 5 and 6 channels.
CASES = {
  "small frames, all at once": (4, (9, 9), (3, 3), (1, 1), 1, (45, 6)),
  "small frames, some at once": (8, (16, 16), (3, 3), (1, 1), 2, (45, 6)),
  "frames that do not divide": (7, (16, 16), (3, 3), (1, 1), 7, (45, 6)),
  "large frames, a kernel that is not square": (2, (38, 37), (5, 2), (1, 1), 2, (50, 6)),
  "large frames, strided": (2, (67, 68), (3, 3), (2, 2), 2, (45, 6)),
  "columns, all at once": (2, (6, 80), (3, 1), (1, 1), 2, (3, 5, 6)),
  "columns, in parts": (2, (6, 2000), (3, 1), (1, 1), 8, (3, 5, 6)),
  "columns, strided": (2, (8, 1999), (3, 1), (2, 2), 4, (3, 5, 6)),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_xlas_in_so_many_products(case):
  num_frames, size, kernel, stride, *expected_loop = CASES[case]
  kernel_shape = (*kernel, 5, 6)
  out = [(n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True)]
  x, dy = normal((num_frames, *size, 5), 0), normal((num_frames, *out, 6), 1)
  found, expected = (
    weight_gradient(x, dy, kernel_shape, stride, "highest"),
    native(x, dy, kernel_shape, stride),
  )
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * float(jnp.abs(expected).max()))
  assert loop(kernel_shape, stride, x, dy) == tuple(expected_loop)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_all_forms_agree_on_any_geometry(data):
  kernel = [data.draw(st.integers(1, 3)) for _ in range(2)]
  out = [data.draw(st.integers(1, 6)) for _ in range(2)]
  num_frames, most = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 20, 1000]))
  shape = (num_frames, *(n + k - 1 for n, k in zip(out, kernel, strict=True)), 2)
  x, dy, kernel_shape = normal(shape, 0), normal((num_frames, *out, 3), 1), (*kernel, 2, 3)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(forms, "MAX_POSITIONS", most)
    patch.setattr(forms, "MAX_CHUNK", most)
    found = weight_gradient(x, dy, kernel_shape, (1, 1), "highest")
  np.testing.assert_allclose(found, native(x, dy, kernel_shape, (1, 1)), rtol=1e-4, atol=1e-4)


def test_nearest_divisor():
  assert [forms.nearest_divisor(28, wish) for wish in (0, 1, 3, 5, 20, 100)] == [1, 1, 4, 4, 28, 28]
  assert forms.nearest_divisor(223, 36) == 223  # not 1, which is further away
