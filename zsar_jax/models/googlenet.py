"""GoogLeNet for images (Szegedy et al. 2015, as torchvision builds it, with BatchNorm): one of ResT's frame encoders (Table 4a)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvBN, Numerics, apply_remat, max_pool

# Widths of (branch 1; branch 2's 1x1, 3x3; branch 3's 1x1, 3x3; branch 4) of each module.
INCEPTIONS = {
  "inception3a": (64, 96, 128, 16, 32, 32),
  "inception3b": (128, 128, 192, 32, 96, 64),
  "inception4a": (192, 96, 208, 16, 48, 64),
  "inception4b": (160, 112, 224, 24, 64, 64),
  "inception4c": (128, 128, 256, 24, 64, 64),
  "inception4d": (112, 144, 288, 32, 64, 64),
  "inception4e": (256, 160, 320, 32, 128, 128),
  "inception5a": (256, 160, 320, 32, 128, 128),
  "inception5b": (384, 192, 384, 48, 128, 128),
}
# Pooling windows before these modules; stride 2.
POOL_BEFORE = {"inception3a": 3, "inception4a": 3, "inception5a": 2}


class BasicConv(nnx.Module):
  """Convolution, BatchNorm (epsilon 1e-3), ReLU."""

  def __init__(
    self, in_features: int, width: int, size: int, stride: int = 1, *, rngs: nnx.Rngs, numerics: Numerics
  ):
    self.layer = ConvBN(
      in_features,
      width,
      (size, size),
      (stride, stride),
      epsilon=1e-3,
      kernel_init=nnx.initializers.normal(0.01),
      rngs=rngs,
      numerics=numerics,
    )

  def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 D"]:
    return jax.nn.relu(self.layer(x, train))


class Inception(nnx.Module):
  """Four branches side by side: 1x1; 1x1 and 3x3; again 1x1 and 3x3 (the paper has 5x5, torchvision does not); maximum and 1x1."""

  def __init__(self, in_features: int, widths: tuple[int, ...], *, rngs: nnx.Rngs, numerics: Numerics):
    one, two_in, two, three_in, three, four = widths

    def basic(features, width, size):
      return BasicConv(features, width, size, rngs=rngs, numerics=numerics)

    self.branch1 = basic(in_features, one, 1)
    self.branch2 = nnx.List([basic(in_features, two_in, 1), basic(two_in, two, 3)])
    self.branch3 = nnx.List([basic(in_features, three_in, 1), basic(three_in, three, 3)])
    self.branch4 = basic(in_features, four, 1)

  def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W D"]:
    pooled = max_pool(x, window=(3, 3), stride=(1, 1), padding=(1, 1), ceil_mode=True)
    branches = [self.branch1(x, train), x, x, self.branch4(pooled, train)]
    for i, branch in ((1, self.branch2), (2, self.branch3)):
      for layer in branch:
        branches[i] = layer(branches[i], train)
    return jnp.concatenate(branches, -1)


class GoogLeNet(nnx.Module):
  """Images to one feature vector each. No auxiliary heads; the input is normalised as every backbone's."""

  num_dims = 2

  def __init__(self, *, rngs: nnx.Rngs, numerics: Numerics, remat: bool):
    self.remat, self.dtype = remat, numerics.dtype
    self.conv1 = BasicConv(3, 64, 7, 2, rngs=rngs, numerics=numerics)
    self.conv2 = BasicConv(64, 64, 1, rngs=rngs, numerics=numerics)
    self.conv3 = BasicConv(64, 192, 3, rngs=rngs, numerics=numerics)
    features = 192
    for name, widths in INCEPTIONS.items():
      setattr(self, name, Inception(features, widths, rngs=rngs, numerics=numerics))
      features = widths[0] + widths[2] + widths[4] + widths[5]
    self.num_features = features

  def __call__(self, x: Float[Array, "B H W 3"], train: bool, pool: bool = True) -> Float[Array, "B D"]:
    """Global average of the last map. x: normalised RGB; `train`: BatchNorm uses and moves batch statistics; `pool`: no matter."""
    with jax.named_scope("stem"):
      x = _halve(self.conv1(x.astype(self.dtype), train), 3)
      x = self.conv3(self.conv2(x, train), train)
    for name in INCEPTIONS:
      with jax.named_scope(name[:-1]):
        if name in POOL_BEFORE:
          x = _halve(x, POOL_BEFORE[name])
        block = getattr(self, name)
        x = apply_remat(block, x, train) if self.remat else block(x, train)
    return x.mean((1, 2))


def _halve(x, window):
  return max_pool(x, window=(window, window), stride=(2, 2), padding=(0, 0), ceil_mode=True)


def googlenet(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> GoogLeNet:
  """GoogLeNet with BatchNorm: [B,H,W,3] -> [B,1024].

  Initialised as torchvision: kernels normal of deviation 0.01, which BatchNorm scales up. Arguments as `resnet18`; remat by module.
  """
  return GoogLeNet(rngs=rngs, numerics=Numerics(dtype, precision, bn_group_size, conv_impl), remat=remat)
