"""Layers that the backbones and heads are made of. Parameters are float32; `dtype` is what is computed in."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision, conv

KAIMING_FAN_OUT = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")


class Conv(nnx.Module):
  """Convolution with explicit symmetric padding; 2-D or 3-D by the length of `kernel_size`. `groups` as in `conv.conv`.

  Initialised as torchvision's ResNets: normal, variance 2 / fan_out; biases zero.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    kernel_size: Sequence[int],
    *,
    stride: Sequence[int] | None = None,
    padding: Sequence[int] | None = None,
    groups: int = 1,
    use_bias: bool = False,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
    precision: Precision = None,
    impl: ConvImpl = "auto",
    kernel_init: nnx.Initializer = KAIMING_FAN_OUT,
  ):
    num_dims = len(kernel_size)
    self.stride = tuple(stride) if stride is not None else (1,) * num_dims
    self.padding = tuple(padding) if padding is not None else (0,) * num_dims
    self.groups, self.dtype, self.precision, self.impl = groups, dtype, precision, impl
    self.kernel = nnx.Param(
      kernel_init(rngs.params(), (*kernel_size, in_features // groups, out_features), jnp.float32)
    )
    self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32)) if use_bias else None

  def __call__(
    self, x: Float[Array, "B ... C"], factor: Float[Array, "D"] | None = None
  ) -> Float[Array, "B ... D"]:
    """[B,H,W,C] or [B,T,H,W,C] -> the same axes, strided, in `dtype`. factor: multiplies the kernel's output channels, before the cast."""
    kernel = self.kernel[...] if factor is None else self.kernel[...] * factor
    y = conv(
      x.astype(self.dtype),
      kernel.astype(self.dtype),
      self.stride,
      self.padding,
      self.impl,
      self.precision,
      self.groups,
    )
    return y if self.bias is None else y + self.bias[...].astype(self.dtype)


class BatchNorm(nnx.Module):
  """Batch normalisation with torch's statistics.

  Differs from flax's in the running variance, which is the unbiased one (x n / (n - 1)). Statistics are taken in at least
  float32. Running values move by `momentum` towards each batch.

  `group_size` rows of the leading axis that follow each other share their statistics, as if each group were a batch on a device
  of its own; running values move towards the mean over groups. None: the whole batch is one group. Where frames are folded into
  the leading axis, count frames (group_size * T), not clips.
  """

  def __init__(
    self,
    num_features: int,
    *,
    group_size: int | None = None,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
    dtype: DTypeLike = jnp.float32,
  ):
    if group_size is not None and group_size < 1:
      raise ValueError(
        f"BatchNorm: group_size={group_size}; give a positive number of rows, or None for the whole batch"
      )
    self.group_size, self.momentum, self.epsilon, self.dtype = group_size, momentum, epsilon, dtype
    self.scale = nnx.Param(jnp.ones(num_features, jnp.float32))
    self.bias = nnx.Param(jnp.zeros(num_features, jnp.float32))
    self.mean = nnx.BatchStat(jnp.zeros(num_features, jnp.float32))
    self.var = nnx.BatchStat(jnp.ones(num_features, jnp.float32))

  @jax.named_scope("batch_norm")
  def __call__(self, x: Float[Array, "B ... C"], train: bool) -> Float[Array, "B ... C"]:
    """Normalises over all axes but the last. `train=False` uses, and leaves alone, the running values (frozen).

    Raises ValueError where `group_size` does not divide the leading axis.
    """
    wide = jnp.promote_types(jnp.float32, x.dtype)
    if not train:
      factor, shift = self.affine(wide)
      return (x.astype(wide) * factor + shift).astype(self.dtype)
    groups = _split_groups(x, self.group_size).astype(wide)  # [G,n,...,C]
    mean, var = self._batch_statistics(groups)  # [G,1,...,C]
    factor = self.scale[...].astype(wide) * lax.rsqrt(var + self.epsilon)
    y = groups * factor + (self.bias[...].astype(wide) - mean * factor)
    return y.reshape(x.shape).astype(self.dtype)

  def affine(self, dtype: DTypeLike) -> tuple[Float[Array, "C"], Float[Array, "C"]]:
    """(factor, shift), computed in `dtype`: with running values the layer is x * factor + shift."""
    factor = self.scale[...].astype(dtype) * lax.rsqrt(self.var[...].astype(dtype) + self.epsilon)
    return factor, self.bias[...].astype(dtype) - self.mean[...].astype(dtype) * factor

  def _batch_statistics(self, groups):
    """Each group's mean and biased variance [G,1,...,C]; moves the running values."""
    axes = tuple(range(1, groups.ndim - 1))
    count = groups[0, ..., 0].size
    # One pass over x. Taken about the running mean (any constant gives the same variance) so that a large mean cancels nothing.
    centre = lax.stop_gradient(self.mean[...].astype(groups.dtype))
    centred = groups - centre
    offset = centred.mean(axes, keepdims=True)
    var = jnp.maximum(jnp.square(centred).mean(axes, keepdims=True) - jnp.square(offset), 0)
    mean = offset + centre
    self._move(self.mean, mean)
    self._move(self.var, var * (count / max(count - 1, 1)))
    return mean, var

  def _move(self, running, batch):
    batch = lax.stop_gradient(batch).reshape(-1, batch.shape[-1]).mean(0)
    value = running[...]
    # Not `running[...] = `, whose check of shardings costs the square of the graph's length while it is traced.
    running.set_value(value + self.momentum * (batch.astype(value.dtype) - value))


