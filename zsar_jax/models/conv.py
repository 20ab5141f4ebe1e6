"""Convolution of images and clips, channels last: one function, its implementation chosen by backend.

XLA's own convolutions are right for accelerators. On CPUs its 3-D convolutions, and above all their weight gradients, are many
times slower than the same mathematics written as 2-D convolutions and matrix products, which is what "folded" does; and 3 x 3 ones of
many channels need fewer multiplications than it makes (`winograd.py`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from zsar_jax.models import winograd
from zsar_jax.models.depthwise import depthwise
from zsar_jax.models.weight_gradient import Precision, weight_gradient

ConvImpl = Literal["auto", "native", "folded", "folded_scan", "winograd"]

IMPLEMENTATIONS = ("auto", "native", "folded", "folded_scan", "winograd")

# On CPUs, spatial kernels with at least this many weights per tap (Cin x Cout) take the hand-written weight gradient, and temporal ones
# Winograd's.
SCAN_MIN_CHANNEL_PRODUCT = 4096
# Kernels with at least this many weights per tap gain from Winograd's algorithm by tiles in all passes. With fewer, tiles move more than
# they save: maps of at most so many positions still gain, weight gradients gain more by rows.
TILED_MIN_CHANNEL_PRODUCT = 16384
TILED_MAX_POSITIONS = 4096
# Weight gradients over fewer positions are plain sums, for Winograd's algorithm has more sums to read and write.
WINOGRAD_MIN_POSITIONS = 512


class _Ways(NamedTuple):
  """How the passes of a 2-D convolution are computed."""

  tiled: bool  # outputs and input gradients, by Winograd's algorithm
  weight_gradient: Literal["sums", "rows", "tiles"]  # the latter two by Winograd's algorithm


@jax.named_scope("conv")
def conv(
  x: Float[Array, "..."],
  w: Float[Array, "..."],
  stride: Sequence[int],
  padding: Sequence[int],
  impl: ConvImpl = "auto",
  precision: Precision = None,
  groups: int = 1,
) -> Float[Array, "..."]:
  """Convolves (cross-correlates, as torch) images or clips.

  Args:
    x: [B,H,W,C] images or [B,T,H,W,C] clips, any float dtype.
    w: [kh,kw,Cin/groups,Cout] or [kt,kh,kw,Cin/groups,Cout], of x's dtype.
    stride: step along (T,) H, W.
    padding: zeros added on both sides of (T,) H, W.
    impl: "native" is XLA's convolution; "folded" writes a 3-D one as 2-D; "folded_scan" also has its own weight gradient;
      "winograd" also computes 3 x 3 ones of stride 1, in 32 or 64 bits, by Winograd's algorithm, whose rounding differs;
      "auto" takes "native" on accelerators and one of the others on CPUs.
    precision: of the products, as in `jax.lax`.
    groups: 1, or Cin = Cout for a depthwise convolution of images, where each channel meets one kernel of its own.

  Returns:
    [B,H',W',Cout] or [B,T',H',W',Cout] in x's dtype.

  Raises:
    ValueError: ranks, strides, padding, channels or groups do not go together, or `impl` is unknown.
  """
  stride, padding = tuple(stride), tuple(padding)
  _check(x, w, stride, padding, impl, groups)
  chosen = _choose(w) if impl == "auto" else impl
  if chosen == "native":
    return _native(x, w, stride, padding, precision, groups)
  if groups > 1:
    return depthwise(x, w, stride, padding)
  conv2d = _native if chosen == "folded" else partial(_conv2d, impl)
  if w.ndim == 5:
    return _folded_3d(conv2d, x, w, stride, padding, precision)
  return _folded_2d(conv2d, x, w, stride, padding, precision)


def _check(x, w, stride, padding, impl, groups):
  num_dims = w.ndim - 2
  if impl not in IMPLEMENTATIONS:
    raise ValueError(f"conv: impl={impl!r} is not one of {', '.join(IMPLEMENTATIONS)}")
  if num_dims not in (2, 3) or x.ndim != w.ndim or len(stride) != num_dims or len(padding) != num_dims:
    raise ValueError(
      f"conv: input {x.shape}, kernel {w.shape}, stride {stride} and padding {padding} do not go together: "
      "2-D takes [B,H,W,C] with [kh,kw,Cin,Cout], 3-D takes [B,T,H,W,C] with [kt,kh,kw,Cin,Cout]"
    )
  channels = x.shape[-1]
  if groups != 1 and (num_dims != 2 or not groups == channels == w.shape[-1]):
    raise ValueError(
      f"conv: groups={groups} with input {x.shape} and kernel {w.shape}; give 1, or as many as there are input and output "
      "channels of an image"
    )
  if channels != w.shape[-2] * groups:
    raise ValueError(
      f"conv: input {x.shape} has {channels} channels, kernel {w.shape} wants {w.shape[-2] * groups}"
    )


def _choose(w) -> ConvImpl:
  """The implementation for the default backend, by measurement.

  On CPUs, training steps with our weight gradient are faster than with XLA's, but for narrow spatial kernels.
  """
  if jax.default_backend() != "cpu":
    return "native"
  *_, kh, kw, c_in, c_out = w.shape
  temporal = w.ndim == 5 and (kh, kw) == (1, 1)
  return "folded_scan" if temporal or c_in * c_out >= SCAN_MIN_CHANNEL_PRODUCT else "folded"


def _ways(impl, x, w, stride, padding) -> _Ways:
  tiles = winograd.applies(x, w.shape, stride, padding)
  if impl == "folded_scan" or not winograd.applies_by_rows(x, w.shape, stride):
    return _Ways(False, "sums")
  if impl == "winograd":
    return _Ways(tiles, "tiles" if tiles else "rows")
  positions = x.shape[1] * x.shape[2]
  channel_product = w.shape[2] * w.shape[3]
  many_channels = channel_product >= TILED_MIN_CHANNEL_PRODUCT
  enough = len(x) * positions >= WINOGRAD_MIN_POSITIONS and channel_product >= SCAN_MIN_CHANNEL_PRODUCT
  return _Ways(
    tiles and (many_channels or positions <= TILED_MAX_POSITIONS),
    "sums" if not enough else "tiles" if tiles and many_channels else "rows",
  )


def _native(x, w, stride, padding, precision, groups=1):
  spec = ("NHWC", "HWIO", "NHWC") if w.ndim == 4 else ("NDHWC", "DHWIO", "NDHWC")
  pairs = [(p, p) for p in padding]
  return lax.conv_general_dilated(
    x, w, stride, pairs, dimension_numbers=spec, precision=precision, feature_group_count=groups
  )


def _pointwise(x, w, precision):
  """[...,Cin] x [Cin,Cout] -> [...,Cout]."""
  return lax.dot_general(x, w, (((x.ndim - 1,), (0,)), ((), ())), precision=precision)


def _folded_2d(conv2d, x, w, stride, padding, precision):
  if w.shape[:2] == (1, 1) and padding == (0, 0):
    return _pointwise(x[:, :: stride[0], :: stride[1]], w[0, 0], precision)
  return conv2d(x, w, stride, padding, precision)


def _folded_3d(conv2d, x, w, stride, padding, precision):
  kt, kh, kw, c_in, c_out = w.shape
  st, sh, sw = stride
  pt, ph, pw = padding
  if (kh, kw, ph, pw) == (1, 1, 0, 0):
    x = x[:, :, ::sh, ::sw]
    if (kt, pt) == (1, 0):
      return _pointwise(x[:, ::st], w[0, 0, 0], precision)
    b, t, h, wd, _ = x.shape
    y = conv2d(x.reshape(b, t, h * wd, c_in), w[:, 0], (st, 1), (pt, 0), precision)
    return y.reshape(b, -1, h, wd, c_out)
  # One 2-D convolution for each temporal tap: joining the taps on channels copies more than it saves.
  x = jnp.pad(x, ((0, 0), (pt, pt), (0, 0), (0, 0), (0, 0))) if pt else x
  t_out = (x.shape[1] - kt) // st + 1
  total: Any = 0
  for i in range(kt):
    tap = x[:, i : i + st * (t_out - 1) + 1 : st]
    total = total + conv2d(tap.reshape(-1, *tap.shape[2:]), w[i], (sh, sw), (ph, pw), precision)
  return total.reshape(x.shape[0], t_out, *total.shape[1:])


def _conv2d(impl, x, w, stride, padding, precision):
  """2-D convolution with gradients of our own."""
  return _with_gradients(x, w, stride, padding, precision, _ways(impl, x, w, stride, padding))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def _with_gradients(x, w, stride, padding, precision, ways):
  if ways.tiled:
    return winograd.convolve(x, w, padding, precision)
  return _native(x, w, stride, padding, precision)


def _forward(x, w, stride, padding, precision, ways):
  return _with_gradients(x, w, stride, padding, precision, ways), (x, w)


def _backward(stride, padding, precision, ways, residuals, dy):
  x, w = residuals
  if ways.tiled:
    dx = winograd.input_gradient(dy, w, padding, precision)
  else:
    (dx,) = jax.vjp(lambda x: _native(x, w, stride, padding, precision), x)[1](dy)
  # One after the other: side by side, as XLA would run them, they take each other's cores and caches.
  x, dy, dx = lax.optimization_barrier((x, dy, dx))
  if ways.weight_gradient == "tiles":
    return dx, winograd.weight_gradient(x, dy, padding, precision)
  if ways.weight_gradient == "rows":
    return dx, winograd.weight_gradient_by_rows(x, dy, w.shape[1], padding, precision)
  x = jnp.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))
  return dx, weight_gradient(x, dy, w.shape, stride, precision).astype(w.dtype)


_with_gradients.defvjp(_forward, _backward)
