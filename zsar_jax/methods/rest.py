"""ResT (Lin et al. 2022): classify seen actions, and compose unseen ones from them."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Float32, Int

from zsar_jax.classes.vocabulary import FIRST_WORD, vocabulary, word_table
from zsar_jax.config import Config
from zsar_jax.methods.backbone import freezing, make_backbone, reads_images
from zsar_jax.methods.base import ClipEmbeddings, Clips, Halves, Phase
from zsar_jax.models.rest import PAD_ID, ResT, mask_words
from zsar_jax.types import ClassSet, Prototypes
from zsar_jax.zeroshot.compose import transfer


class ResTMethod:
  """A video is compared with weighted means of seen classes' visual prototypes (Eq. 6)."""

  space = "visual"
  class_parts: tuple[str, ...] = ("warmup_head", "class_head", "word_embedding", "word_head")
  vector_parts: tuple[str, ...] = ()

  def __init__(
    self, config: Config, seen: ClassSet, word_vectors: Mapping[str, Float32[np.ndarray, " E"]] | None = None
  ):
    self.config = config
    self.seen = seen
    names = vocabulary(seen.words)
    known = word_vectors is not None and all(name in word_vectors for name in names)
    self.word_vectors = np.stack([word_vectors[name] for name in names]) if word_vectors and known else None

  @property
  def spaces(self) -> tuple[str, ...]:
    """Transfer needs both tasks, which tie the spaces together (section 4.3); words need the word task and vectors."""
    tasks = self.config.model.tasks
    visual = ("visual",) if len(tasks) == 2 else ()
    return (*visual, "semantic", *(("words",) if self._names_words else ()))

  @property
  def _names_words(self) -> bool:
    return "mlm" in self.config.model.tasks and self.word_vectors is not None

  def init_model(self, seed: int) -> ResT:
    config, model, rngs = self.config, self.config.model, nnx.Rngs(seed)
    return ResT(
      make_backbone(config, rngs),
      num_classes=len(self.seen.names),
      vocabulary_size=FIRST_WORD + len(vocabulary(self.seen.words)),
      max_words=word_table(self.seen.words).shape[1],
      num_frames=config.data.num_frames,
      width=model.width,
      num_layers=model.num_layers,
      num_heads=model.num_heads,
      hidden=model.hidden,
      dropout=model.dropout,
      temporal=model.temporal,
      tasks=model.tasks,
      cross_modal=model.cross_modal,
      freeze=freezing(config),
      rngs=rngs,
      dtype=jnp.dtype(model.dtype),
    )

  def phases(self) -> tuple[Phase, ...]:
    """Warm-up of the frame encoder, then everything (Sec. 4.1). A frozen encoder needs no warm-up."""
    train, frozen = self.config.train, self.config.model.freeze_backbone
    warmup = Phase("warmup", self.warmup_loss, self.warmup_scores, train.warmup, ("backbone", "warmup_head"))
    joint = Phase(
      "joint", self.loss, self.scores, train.joint, (), ("backbone", "warmup_head") if frozen else ()
    )
    return (warmup, joint) if not frozen and (train.warmup.steps or train.warmup.epochs) else (joint,)

  def warmup_loss(self, model: ResT, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """Cross-entropy of the mean-pooled frame features."""
    logits = model.warmup_logits(_one_clip(batch.frames), train=True)
    return _cross_entropy(logits, batch.label), {"accuracy": _accuracy(logits, batch.label)}

  def loss(self, model: ResT, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """Classification plus omega times masked words (Sec. 3.2.4), or the one of them that `model.tasks` names; one pass for both.

    With cross-modal attention classification reads the words too, in a pass of its own where none is masked.
    """
    words, chosen = mask_words(rngs.words(), batch.words, self.config.model.mask_rate)
    features = model.frame_features(_one_clip(batch.frames), train=True)
    output = model.from_features(features, words, train=True, rngs=rngs)
    class_logits = output.class_logits
    if self.config.model.cross_modal and class_logits is not None:
      class_logits = model.from_features(features, batch.words, train=True, rngs=rngs).class_logits
    loss: Array = jnp.float32(0)
    metrics: dict[str, Array] = {}
    if class_logits is not None:
      metrics["class_loss"] = _cross_entropy(class_logits, batch.label)
      metrics["accuracy"] = _accuracy(class_logits, batch.label)
      loss = loss + metrics["class_loss"]
    if output.word_logits is not None:
      metrics["word_loss"] = _masked_cross_entropy(output.word_logits, batch.words, chosen)
      loss = loss + self.config.model.word_loss_weight * metrics["word_loss"]
    return loss, metrics

  def warmup_scores(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B K"]:
    return model.warmup_logits(_one_clip(frames), train=False).astype(jnp.float32)

  def scores(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B K"]:
    """The first clip's class logits; without the class task, the mean log-probability of each class's words."""
    output = model.infer(_one_clip(frames))
    if output.class_logits is not None:
      return output.class_logits.astype(jnp.float32)
    assert output.word_logits is not None, "one task is on"
    return _word_scores(output.word_logits, jnp.asarray(word_table(self.seen.words)))

  def embed(self, model: ResT, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    return model.embed(frames).astype(jnp.float32)

  def embed_clips(
    self, model: ResT, frames: Float[Array, "B F ..."], positions: Int[Array, "B N T"]
  ) -> ClipEmbeddings:
    output = model.infer_clips(frames, positions, with_words=self._names_words)
    words = None
    if self._names_words:
      assert output.word_logits is not None, "the word task is on"
      words = self._mean_word_vector(output.word_logits)
    return ClipEmbeddings(output.visual.astype(jnp.float32), words)

  def halves(self) -> Halves | None:
    """Two where the backbone is 2-D."""
    return Halves(_frame_features, _embed_features) if reads_images(self.config) else None

  def _mean_word_vector(self, logits: Float[Array, "B N L V"]) -> Float[Array, "B N E"]:
    """Under the distribution of words; a position counts as often as seen names have a word there."""
    probability = jax.nn.softmax(logits.astype(jnp.float32), axis=-1)[..., FIRST_WORD:]
    is_word = word_table(self.seen.words) != PAD_ID
    share = jnp.asarray(is_word.sum(0) / is_word.sum(), jnp.float32)
    return jnp.einsum("bnlv,l,ve->bne", probability, share, jnp.asarray(self.word_vectors))

  def prototypes(self, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"] | None) -> Prototypes:
    """Composed by the integer program over word-vector similarity (Eq. 1-6)."""
    assert seen_visual is not None, "visual prototypes need the seen classes' mean embeddings"
    transfer_config = self.config.transfer
    return transfer(
      unseen,
      self.seen,
      seen_visual,
      num_neighbors=transfer_config.num_neighbors,
      distinctiveness=transfer_config.distinctiveness,
      max_seen_per_unseen=transfer_config.max_seen_per_unseen,
      max_uses_per_seen=transfer_config.max_uses_per_seen or None,
      solver=transfer_config.solver,
    )


def _frame_features(model: ResT, frames: Float[Array, "F H W C"]) -> Float[Array, "F P"]:
  return model.frame_features(frames[:, None], train=False)[:, 0]


def _embed_features(model: ResT, features: Float[Array, "B T P"]) -> Float[Array, "B D"]:
  words = model.unknown_words(len(features))
  return model.from_features(features, words, train=False).visual.astype(jnp.float32)


def _one_clip(frames: Float[Array, "B N T H W C"]) -> Float[Array, "B T H W C"]:
  return frames[:, 0]


def _cross_entropy(logits: Float[Array, "B K"], label: Array) -> Array:
  return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), label).mean()


def _masked_cross_entropy(logits: Float[Array, "B L V"], words: Array, chosen: Array) -> Array:
  losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), words)
  return (losses * chosen).sum() / jnp.maximum(chosen.sum(), 1)


def _accuracy(logits: Float[Array, "B K"], label: Array) -> Array:
  return 100 * (jnp.argmax(logits, axis=-1) == label).mean()


def _word_scores(logits: Float[Array, "B L V"], table: Int[Array, "K L"]) -> Float[Array, "B K"]:
  log_probability = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
  of_words = log_probability[:, jnp.arange(table.shape[1])[None], table]  # [B,K,L]
  is_word = table != PAD_ID
  return (of_words * is_word).sum(-1) / is_word.sum(-1)
