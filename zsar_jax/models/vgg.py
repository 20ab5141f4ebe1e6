"""VGG-16 for images (Simonyan and Zisserman 2015, as torchvision builds it): one of ResT's frame encoders (Table 4a)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvStage, Numerics, adaptive_mean_pool, apply_remat

# (width, number of convolutions) of each stage.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
POOLED = 7


class VGG(nnx.Module):
  """Images to one flattened map each: "flattened global features after the last average pooling layer" (ResT, section 4.1)."""

  num_dims = 2

  def __init__(self, *, rngs: nnx.Rngs, numerics: Numerics, remat: bool):
    self.remat, self.dtype = remat, numerics.dtype
    self.stages: nnx.List = nnx.List([])
    features = 3
    for width, num in STAGES:
      self.stages.append(ConvStage(features, width, num, (2, 2), (0, 0), rngs=rngs, numerics=numerics))
      features = width
    self.num_features = features * POOLED * POOLED

  def __call__(self, x: Float[Array, "B H W 3"], train: bool, pool: bool = True) -> Float[Array, "B D"]:
    """The last map, averaged to 7 x 7, flattened channel by channel as torch does.

    x: normalised RGB of at least 32 x 32. `train` and `pool`: no matter here. Raises ValueError where x is smaller.
    """
    x = x.astype(self.dtype)
    for number, stage in enumerate(self.stages, 1):
      with jax.named_scope(f"layer{number}"):
        x = apply_remat(stage, x, train) if self.remat else stage(x, train)
    x = adaptive_mean_pool(x, POOLED)
    return jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)


def vgg16(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> VGG:
  """VGG-16 without BatchNorm up to its classifier: [B,H,W,3] -> [B,25088].

  Initialised as torchvision: kernels normal of variance 2 / fan_out, biases zero.

  Args:
    rngs: supplies `params` keys.
    dtype: computed in; parameters are float32.
    precision: of convolutions, as in `jax.lax`.
    bn_group_size: no matter, since there is no BatchNorm; here so that all backbones are built alike.
    remat: recompute each stage's inside in the backward pass.
    conv_impl: see `conv.conv`.
  """
  return VGG(rngs=rngs, numerics=Numerics(dtype, precision, bn_group_size, conv_impl), remat=remat)
