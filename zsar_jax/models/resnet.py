"""ResNet-18/34/101 for images (He et al. 2016, as torchvision builds them) and a tiny one: ResT's frame encoders (section 3.2)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvBN, Numerics, apply_remat, max_pool, space_to_depth


class BasicBlock(nnx.Module):
  """Two 3x3 convolutions beside a shortcut."""

  expansion = 1

  def __init__(self, in_features: int, width: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv1 = ConvBN(in_features, width, (3, 3), (stride, stride), rngs=rngs, numerics=numerics)
    self.conv2 = ConvBN(width, width, (3, 3), (1, 1), rngs=rngs, numerics=numerics)
    self.downsample = _shortcut(in_features, width, stride, rngs, numerics)

  def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 D"]:
    y = jax.nn.relu(self.conv1(x, train))
    y = self.conv2(y, train)
    return jax.nn.relu(y + (x if self.downsample is None else self.downsample(x, train)))


class Bottleneck(nnx.Module):
  """1x1, 3x3 (strided, as torchvision), 1x1 convolutions beside a shortcut; four times as wide at its end."""

  expansion = 4

  def __init__(self, in_features: int, width: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv1 = ConvBN(in_features, width, (1, 1), (1, 1), rngs=rngs, numerics=numerics)
    self.conv2 = ConvBN(width, width, (3, 3), (stride, stride), rngs=rngs, numerics=numerics)
    self.conv3 = ConvBN(width, 4 * width, (1, 1), (1, 1), rngs=rngs, numerics=numerics)
    self.downsample = _shortcut(in_features, 4 * width, stride, rngs, numerics)

  def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 D"]:
    y = jax.nn.relu(self.conv1(x, train))
    y = jax.nn.relu(self.conv2(y, train))
    y = self.conv3(y, train)
    return jax.nn.relu(y + (x if self.downsample is None else self.downsample(x, train)))


def _shortcut(in_features, out_features, stride, rngs, numerics) -> ConvBN | None:
  if stride == 1 and in_features == out_features:
    return None
  return ConvBN(in_features, out_features, (1, 1), (stride, stride), rngs=rngs, numerics=numerics)


class ImageStem(nnx.Module):
  """7x7 convolution and 3x3 maximum, both of stride 2."""

  def __init__(self, width: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv = ConvBN(3, width, (7, 7), (2, 2), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H2 W2 D"]:
    return max_pool(jax.nn.relu(self.conv(x, train)), window=(3, 3), stride=(2, 2), padding=(1, 1))


class PatchStem(nnx.Module):
  """4x4 patches as channels, then a 3x3 convolution: the stem's resolution at a fraction of its work."""

  def __init__(self, width: int, *, rngs: nnx.Rngs, numerics: Numerics):
    self.conv = ConvBN(48, width, (3, 3), (1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H2 W2 D"]:
    return jax.nn.relu(self.conv(space_to_depth(x, 4), train))


class ResNet(nnx.Module):
  """Images to one feature vector each.

  `num_features` is the vector's width, `num_dims` the number of axes convolved over. `stage_widths` are the blocks' inner widths.
  """

  num_dims = 2

  def __init__(
    self,
    stem: type[ImageStem] | type[PatchStem],
    block: type[BasicBlock] | type[Bottleneck],
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
        features = width * block.expansion
      self.stages.append(stage)
    self.num_features = features

  def __call__(self, x: Float[Array, "B H W 3"], train: bool, pool: bool = True) -> Float[Array, "B D"]:
    """Global average of the last stage. x: normalised RGB; `train`: BatchNorm uses and moves batch statistics; `pool`: no matter here."""
    with jax.named_scope("stem"):
      x = self.stem(x.astype(self.dtype), train)
    for number, stage in enumerate(self.stages, 1):
      with jax.named_scope(f"layer{number}"):
        for block in stage:
          x = apply_remat(block, x, train) if self.remat else block(x, train)
    return x.mean((1, 2))


def resnet18(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> ResNet:
  """ResNet-18: [B,H,W,3] -> [B,512].

  Args:
    rngs: supplies `params` keys.
    dtype: computed in; parameters are float32.
    precision: of convolutions, as in `jax.lax`.
    bn_group_size: rows of the leading axis that share BatchNorm statistics (frames * clips where frames are folded in); None: all.
    remat: recompute each block's inside in the backward pass.
    conv_impl: see `conv.conv`.
  """
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return ResNet(
    ImageStem, BasicBlock, (2, 2, 2, 2), (64, 128, 256, 512), rngs=rngs, numerics=numerics, remat=remat
  )


def resnet34(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> ResNet:
  """ResNet-34: [B,H,W,3] -> [B,512]. Arguments as `resnet18`."""
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return ResNet(
    ImageStem, BasicBlock, (3, 4, 6, 3), (64, 128, 256, 512), rngs=rngs, numerics=numerics, remat=remat
  )


def resnet101(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> ResNet:
  """ResNet-101: [B,H,W,3] -> [B,2048]. Arguments as `resnet18`."""
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return ResNet(
    ImageStem, Bottleneck, (3, 4, 23, 3), (64, 128, 256, 512), rngs=rngs, numerics=numerics, remat=remat
  )


def resnet_tiny(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> ResNet:
  """Three one-block stages on 4x4 patches, for the demo and tests: [B,H,W,3] -> [B,96], H and W multiples of 4. Arguments as `resnet18`."""
  numerics = Numerics(dtype, precision, bn_group_size, conv_impl)
  return ResNet(PatchStem, BasicBlock, (1, 1, 1), (24, 48, 96), rngs=rngs, numerics=numerics, remat=remat)
