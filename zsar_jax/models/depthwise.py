"""Depthwise convolutions of images as sums of shifted images, for CPUs: several times as fast as XLA's grouped convolution."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zsar_jax.models.weight_gradient import accumulator, taps


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@jax.named_scope("depthwise")
def depthwise(
  x: Float[Array, "N H W C"], w: Float[Array, "kh kw 1 C"], stride: Sequence[int], padding: Sequence[int]
) -> Float[Array, "N H2 W2 C"]:
  """Each channel with a kernel of its own: the sum over kernel positions of shifted images times one weight per channel.

  Sums are in at least float32, the result in x's dtype. `stride` and `padding` as in `conv.conv`, along H and W.
  """
  return _sum_of_views(x, w, stride, padding)


def _sum_of_views(x, w, stride, padding):
  (ph, pw), (kh, kw) = padding, w.shape[:2]
  x = jnp.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
  out_hw = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:3], (kh, kw), stride, strict=True)]
  weights = w.astype(accumulator(x)).reshape(kh * kw, -1)
  total = sum(view * weight for view, weight in zip(taps(x, w.shape, stride, out_hw), weights, strict=True))
  return total.astype(x.dtype)


def _forward(x, w, stride, padding):
  return depthwise(x, w, stride, padding), (x, w)


def _backward(stride, padding, residuals, dy):
  x, w = residuals
  (dw,) = jax.vjp(lambda w: _sum_of_views(x, w, stride, padding), w)[1](dy)
  with jax.named_scope("depthwise"):
    return _input_gradient(dy, w, stride, padding, x.shape[1:3]), dw


depthwise.defvjp(_forward, _backward)


def _input_gradient(dy, w, stride, padding, in_hw):
  """Shifted images of dy times one weight per channel again; the transposed sum would put every product among zeros, then add.

  Inputs whose positions leave the same remainder by the stride meet the same part of the kernel: one sum for each, interleaved.
  """
  rows, columns = (_reached(*axis) for axis in zip(w.shape[:2], stride, padding, strict=True))
  height, width = sizes = [-(-n // s) for n, s in zip(in_hw, stride, strict=True)]
  (top, _), (left, _) = margins = [
    _margins(reached, size, out) for reached, size, out in zip((rows, columns), sizes, dy.shape[1:3], strict=True)
  ]  # fmt: skip
  images = jnp.pad(dy, ((0, 0), *margins, (0, 0)))
  weights = w.astype(accumulator(dy))

  def sum_of(row_taps, column_taps):
    total = jnp.zeros((len(dy), height, width, dy.shape[3]), weights.dtype)
    for i, down in row_taps:
      for j, across in column_taps:
        view = images[:, top + down : top + down + height, left + across : left + across + width]
        total = total + view * weights[i, j, 0]
    return total

  parts = jnp.stack([jnp.stack([sum_of(r, c) for c in columns], 3) for r in rows], 2)  # [N,H/sh,sh,W/sw,sw,C]
  joined = parts.reshape(len(dy), height * stride[0], width * stride[1], -1)
  return joined[:, : in_hw[0], : in_hw[1]].astype(dy.dtype)


def _reached(size: int, stride: int, padding: int) -> list[list[tuple[int, int]]]:
  """For each remainder of an input's position by the stride: (tap, shift) of those that meet it, in output position // stride + shift."""
  return [
    [
      (tap, (remainder + padding - tap) // stride)
      for tap in range(size)
      if (remainder + padding - tap) % stride == 0
    ]
    for remainder in range(stride)
  ]


def _margins(reached, size: int, num_outputs: int) -> tuple[int, int]:
  """Zeros before and after the outputs, for every shift of `size` positions to stay among them."""
  shifts = [shift for taps_met in reached for _, shift in taps_met]
  return max(0, -min(shifts)), max(0, size + max(shifts) - num_outputs)
