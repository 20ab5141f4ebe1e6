"""E2E (Brattoli et al. 2020): regress the class's word vector from the video."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, Int

from zsar_jax.config import Config
from zsar_jax.methods.backbone import freezing, make_backbone
from zsar_jax.methods.base import ClipEmbeddings, Clips, Phase
from zsar_jax.models.e2e import E2E
from zsar_jax.models.encode import gather_clips
from zsar_jax.types import ClassSet, Prototypes


class E2EMethod:
  """A video is compared with the word vectors of the class names (Eq. 1)."""

  space = "semantic"
  spaces: tuple[str, ...] = ("semantic",)
  class_parts: tuple[str, ...] = ()
  vector_parts: tuple[str, ...] = ("regressor",)

  def __init__(self, config: Config, seen: ClassSet):
    self.config = config
    self.seen = seen
    self.targets = jnp.asarray(seen.semantic_embeddings)

  def init_model(self, seed: int) -> E2E:
    model, rngs = self.config.model, nnx.Rngs(seed)
    backbone = make_backbone(self.config, rngs)
    num_outputs, dtype = self.targets.shape[1], jnp.dtype(model.dtype)
    return E2E(backbone, num_outputs, model.dropout, freeze=freezing(self.config), rngs=rngs, dtype=dtype)

  def phases(self) -> tuple[Phase, ...]:
    """One; with a frozen backbone it is the baseline of Sec. 3.2."""
    keeps = ("backbone",) if self.config.model.freeze_backbone else ()
    return (Phase("joint", self.loss, self.scores, self.config.train.joint, (), keeps),)

  def loss(self, model: E2E, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """Squared error to the word vector (Eq. 2): the mean over unit vectors' elements where `normalize` is on
    (as released), else the squared distance as printed."""
    output = model(batch.frames, train=True, rngs=rngs).astype(jnp.float32)
    target = self.targets[batch.label]
    if self.config.model.normalize:
      loss = jnp.mean((_unit(output) - target) ** 2)
    else:
      loss = jnp.mean(jnp.sum((output - target) ** 2, axis=-1))
    hit = jnp.argmax(_unit(output) @ self.targets.T, axis=-1) == batch.label
    return loss, {"accuracy": 100 * hit.mean()}

  def scores(self, model: E2E, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B K"]:
    """Cosine similarity to every seen class."""
    return _unit(self.embed(model, frames).mean(1)) @ self.targets.T

  def embed(self, model: E2E, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    return model.embed(frames).astype(jnp.float32)

  def embed_clips(
    self, model: E2E, frames: Float[Array, "B F ..."], positions: Int[Array, "B N T"]
  ) -> ClipEmbeddings:
    return ClipEmbeddings(self.embed(model, gather_clips(frames, positions)), None)

  def halves(self) -> None:
    """None: E2E reads clips."""

  def prototypes(self, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"] | None = None) -> Prototypes:
    """The unseen classes' word vectors."""
    return Prototypes(unseen.names, unseen.semantic_embeddings, self.space)


def _unit(x: Float[Array, "*dims D"]) -> Float[Array, "*dims D"]:
  return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x * x, axis=-1, keepdims=True), 1e-12))
