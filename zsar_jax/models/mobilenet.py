"""MobileNetV2 for images (Sandler et al. 2018, as torchvision builds it): one of ResT's frame encoders (Table 4a)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvBN, Numerics, apply_remat

# (expansion, width, number of blocks, stride of the first).
STAGES = (
  (1, 16, 1, 1),
  (6, 24, 2, 2),
  (6, 32, 3, 2),
  (6, 64, 4, 2),
  (6, 96, 3, 1),
  (6, 160, 3, 2),
  (6, 320, 1, 1),
)


class InvertedResidual(nnx.Module):
  """1x1 to a wider space, 3x3 depthwise there, 1x1 back without activation; added to the input where shapes agree."""

  def __init__(
    self, in_features: int, width: int, expansion: int, stride: int, *, rngs: nnx.Rngs, numerics: Numerics
  ):
    self.residual = stride == 1 and in_features == width
    hidden = expansion * in_features
    # The convolutions that ReLU6 follows. Without expansion there is nothing to widen.
    self.inner: nnx.List = nnx.List([])
    if expansion != 1:
      self.inner.append(ConvBN(in_features, hidden, (1, 1), (1, 1), rngs=rngs, numerics=numerics))
    self.inner.append(
      ConvBN(hidden, hidden, (3, 3), (stride, stride), groups=hidden, rngs=rngs, numerics=numerics)
    )
    self.project = ConvBN(hidden, width, (1, 1), (1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 D"]:
    y = x
    for layer in self.inner:
      y = jax.nn.relu6(layer(y, train))
    y = self.project(y, train)
    return x + y if self.residual else y


class MobileNetV2(nnx.Module):
  """Images to one feature vector each."""

  num_dims = 2
  num_features = 1280

  def __init__(self, *, rngs: nnx.Rngs, numerics: Numerics, remat: bool):
    self.remat, self.dtype = remat, numerics.dtype
    self.stem = ConvBN(3, 32, (3, 3), (2, 2), rngs=rngs, numerics=numerics)
    self.blocks: nnx.List = nnx.List([])
    features = 32
    for expansion, width, num, stride in STAGES:
      for i in range(num):
        self.blocks.append(
          InvertedResidual(features, width, expansion, stride if i == 0 else 1, rngs=rngs, numerics=numerics)
        )
        features = width
    self.last = ConvBN(features, self.num_features, (1, 1), (1, 1), rngs=rngs, numerics=numerics)

  def __call__(self, x: Float[Array, "B H W 3"], train: bool, pool: bool = True) -> Float[Array, "B D"]:
    """Global average of the last map. x: normalised RGB; `train`: BatchNorm uses and moves batch statistics; `pool`: no matter."""
    with jax.named_scope("stem"):
      x = jax.nn.relu6(self.stem(x.astype(self.dtype), train))
    stages = [number for number, (_, _, num, _) in enumerate(STAGES, 1) for _ in range(num)]
    for number, block in zip(stages, self.blocks, strict=True):
      with jax.named_scope(f"layer{number}"):
        x = apply_remat(block, x, train) if self.remat else block(x, train)
    with jax.named_scope("last"):
      return jax.nn.relu6(self.last(x, train)).mean((1, 2))


def mobilenet_v2(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> MobileNetV2:
  """MobileNetV2 of width 1: [B,H,W,3] -> [B,1280].

  Initialised as torchvision: kernels normal of variance 2 / fan_out. Arguments as `resnet18`.
  """
  return MobileNetV2(rngs=rngs, numerics=Numerics(dtype, precision, bn_group_size, conv_impl), remat=remat)
