"""E2E (Brattoli et al. 2020): clips to a point in the space of class-name word vectors."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from zsar_jax.models.backbone import Backbone
from zsar_jax.models.encode import TRAINED, Freeze, encode
from zsar_jax.models.layers import Dropout


class E2E(nnx.Module):
  """A clip encoder, features averaged over clips, and one linear regressor (section 3.2; dropout as in the released code).

  With `freeze.parameters` it is the baseline of section 3.2: the regressor alone learns. Raises ValueError where the backbone reads
  single images.
  """

  def __init__(
    self,
    backbone: Backbone,
    num_outputs: int = 300,
    dropout: float = 0.05,
    *,
    freeze: Freeze = TRAINED,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    if backbone.num_dims == 2:
      raise ValueError(
        f"E2E: needs a 3-D backbone, which reads clips; {type(backbone).__name__} reads images"
      )
    self.backbone, self.freeze = backbone, freeze
    self.dropout = Dropout(dropout)
    self.regressor = nnx.Linear(backbone.num_features, num_outputs, dtype=dtype, rngs=rngs)

  def clip_features(self, frames: Float[Array, "B N T ..."], train: bool) -> Float[Array, "B N P"]:
    """What the backbone makes of each clip, before the regressor."""
    batch, clips = frames.shape[:2]
    features = encode(self.backbone, frames.reshape(batch * clips, *frames.shape[2:]), train, self.freeze)
    return features.reshape(batch, clips, -1)

  def __call__(
    self, frames: Float[Array, "B N T ..."], *, train: bool, rngs: nnx.Rngs | None = None
  ) -> Float[Array, "B D"]:
    """Semantic embedding of each video, not normalised.

    frames: normalised RGB [B,N,T,H,W,C], or precomputed features [B,N,T,P] for such a backbone. rngs: `dropout` keys, needed in
    training.
    """
    features = self.clip_features(frames, train).mean(1)
    with jax.named_scope("heads"):
      return self.regressor(self.dropout(features, rngs, train))

  def embed(self, frames: Float[Array, "B N T ..."]) -> Float[Array, "B N D"]:
    """Semantic embedding of each clip, not normalised; evaluation mode. Their mean is `__call__(frames, train=False)`."""
    features = self.clip_features(frames, train=False)
    with jax.named_scope("heads"):
      return self.regressor(features)
