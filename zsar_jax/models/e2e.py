"""E2E (Brattoli et al. 2020): clips to a point in the space of class-name word vectors."""

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.layers import Dropout
from zsar_jax.models.resnet import ResNet
from zsar_jax.models.video_resnet import VideoResNet


class E2E(nnx.Module):
  """A clip encoder, features averaged over clips, and one linear regressor (section 3.2; dropout as in the released code)."""

  def __init__(
    self,
    backbone: ResNet | VideoResNet,
    num_outputs: int = 300,
    dropout: float = 0.05,
    *,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    if backbone.num_dims != 3:
      raise ValueError(
        f"E2E: needs a 3-D backbone, which reads clips; {type(backbone).__name__} reads images"
      )
    self.backbone = backbone
    self.dropout = Dropout(dropout)
    self.regressor = nnx.Linear(backbone.num_features, num_outputs, dtype=dtype, rngs=rngs)

  def clip_features(self, frames: Float[Array, "B N T H W C"], train: bool) -> Float[Array, "B N P"]:
    """What the backbone makes of each clip, before the regressor."""
    batch, clips = frames.shape[:2]
    features = self.backbone(frames.reshape(batch * clips, *frames.shape[2:]), train)
    return features.reshape(batch, clips, -1)

  def __call__(
    self,
    frames: Float[Array, "B N T H W C"],
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
    train_backbone: bool | None = None,
  ) -> Float[Array, "B D"]:
    """Semantic embedding of each video, not normalised.

    frames: normalised RGB. rngs: `dropout` keys, needed in training. train_backbone: whether BatchNorm uses and moves batch
    statistics; None: as `train` (False is E2E's frozen baseline).
    """
    features = self.clip_features(frames, train if train_backbone is None else train_backbone).mean(1)
    return self.regressor(self.dropout(features, rngs, train))

  def embed(self, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    """Semantic embedding of each clip, not normalised; evaluation mode. Their mean is `__call__(frames, train=False)`."""
    return self.regressor(self.clip_features(frames, train=False))
