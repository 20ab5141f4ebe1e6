"""R(2+1)D-18 and R3D-18 for clips (Tran et al. 2018, as torchvision builds them) and a tiny R(2+1)D: E2E's encoders (section 4)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvBN, Numerics, apply_remat, space_to_depth


class FactoredConvBN(nnx.Module):
  """A 3x3x3 convolution as 1x3x3 to `middle` channels, BatchNorm, ReLU, then 3x1x1, BatchNorm; strided alike in T, H and W."""

  def __init__(
    self, in_features: int, out_features: int, middle: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics
  ):
    self.spatial = ConvBN(in_features, middle, (1, 3, 3), (1, stride, stride), rngs=rngs, numerics=numerics)
    self.temporal = ConvBN(middle, out_features, (3, 1, 1), (stride, 1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B T H W C"], train: bool) -> Float[Array, "B T2 H2 W2 D"]:
    return self.temporal(jax.nn.relu(self.spatial(x, train)), train)


class FactoredBlock(nnx.Module):
  """Residual block of two factored convolutions with as many parameters as two 3x3x3 ones."""

  def __init__(self, in_features: int, width: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics):
    # torchvision takes one inner width for both convolutions, from the block's input width.
    middle = (27 * in_features * width) // (9 * in_features + 3 * width)
    self.conv1 = FactoredConvBN(in_features, width, middle, stride, rngs=rngs, numerics=numerics)
    self.conv2 = FactoredConvBN(width, width, middle, 1, rngs=rngs, numerics=numerics)
    self.downsample = _shortcut(in_features, width, stride, rngs, numerics)

  def __call__(self, x: Float[Array, "B T H W C"], train: bool) -> Float[Array, "B T2 H2 W2 D"]:
    y = jax.nn.relu(self.conv1(x, train))
    y = self.conv2(y, train)
    return jax.nn.relu(y + (x if self.downsample is None else self.downsample(x, train)))


class CubicBlock(nnx.Module):
  """Residual block of two 3x3x3 convolutions."""

  def __init__(self, in_features: int, width: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv1 = ConvBN(in_features, width, (3, 3, 3), (stride, stride, stride), rngs=rngs, numerics=numerics)
    self.conv2 = ConvBN(width, width, (3, 3, 3), (1, 1, 1), rngs=rngs, numerics=numerics)
    self.downsample = _shortcut(in_features, width, stride, rngs, numerics)

  def __call__(self, x: Float[Array, "B T H W C"], train: bool) -> Float[Array, "B T2 H2 W2 D"]:
    y = jax.nn.relu(self.conv1(x, train))
    y = self.conv2(y, train)
    return jax.nn.relu(y + (x if self.downsample is None else self.downsample(x, train)))


def _shortcut(in_features, width, stride, rngs, numerics) -> ConvBN | None:
  if stride == 1 and in_features == width:
    return None
  return ConvBN(in_features, width, (1, 1, 1), (stride, stride, stride), rngs=rngs, numerics=numerics)


class FactoredStem(nnx.Module):
  """1x7x7 of stride 2 in space to 45 channels, then 3x1x1."""

  def __init__(self, width: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.spatial = ConvBN(3, 45, (1, 7, 7), (1, 2, 2), rngs=rngs, numerics=numerics)
    self.temporal = ConvBN(45, width, (3, 1, 1), (1, 1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B T H W 3"], train: bool) -> Float[Array, "B T H2 W2 D"]:
    return jax.nn.relu(self.temporal(jax.nn.relu(self.spatial(x, train)), train))


class CubicStem(nnx.Module):
  """3x7x7 of stride 2 in space."""

  def __init__(self, width: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv = ConvBN(3, width, (3, 7, 7), (1, 2, 2), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B T H W 3"], train: bool) -> Float[Array, "B T H2 W2 D"]:
    return jax.nn.relu(self.conv(x, train))


class PatchStem3D(nnx.Module):
  """4x4 patches as channels, then 1x3x3 and 3x1x1 convolutions."""

  def __init__(self, width: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.spatial = ConvBN(48, width, (1, 3, 3), (1, 1, 1), rngs=rngs, numerics=numerics)
    self.temporal = ConvBN(width, width, (3, 1, 1), (1, 1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B T H W 3"], train: bool) -> Float[Array, "B T H2 W2 D"]:
    x = jax.nn.relu(self.spatial(space_to_depth(x, 4), train))
    return jax.nn.relu(self.temporal(x, train))


class VideoResNet(nnx.Module):
  """Clips to one feature vector each, or one per temporal position left.

  `num_features` is the vector's width, `num_dims` the number of axes convolved over.
  """

  num_dims = 3

  def __init__(
    self,
    stem: type[FactoredStem] | type[CubicStem] | type[PatchStem3D],
    block: type[FactoredBlock] | type[CubicBlock],
    num_blocks: Sequence[int],
    stage_widths: Sequence[int],
    *,
    rngs: nnx.Rngs,
    numerics: Numerics,
    remat: bool,
  ):
    self.remat, self.dtype = remat, numerics.dtype
    self.stem = stem(stage_widths[0], rngs=rngs, numerics=numerics)
    self.stages: nnx.List = nnx.List([])
    features = stage_widths[0]
    for i, (num, width) in enumerate(zip(num_blocks, stage_widths, strict=True)):
      stage: nnx.List = nnx.List([])
      for j in range(num):
        stride = 2 if i > 0 and j == 0 else 1
        stage.append(block(features, width, stride, rngs=rngs, numerics=numerics))
        features = width
      self.stages.append(stage)
    self.num_features = features

  def __call__(self, x: Float[Array, "B T H W 3"], train: bool, pool: bool = True) -> Float[Array, "B ... D"]:
    """Average over space and, with `pool`, time: [B,D]; without, [B,T',D]. x: normalised RGB; `train` as in `BatchNorm`."""
    with jax.named_scope("stem"):
      x = self.stem(x.astype(self.dtype), train)
    for number, stage in enumerate(self.stages, 1):
      with jax.named_scope(f"layer{number}"):
        for block in stage:
          x = apply_remat(block, x, train) if self.remat else block(x, train)
    return x.mean((1, 2, 3)) if pool else x.mean((2, 3))


def r2plus1d_18(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> VideoResNet:
  """R(2+1)D-18: [B,T,H,W,3] -> [B,512]; time shrinks eightfold.

  Args:
    rngs: supplies `params` keys.
    dtype: computed in; parameters are float32.
    precision: of convolutions, as in `jax.lax`.
    bn_group_size: clips that share BatchNorm statistics; None: the whole batch.
    remat: recompute each block's inside in the backward pass.
    conv_impl: see `conv.conv`.
  """
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  widths = (64, 128, 256, 512)
  return VideoResNet(
    FactoredStem, FactoredBlock, (2, 2, 2, 2), widths, rngs=rngs, numerics=numerics, remat=remat
  )


def r3d_18(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> VideoResNet:
  """R3D-18: [B,T,H,W,3] -> [B,512]; time shrinks eightfold. Arguments as `r2plus1d_18`."""
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return VideoResNet(
    CubicStem, CubicBlock, (2, 2, 2, 2), (64, 128, 256, 512), rngs=rngs, numerics=numerics, remat=remat
  )


def r2plus1d_tiny(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> VideoResNet:
  """Three one-block stages on 4x4 patches, for the demo and tests: [B,T,H,W,3] -> [B,96], H and W multiples of 4; time shrinks fourfold.

  Arguments as `r2plus1d_18`.
  """
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return VideoResNet(
    PatchStem3D, FactoredBlock, (1, 1, 1), (24, 48, 96), rngs=rngs, numerics=numerics, remat=remat
  )
