"""ResT (Lin et al. 2022): frames, and in training words, through one transformer under a mask that keeps text from vision."""

from collections.abc import Collection
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from zsar_jax.models.backbone import Backbone
from zsar_jax.models.encode import TRAINED, Freeze, encode, gather_clips
from zsar_jax.models.transformer import EMBEDDING_INIT, CrossModalEncoder
from zsar_jax.models.two_stream import TwoStreamEncoder

PAD_ID, MASK_ID = 0, 1
TASKS = ("cls", "mlm")


class RestOutput(NamedTuple):
  """What one pass gives."""

  visual: Float[
    Array, "B D"
  ]  # the video's embedding: the [CLS] output x; without the class task the mean word output
  class_logits: Float[Array, "B K"] | None  # None without the class task
  word_logits: Float[Array, "B L V"] | None  # None without the word task, or where no words were given


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

  The paper's variants (section 4.3): `temporal` "rnn" or "lstm" reads frames and words in two streams, and `num_heads`, `hidden`
  mean nothing; `tasks` "cls" or "mlm" alone; `cross_modal` lets frames attend to words; `freeze` keeps the backbone as it came.
  Raises ValueError for combinations that mean nothing.
  """

  def __init__(
    self,
    backbone: Backbone,
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
    temporal: str = "transformer",
    tasks: Collection[str] = TASKS,
    cross_modal: bool = False,
    freeze: Freeze = TRAINED,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    _check_variant(temporal, tasks, cross_modal)
    self.dtype, self.max_words, self.freeze = dtype, max_words, freeze
    # Frames that see words, or an embedding made of word outputs, need words in evaluation too.
    self.reads_words = cross_modal or "cls" not in tasks
    # Words stand among the inputs where they are named, and where frames may read them.
    has_words = "mlm" in tasks or cross_modal
    self.backbone = backbone
    self.warmup_head = nnx.Linear(backbone.num_features, num_classes, dtype=dtype, rngs=rngs)
    self.projection = nnx.Linear(backbone.num_features, width, dtype=dtype, rngs=rngs)
    self.encoder = (
      CrossModalEncoder(
        num_frames=num_frames,
        max_words=max_words,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden=hidden,
        dropout=dropout,
        cross_modal=cross_modal,
        has_words=has_words,
        rngs=rngs,
        dtype=dtype,
      )
      if temporal == "transformer"
      else TwoStreamEncoder(temporal, num_layers, width, dropout, has_words=has_words, rngs=rngs, dtype=dtype)
    )
    self.class_head = MLP(width, width, num_classes, rngs=rngs, dtype=dtype) if "cls" in tasks else None
    self.word_embedding = (
      nnx.Param(EMBEDDING_INIT(rngs.params(), (vocabulary_size, width), jnp.float32)) if has_words else None
    )
    self.word_head = MLP(width, width, vocabulary_size, rngs=rngs, dtype=dtype) if "mlm" in tasks else None

  def frame_features(self, frames: Float[Array, "B T ..."], train: bool) -> Float[Array, "B T2 P"]:
    """One feature vector per frame (2-D backbone) or temporal position (3-D).

    frames: normalised RGB [B,T,H,W,C], or precomputed features [B,T,P]; `train` as in `BatchNorm`.
    """
    if self.backbone.num_dims != 2:
      return encode(self.backbone, frames, train, self.freeze, pool=False)
    batch, num = frames.shape[:2]
    features = encode(self.backbone, frames.reshape(batch * num, *frames.shape[2:]), train, self.freeze)
    return features.reshape(batch, num, -1)

  def warmup_logits(self, frames: Float[Array, "B T ..."], train: bool) -> Float[Array, "B K"]:
    """Linear classifier on the mean frame feature: all there is in the warm-up phase (section 4.1), unused after it."""
    features = self.frame_features(frames, train).mean(1)
    with jax.named_scope("heads"):
      return self.warmup_head(features)

  def __call__(
    self,
    frames: Float[Array, "B T ..."],
    words: Int[Array, "B L"] | None,
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
  ) -> RestOutput:
    """One pass for both tasks. words: ids of the label's words, masked already (`mask_words`); None: vision alone.

    rngs: `dropout` keys, needed in training. Raises ValueError where there are more frames or words than position embeddings, or no
    words where the variant needs them.
    """
    return self.from_features(self.frame_features(frames, train), words, train=train, rngs=rngs)

  def from_features(
    self,
    features: Float[Array, "B T P"],
    words: Int[Array, "B L"] | None,
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
  ) -> RestOutput:
    """`__call__` after the backbone."""
    tokens = is_word = None
    if self.word_embedding is not None and words is not None:
      tokens, is_word = self.word_embedding[...][words].astype(self.dtype), words != PAD_ID
    if self.reads_words and tokens is None:
      raise ValueError("ResT: this variant reads words; give [MASK] (id 1) where they are unknown")
    with jax.named_scope("projection"):
      features = self.projection(features)
    visual, outputs = self.encoder(features, tokens, is_word, train=train, rngs=rngs)
    with jax.named_scope("heads"):
      word_logits = None if self.word_head is None or outputs is None else self.word_head(outputs)
      if self.class_head is None:
        assert outputs is not None
        assert is_word is not None
        return RestOutput(_mean_words(outputs, is_word), None, word_logits)
      return RestOutput(visual, self.class_head(visual), word_logits)

  def infer(self, frames: Float[Array, "B T ..."]) -> RestOutput:
    """The pass in evaluation mode over videos whose words are unknown.

    Text is left out, for under the mask it cannot change [CLS]; variants that read words get [MASK] at every position.
    """
    features = self.frame_features(frames, train=False)
    return self.from_features(features, self.unknown_words(frames.shape[0]), train=False)

  def unknown_words(self, batch: int, wanted: bool = False) -> Int[Array, "B L"] | None:
    """What stands for the words of unlabelled videos: [MASK]s where the variant reads words or they are wanted, else nothing."""
    return jnp.full((batch, self.max_words), MASK_ID) if self.reads_words or wanted else None

  def embed(self, frames: Float[Array, "B N T ..."]) -> Float[Array, "B N D"]:
    """Embedding of each clip, not normalised; evaluation mode."""
    batch, clips = frames.shape[:2]
    return self.infer(frames.reshape(batch * clips, *frames.shape[2:])).visual.reshape(batch, clips, -1)

  def infer_clips(
    self, frames: Float[Array, "B F ..."], positions: Int[Array, "B N T"], *, with_words: bool = False
  ) -> RestOutput:
    """`infer` of N clips cut from F frames, `positions` saying which; the outputs' leading axes are [B, N].

    A 2-D backbone sees each frame once, however many clips show it: the same numbers for less work. One that reads clips is given
    every clip. `with_words` also asks the word head what it would put at every position (the visual output cannot see that).
    """
    batch, num, length = positions.shape
    if self.backbone.num_dims == 2:
      clips = gather_clips(self.frame_features(frames, train=False), positions)
      clips = clips.reshape(batch * num, length, -1)
    else:
      clips = gather_clips(frames, positions)
      clips = self.frame_features(clips.reshape(batch * num, *clips.shape[2:]), train=False)
    words = self.unknown_words(batch * num, with_words)
    output = self.from_features(clips, words, train=False)
    return jax.tree.map(lambda x: x.reshape(batch, num, *x.shape[1:]), output)


def _check_variant(temporal: str, tasks: Collection[str], cross_modal: bool) -> None:
  if not tasks or not set(tasks) <= set(TASKS):
    raise ValueError(f"ResT: tasks={tuple(tasks)} should be cls, mlm or both")
  if temporal != "transformer" and cross_modal:
    raise ValueError(f"ResT: cross_modal is a way to attend; temporal={temporal!r} has no attention")


def _mean_words(outputs: Float[Array, "B L D"], is_word: Bool[Array, "B L"]) -> Float[Array, "B D"]:
  share = is_word / jnp.maximum(is_word.sum(1, keepdims=True), 1)
  return jnp.einsum("bld,bl->bd", outputs, share.astype(outputs.dtype))


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