def _split_groups(x, group_size):
  """[B,...] -> [B/g,g,...]."""
  rows = x.shape[0]
  size = rows if group_size is None else group_size
  if rows % size:
    below, above = rows - rows % size, rows - rows % size + size
    sizes = f"{below} or {above}" if below else str(above)
    raise ValueError(
      f"BatchNorm: a leading axis of {rows} does not split into groups of {size}; the nearest that do: {sizes}. "
      "Change the batch size or bn_group_size"
    )
  return x.reshape(rows // size, size, *x.shape[1:])


class Numerics(NamedTuple):
  """What every layer of one backbone shares; see the arguments of the same names."""

  dtype: DTypeLike
  precision: Precision
  bn_group_size: int | None
  conv_impl: ConvImpl


class ConvBN(nnx.Module):
  """Convolution without bias, padded by half its size, then batch normalisation; 2-D or 3-D by the length of `kernel_size`.

  With running statistics the normalisation is folded into the convolution: its factor into the kernel, its shift into a bias.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    *,
    groups: int = 1,
    epsilon: float = 1e-5,
    kernel_init: nnx.Initializer = KAIMING_FAN_OUT,
    rngs: nnx.Rngs,
    numerics: Numerics,
  ):
    self.conv = Conv(
      in_features,
      out_features,
      kernel_size,
      stride=stride,
      padding=[k // 2 for k in kernel_size],
      groups=groups,
      rngs=rngs,
      dtype=numerics.dtype,
      precision=numerics.precision,
      impl=numerics.conv_impl,
      kernel_init=kernel_init,
    )
    self.bn = BatchNorm(
      out_features, group_size=numerics.bn_group_size, epsilon=epsilon, dtype=numerics.dtype
    )

  def __call__(self, x: Float[Array, "B ... C"], train: bool) -> Float[Array, "B ... D"]:
    """[B,H,W,C] or [B,T,H,W,C] -> the same axes, strided. `train` as in `BatchNorm`."""
    if train:
      return self.bn(self.conv(x), train=True)
    factor, shift = self.bn.affine(jnp.promote_types(self.conv.dtype, jnp.float32))
    return (self.conv(x, factor) + shift).astype(self.bn.dtype)


class ConvStage(nnx.Module):
  """Convolutions of size 3, padded by 1, with biases and ReLU, then a maximum over windows: a stage of VGG or C3D.

  `window`, also the stride of the maximum, and `padding`, its own, say by their length whether images or clips are convolved.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    num_convs: int,
    window: Sequence[int],
    padding: Sequence[int],
    *,
    rngs: nnx.Rngs,
    numerics: Numerics,
  ):
    self.window, self.padding = tuple(window), tuple(padding)
    self.convs: nnx.List = nnx.List([])
    for i in range(num_convs):
      layer = Conv(
        in_features if i == 0 else out_features,
        out_features,
        (3,) * len(window),
        padding=(1,) * len(window),
        use_bias=True,
        rngs=rngs,
        dtype=numerics.dtype,
        precision=numerics.precision,
        impl=numerics.conv_impl,
      )
      self.convs.append(layer)

  def __call__(self, x: Float[Array, "B ... C"], train: bool) -> Float[Array, "B ... D"]:
    """[B,H,W,C] or [B,T,H,W,C] -> the same axes, shrunk by `window`; alike in training and evaluation."""
    for layer in self.convs:
      x = jax.nn.relu(layer(x))
    return max_pool(x, self.window, self.window, self.padding)


