"""ResT (Lin et al. 2022): frames, and in training words, through one transformer under a mask that keeps text from vision."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from zsar_jax.models.layers import Dropout
from zsar_jax.models.resnet import ResNet
from zsar_jax.models.transformer import EMBEDDING_INIT, TransformerEncoder, block_mask
from zsar_jax.models.video_resnet import VideoResNet

PAD_ID, MASK_ID, FIRST_WORD_ID = 0, 1, 2


class RestOutput(NamedTuple):
  """What one pass gives."""

  visual: Float[Array, "B D"]  # the [CLS] output x, after the final norm: the video's embedding
  class_logits: Float[Array, "B K"]
  word_logits: Float[Array, "B L V"] | None  # None where no words were given


class MLP(nnx.Module):
  """One hidden layer with exact GELU."""

  def __init__(self, in_features: int, hidden: int, out_features: int, *, rngs: nnx.Rngs, dtype: DTypeLike):
    self.hidden = nnx.Linear(in_features, hidden, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)
    self.out = nnx.Linear(hidden, out_features, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)

  def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... K"]:
    return self.out(jax.nn.gelu(self.hidden(x), approximate=False))


class ResT(nnx.Module):
  """Frame encoder, transformer over [[CLS], frames, words], a head for classes and one for masked words (section 3.2).

  Word ids: 0 padding, 1 [MASK], words from 2; `vocabulary_size` counts them all. `num_frames` is the number of visual positions
  there are embeddings for (frames of a clip). A 3-D backbone gives one token per temporal position that it leaves.
  """

  def __init__(
    self,
    backbone: ResNet | VideoResNet,
    *,
    num_classes: int,
    vocabulary_size: int,
    max_words: int,
    num_frames: int,
    width: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    hidden: int = 3072,
    dropout: float = 0.1,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    self.dtype, self.num_frames, self.max_words = dtype, num_frames, max_words
    self.backbone = backbone
    self.warmup_head = nnx.Linear(backbone.num_features, num_classes, dtype=dtype, rngs=rngs)
    self.projection = nnx.Linear(backbone.num_features, width, dtype=dtype, rngs=rngs)

    def table(rows):
      return nnx.Param(EMBEDDING_INIT(rngs.params(), (rows, width), jnp.float32))

    self.cls_embedding = table(1)
    self.word_embedding = table(vocabulary_size)
    self.frame_position_embedding = table(num_frames)
    self.word_position_embedding = table(max_words)
    self.modality_embedding = table(2)  # vision, text
    self.dropout = Dropout(dropout)
    self.encoder = TransformerEncoder(num_layers, width, num_heads, hidden, dropout, rngs=rngs, dtype=dtype)
    self.class_head = MLP(width, width, num_classes, rngs=rngs, dtype=dtype)
    self.word_head = MLP(width, width, vocabulary_size, rngs=rngs, dtype=dtype)

  def frame_features(self, frames: Float[Array, "B T H W C"], train: bool) -> Float[Array, "B T2 P"]:
    """One feature vector per frame (2-D backbone) or temporal position (3-D). frames: normalised RGB; `train` as in `BatchNorm`."""
    if isinstance(self.backbone, VideoResNet):
      return self.backbone(frames, train, pool=False)
    batch, num = frames.shape[:2]
    features = self.backbone(frames.reshape(batch * num, *frames.shape[2:]), train)
    return features.reshape(batch, num, -1)

  def warmup_logits(self, frames: Float[Array, "B T H W C"], train: bool) -> Float[Array, "B K"]:
    """Linear classifier on the mean frame feature: all there is in the warm-up phase (section 4.1), unused after it."""
    return self.warmup_head(self.frame_features(frames, train).mean(1))

  def __call__(
    self,
    frames: Float[Array, "B T H W C"],
    words: Int[Array, "B L"] | None,
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
    train_backbone: bool | None = None,
  ) -> RestOutput:
    """One pass for both tasks. words: ids of the label's words, masked already (`mask_words`); None: vision alone.

    rngs: `dropout` keys, needed in training. train_backbone: whether BatchNorm uses and moves batch statistics; None: as `train`.
    Raises ValueError where there are more frames or words than position embeddings.
    """
    features = self.frame_features(frames, train if train_backbone is None else train_backbone)
    return self.from_features(features, words, train=train, rngs=rngs)

  def from_features(
    self,
    features: Float[Array, "B T P"],
    words: Int[Array, "B L"] | None,
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
  ) -> RestOutput:
    """`__call__` after the backbone."""
    num_visual = features.shape[1]
    tokens, mask = self._visual_tokens(features), None
    if words is not None:
      tokens = jnp.concatenate([tokens, self._word_tokens(words)], 1)
      mask = block_mask(num_visual, words.shape[1], words != PAD_ID)
    tokens = self.dropout(tokens, rngs, train)
    outputs = self.encoder(tokens, mask, train=train, rngs=rngs)
    visual = outputs[:, 0]
    word_logits = None if words is None else self.word_head(outputs[:, 1 + num_visual :])
    return RestOutput(visual, self.class_head(visual), word_logits)

  def embed(self, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    """Visual embedding of each clip, not normalised; evaluation mode. Text is left out: under the mask it cannot change [CLS]."""
    batch, clips = frames.shape[:2]
    features = self.frame_features(frames.reshape(batch * clips, *frames.shape[2:]), train=False)
    outputs = self.encoder(self._visual_tokens(features), train=False)
    return outputs[:, 0].reshape(batch, clips, -1)

  def _visual_tokens(self, features):
    """[B,T,P] -> [B,1+T,D]: [CLS], then frames."""
    num_visual = features.shape[1]
    if num_visual > self.num_frames:
      raise ValueError(f"ResT: {num_visual} frames, but it was built with num_frames={self.num_frames}")
    frames = self.projection(features) + self.frame_position_embedding[:num_visual].astype(self.dtype)
    cls = jnp.broadcast_to(self.cls_embedding[...].astype(self.dtype), (len(features), 1, frames.shape[-1]))
    return jnp.concatenate([cls, frames], 1) + self.modality_embedding[0].astype(self.dtype)

  def _word_tokens(self, words):
    """[B,L] ids -> [B,L,D]."""
    num_words = words.shape[1]
    if num_words > self.max_words:
      raise ValueError(f"ResT: {num_words} words, but it was built with max_words={self.max_words}")
    position = self.word_position_embedding[:num_words] + self.modality_embedding[1]
    return (self.word_embedding[...][words] + position).astype(self.dtype)


def mask_words(
  key: Array, words: Int[Array, "B L"], rate: float = 0.15
) -> tuple[Int[Array, "B L"], Bool[Array, "B L"]]:
  """Replaces each word by [MASK] with probability `rate`, and at least one in every row that has words (section 3.2.3).

  Returns (ids with [MASK] = 1 put in, True where a word was masked: what the word head must name). Padding (0) stays.
  """
  is_word = words != PAD_ID
  draw = jnp.where(is_word, jax.random.uniform(key, words.shape), jnp.inf)
  # The smallest draw of a row falls first below any rate: it stands for "at least one", evenly among the words.
  first = jnp.arange(words.shape[1])[None] == draw.argmin(1)[:, None]
  target = is_word & ((draw < rate) | first)
  return jnp.where(target, MASK_ID, words), target
