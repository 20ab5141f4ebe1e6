"""ResT (Lin et al. 2022): classify seen actions, and compose unseen ones from them."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Float32

from zsar_jax.classes.vocabulary import FIRST_WORD, vocabulary, word_table
from zsar_jax.config import Config
from zsar_jax.methods.base import Clips, Phase
from zsar_jax.models import BACKBONES
from zsar_jax.models.rest import ResT, mask_words
from zsar_jax.types import ClassSet, Prototypes
from zsar_jax.zeroshot.compose import transfer


class ResTMethod:
  """A video is compared with weighted means of seen classes' visual prototypes (Eq. 6)."""

  space = "visual"

  def __init__(self, config: Config, seen: ClassSet):
    self.config = config
    self.seen = seen

  def init_model(self, seed: int) -> ResT:
    config, model, rngs = self.config, self.config.model, nnx.Rngs(seed)
    dtype = jnp.dtype(model.dtype)
    backbone = BACKBONES[model.backbone](
      rngs=rngs, dtype=dtype, bn_group_size=self._group_size, remat=model.remat
    )
    return ResT(
      backbone,
      num_classes=len(self.seen.names),
      vocabulary_size=FIRST_WORD + len(vocabulary(self.seen.words)),
      max_words=word_table(self.seen.words).shape[1],
      num_frames=config.data.num_frames,
      width=model.width,
      num_layers=model.num_layers,
      num_heads=model.num_heads,
      hidden=model.hidden,
      dropout=model.dropout,
      rngs=rngs,
      dtype=dtype,
    )

  def phases(self) -> tuple[Phase, ...]:
    """Warm-up of the frame encoder, then everything (Sec. 4.1)."""
    train = self.config.train
    warmup = Phase("warmup", self.warmup_loss, self.warmup_scores, train.warmup, ("backbone", "warmup_head"))
    joint = Phase("joint", self.loss, self.scores, train.joint, ())
    return (warmup, joint) if train.warmup.steps or train.warmup.epochs else (joint,)

  def warmup_loss(self, model: ResT, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """Cross-entropy of the mean-pooled frame features."""
    logits = model.warmup_logits(_one_clip(batch.frames), train=True)
    return _cross_entropy(logits, batch.label), {"accuracy": _accuracy(logits, batch.label)}

  def loss(self, model: ResT, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """Classification plus omega times masked words (Sec. 3.2.4); both tasks share one pass."""
    words, chosen = mask_words(rngs.words(), batch.words, self.config.model.mask_rate)
    output = model(_one_clip(batch.frames), words, train=True, rngs=rngs)
    assert output.word_logits is not None, "words were given"
    class_loss = _cross_entropy(output.class_logits, batch.label)
    word_loss = _masked_cross_entropy(output.word_logits, batch.words, chosen)
    metrics = {
      "class_loss": class_loss,
      "word_loss": word_loss,
      "accuracy": _accuracy(output.class_logits, batch.label),
    }
    return class_loss + self.config.model.word_loss_weight * word_loss, metrics

  def warmup_scores(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B K"]:
    return model.warmup_logits(_one_clip(frames), train=False).astype(jnp.float32)

  def scores(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B K"]:
    """The classification head's logits for the first clip."""
    return model(_one_clip(frames), None, train=False).class_logits.astype(jnp.float32)

  def embed(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    return model.embed(frames).astype(jnp.float32)

  def prototypes(self, unseen: ClassSet, seen_visual: Float32[Array, "S D"] | None) -> Prototypes:
    """Composed by the integer program over word-vector similarity (Eq. 1-6)."""
    assert seen_visual is not None, "visual prototypes need the seen classes' mean embeddings"
    transfer_config = self.config.transfer
    return transfer(
      unseen,
      self.seen,
      np.asarray(seen_visual),
      num_neighbors=transfer_config.num_neighbors,
      distinctiveness=transfer_config.distinctiveness,
      max_seen_per_unseen=transfer_config.max_seen_per_unseen,
      max_uses_per_seen=transfer_config.max_uses_per_seen or None,
      solver=transfer_config.solver,
    )

  @functools.cached_property
  def _group_size(self) -> int | None:
    """BatchNorm's group: rows are frames in a 2-D backbone, clips in a 3-D one."""
    make = BACKBONES[self.config.model.backbone]
    rows_per_clip = {2: self.config.data.num_frames, 3: 1}[
      nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))).num_dims
    ]
    return self.config.model.bn_group_size * rows_per_clip or None


def _one_clip(frames: Float[Array, "B N T H W C"]) -> Float[Array, "B T H W C"]:
  return frames[:, 0]


def _cross_entropy(logits: Float[Array, "B K"], label: Array) -> Array:
  return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), label).mean()


def _masked_cross_entropy(logits: Float[Array, "B L V"], words: Array, chosen: Array) -> Array:
  losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), words)
  return (losses * chosen).sum() / jnp.maximum(chosen.sum(), 1)


def _accuracy(logits: Float[Array, "B K"], label: Array) -> Array:
  return 100 * (jnp.argmax(logits, axis=-1) == label).mean()