class Dropout(nnx.Module):
  """Dropout that owns no random state: its key comes with the call."""

  def __init__(self, rate: float):
    if not 0 <= rate < 1:
      raise ValueError(f"Dropout: rate={rate} is outside [0, 1)")
    self.rate = rate

  def __call__(self, x: Float[Array, "..."], rngs: nnx.Rngs | None, train: bool) -> Float[Array, "..."]:
    """x with a share `rate` of entries zeroed and the rest scaled up, in training; x itself otherwise.

    Raises ValueError in training where rngs is None.
    """
    if not train or self.rate == 0:
      return x
    if rngs is None:
      raise ValueError(f"Dropout: training at rate {self.rate} needs rngs=nnx.Rngs(dropout=key)")
    keep = jax.random.bernoulli(rngs.dropout(), 1 - self.rate, x.shape)
    return jnp.where(keep, x / (1 - self.rate), jnp.zeros((), x.dtype))


@jax.named_scope("pool")
def max_pool(
  x: Float[Array, "B ... C"],
  window: Sequence[int],
  stride: Sequence[int],
  padding: Sequence[int],
  ceil_mode: bool = False,
) -> Float[Array, "B ... C"]:
  """Maximum of each channel over windows of [B,H,W,C] or [B,T,H,W,C]; padding never wins.

  ceil_mode: windows may also hang over the far edge, as long as they start inside the map or its near padding (torch's rule).
  Raises ValueError where no window fits.
  """
  sizes = x.shape[1:-1]
  far = [
    max(p, (_num_windows(n, k, s, p) - 1) * s + k - n - p) if ceil_mode else p
    for n, k, s, p in zip(sizes, window, stride, padding, strict=True)
  ]
  if any(n + p + f < k for n, k, p, f in zip(sizes, window, padding, far, strict=True)):
    raise ValueError(
      f"max_pool: no window of {tuple(window)} fits in a map of {sizes}, padded by {tuple(padding)}; the input is too small"
    )
  pads = ((0, 0), *zip(padding, far, strict=True), (0, 0))
  # The literal -inf lets XLA recognise a maximum, whose gradient it then knows.
  return lax.reduce_window(x, -jnp.inf, lax.max, (1, *window, 1), (1, *stride, 1), pads)


def _num_windows(size, window, stride, padding) -> int:
  """How many windows torch's ceil_mode has along an axis."""
  num = -(-(size + 2 * padding - window) // stride) + 1
  return num - 1 if (num - 1) * stride >= size + padding else num


@jax.named_scope("pool")
def adaptive_mean_pool(x: Float[Array, "B H W C"], size: int) -> Float[Array, "B S S C"]:
  """Means over size x size windows that cover any H x W, window i from floor(i H / size) to ceil((i + 1) H / size) (torch's rule)."""
  wide = jnp.promote_types(x.dtype, jnp.float32)
  y = x
  for axis in (1, 2):
    if y.shape[axis] != size:
      weights = jnp.asarray(_window_weights(y.shape[axis], size), wide)
      y = jnp.moveaxis(jnp.tensordot(weights, y.astype(wide), (1, axis), precision="highest"), 0, axis)
  return y.astype(x.dtype)


def _window_weights(num: int, size: int) -> np.ndarray:
  """[size,num]: row i averages the positions of window i."""
  weights = np.zeros((size, num))
  for i in range(size):
    start, end = i * num // size, -(-(i + 1) * num // size)
    weights[i, start:end] = 1 / (end - start)
  return weights


def space_to_depth(x: Float[Array, "... H W C"], block: int) -> Float[Array, "... H2 W2 C2"]:
  """Each block x block square of pixels becomes one pixel of block * block * C channels.

  Raises ValueError where H or W is no multiple of `block`.
  """
  *lead, h, w, c = x.shape
  if h % block or w % block:
    raise ValueError(f"space_to_depth: {h} x {w} pixels are no multiple of {block}; choose such a crop size")
  x = x.reshape(*lead, h // block, block, w // block, block, c)
  x = jnp.swapaxes(x, -4, -3)
  return x.reshape(*lead, h // block, w // block, block * block * c)


def apply_remat(block: nnx.Module, x: Float[Array, "..."], train: bool) -> Float[Array, "..."]:
  """block(x, train), recomputing its inside in the backward pass instead of keeping it. Moves its statistics once."""
  graphdef, *states = nnx.split(block, nnx.Param, nnx.BatchStat)

  def run(states, x):
    copy = nnx.merge(graphdef, *states, copy=True)
    return copy(x, train), nnx.state(copy, nnx.BatchStat)

  y, batch_stats = jax.checkpoint(run)(states, x)
  nnx.update(block, batch_stats)
  return y
