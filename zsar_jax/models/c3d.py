"""C3D for clips (Tran et al. 2015) up to fc6: one of E2E's encoders (Table 1)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.conv import ConvImpl, Precision
from zsar_jax.models.layers import ConvStage, Numerics, apply_remat

# (width, number of convolutions, pooling window, pooling padding) of each stage.
STAGES = (
  (64, 1, (1, 2, 2), (0, 0, 0)),
  (128, 1, (2, 2, 2), (0, 0, 0)),
  (256, 2, (2, 2, 2), (0, 0, 0)),
  (512, 2, (2, 2, 2), (0, 0, 0)),
  (512, 2, (2, 2, 2), (0, 1, 1)),
)
FC6_SIZE = 4  # side of the map that fc6 reads
MIN_FRAMES = 16
SIZES = range(96, 128)  # heights and widths that leave such a map
FC6_FEATURES = 4096


class C3D(nnx.Module):
  """Clips to one fc6 vector each, or one for every 16 frames. No dropout inside."""

  num_dims = 3
  num_features = FC6_FEATURES

  def __init__(self, *, rngs: nnx.Rngs, numerics: Numerics, remat: bool):
    self.remat, self.dtype = remat, numerics.dtype
    self.stages: nnx.List = nnx.List([])
    features = 3
    for width, num, window, padding in STAGES:
      self.stages.append(ConvStage(features, width, num, window, padding, rngs=rngs, numerics=numerics))
      features = width
    self.fc6 = nnx.Linear(
      features * FC6_SIZE * FC6_SIZE,
      FC6_FEATURES,
      dtype=numerics.dtype,
      precision=numerics.precision,
      kernel_init=nnx.initializers.he_normal(),
      rngs=rngs,
    )

  def __call__(self, x: Float[Array, "B T H W 3"], train: bool, pool: bool = True) -> Float[Array, "B ... D"]:
    """fc6 and ReLU at every temporal position left (16 frames leave one); their mean [B,D], or with pool=False all of them [B,T',D].

    x: normalised RGB; `train`: no matter here. Raises ValueError where fc6 does not fit the clip.
    """
    _check(x.shape)
    x = x.astype(self.dtype)
    for number, stage in enumerate(self.stages, 1):
      with jax.named_scope(f"layer{number}"):
        x = apply_remat(stage, x, train) if self.remat else stage(x, train)
    # torch flattens channels first; so do we, and its weights fit as they are.
    x = jnp.moveaxis(x, -1, 2).reshape(*x.shape[:2], -1)
    with jax.named_scope("fc6"):
      x = jax.nn.relu(self.fc6(x))
    return x.mean(1) if pool else x


def _check(shape):
  _, num_frames, *size, _ = shape
  if num_frames < MIN_FRAMES or any(n not in SIZES for n in size):
    raise ValueError(
      f"c3d: fc6 fits clips of at least {MIN_FRAMES} frames of 112 x 112 pixels (each side from {SIZES[0]} to {SIZES[-1]}); "
      f"got {num_frames} frames of {size[0]} x {size[1]}"
    )


def c3d(
  *,
  rngs: nnx.Rngs,
  dtype: DTypeLike = jnp.float32,
  precision: Precision = None,
  bn_group_size: int | None = None,
  remat: bool = False,
  conv_impl: ConvImpl = "auto",
) -> C3D:
  """C3D: [B,T,112,112,3] -> [B,4096]; time shrinks sixteenfold.

  Initialised for ReLU, as our other backbones: kernels normal of variance 2 / fan_out, fc6 normal of variance 2 / fan_in, cut at two
  deviations; biases zero.

  Args:
    rngs: supplies `params` keys.
    dtype: computed in; parameters are float32.
    precision: of convolutions and fc6, as in `jax.lax`.
    bn_group_size: no matter, since there is no BatchNorm; here so that all backbones are built alike.
    remat: recompute each stage's inside in the backward pass.
    conv_impl: see `conv.conv`.
  """
  return C3D(rngs=rngs, numerics=Numerics(dtype, precision, bn_group_size, conv_impl), remat=remat)
