"""Pre-norm transformer encoder and the block mask that keeps text from vision (ResT section 3.2)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from zsar_jax.models.layers import Dropout

# BERT-style: matrices from a truncated normal of 0.02, biases zero, LayerNorm epsilon 1e-6.
EMBEDDING_INIT = nnx.initializers.truncated_normal(0.02)
LAYER_NORM_EPSILON = 1e-6


def block_mask(
  num_visual: int, num_words: int, word_mask: Bool[Array, "B L"] | None = None, cross_modal: bool = False
) -> Bool[Array, "B M M"]:
  """Who may attend to whom among [[CLS], frames, words]; M = 1 + num_visual + num_words. Row attends to column where True.

  [CLS] and frames see [CLS] and frames. A word sees [CLS], all frames, itself and the words to its left. Padding is seen by nobody,
  but still sees [CLS] and frames, so that its softmax is defined.

  Args:
    num_visual: T, frames (or temporal positions).
    num_words: L, words with padding.
    word_mask: True where there is a word; None: all are words, and B = 1.
    cross_modal: everything sees everything but padding (ResT Table 3c).

  Raises:
    ValueError: word_mask does not have num_words columns.
  """
  if word_mask is None:
    word_mask = jnp.ones((1, num_words), bool)
  if word_mask.shape[1] != num_words:
    raise ValueError(f"block_mask: word_mask {word_mask.shape} should have {num_words} columns")
  is_word = jnp.arange(1 + num_visual + num_words) > num_visual
  position = jnp.arange(is_word.size)
  to_the_left = position[None, :] <= position[:, None]
  allowed = (
    jnp.ones_like(to_the_left) if cross_modal else ~is_word[None, :] | (is_word[:, None] & to_the_left)
  )
  present = jnp.concatenate([jnp.ones((word_mask.shape[0], 1 + num_visual), bool), word_mask], 1)
  return allowed[None] & present[:, None, :]


class SelfAttention(nnx.Module):
  """Multi-head attention of a sequence to itself; softmax in float32."""

  def __init__(self, width: int, num_heads: int, *, rngs: nnx.Rngs, dtype: DTypeLike):
    if width % num_heads:
      raise ValueError(f"SelfAttention: width={width} is not divisible by num_heads={num_heads}")
    self.num_heads = num_heads
    self.qkv = nnx.Linear(width, 3 * width, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)
    self.out = nnx.Linear(width, width, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)

  def __call__(self, x: Float[Array, "B M D"], mask: Bool[Array, "#B M M"] | None) -> Float[Array, "B M D"]:
    batch, length, width = x.shape
    qkv = self.qkv(x).reshape(batch, length, 3, self.num_heads, width // self.num_heads)
    query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    heads = jax.nn.dot_product_attention(query, key, value, mask=None if mask is None else mask[:, None])
    return self.out(heads.reshape(batch, length, width))


class EncoderLayer(nnx.Module):
  """x + attention(norm(x)), then x + mlp(norm(x)); exact GELU; dropout on both branches."""

  def __init__(
    self, width: int, num_heads: int, hidden: int, dropout: float, *, rngs: nnx.Rngs, dtype: DTypeLike
  ):
    self.norm1 = nnx.LayerNorm(width, epsilon=LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)
    self.attention = SelfAttention(width, num_heads, rngs=rngs, dtype=dtype)
    self.norm2 = nnx.LayerNorm(width, epsilon=LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)
    self.mlp_in = nnx.Linear(width, hidden, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)
    self.mlp_out = nnx.Linear(hidden, width, kernel_init=EMBEDDING_INIT, dtype=dtype, rngs=rngs)
    self.dropout = Dropout(dropout)

  def __call__(
    self, x: Float[Array, "B M D"], mask: Bool[Array, "#B M M"] | None, *, train: bool, rngs: nnx.Rngs | None
  ) -> Float[Array, "B M D"]:
    x = x + self.dropout(self.attention(self.norm1(x), mask), rngs, train)
    y = self.mlp_out(jax.nn.gelu(self.mlp_in(self.norm2(x)), approximate=False))
    return x + self.dropout(y, rngs, train)


class TransformerEncoder(nnx.Module):
  """`num_layers` pre-norm layers and a final norm."""

  def __init__(
    self,
    num_layers: int,
    width: int,
    num_heads: int,
    hidden: int,
    dropout: float = 0.1,
    *,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    self.layers = nnx.List(
      [EncoderLayer(width, num_heads, hidden, dropout, rngs=rngs, dtype=dtype) for _ in range(num_layers)]
    )
    self.norm = nnx.LayerNorm(width, epsilon=LAYER_NORM_EPSILON, dtype=dtype, rngs=rngs)

  def __call__(
    self,
    x: Float[Array, "B M D"],
    mask: Bool[Array, "#B M M"] | None = None,
    *,
    train: bool,
    rngs: nnx.Rngs | None = None,
  ) -> Float[Array, "B M D"]:
    """mask: row attends to column where True, None: all to all. rngs: `dropout` keys, needed in training."""
    for layer in self.layers:
      x = layer(x, mask, train=train, rngs=rngs)
    return self.norm(x)


class CrossModalEncoder(nnx.Module):
  """[[CLS], frames, words] with learned positions and modalities through one transformer under `block_mask` (section 3.2.1)."""

  def __init__(
    self,
    *,
    num_frames: int,
    max_words: int,
    width: int,
    num_layers: int,
    num_heads: int,
    hidden: int,
    dropout: float = 0.1,
    cross_modal: bool = False,
    has_words: bool = True,
    rngs: nnx.Rngs,
    dtype: DTypeLike = jnp.float32,
  ):
    self.num_frames, self.max_words, self.cross_modal, self.dtype = num_frames, max_words, cross_modal, dtype

    def table(rows):
      return nnx.Param(EMBEDDING_INIT(rngs.params(), (rows, width), jnp.float32))

    self.cls_embedding = table(1)
    self.frame_position_embedding = table(num_frames)
    self.word_position_embedding = table(max_words) if has_words else None
    self.modality_embedding = table(2)  # vision, text
    self.dropout = Dropout(dropout)
    self.transformer = TransformerEncoder(
      num_layers, width, num_heads, hidden, dropout, rngs=rngs, dtype=dtype
    )

  @jax.named_scope("transformer")
  def __call__(
    self,
    frames: Float[Array, "B T D"],
    words: Float[Array, "B L D"] | None,
    is_word: Bool[Array, "B L"] | None,
    *,
    train: bool,
    rngs: nnx.Rngs | None,
  ) -> tuple[Float[Array, "B D"], Float[Array, "B L D"] | None]:
    """The outputs of [CLS] and of the words, after the final norm. words None: vision alone.

    is_word: False where `words` is padding. rngs: `dropout` keys, needed in training. Raises ValueError where there are more frames
    or words than position embeddings.
    """
    num_visual, mask = frames.shape[1], None
    tokens = self._visual_tokens(frames)
    if words is not None:
      tokens = jnp.concatenate([tokens, self._word_tokens(words)], 1)
      mask = block_mask(num_visual, words.shape[1], is_word, self.cross_modal)
    tokens = self.dropout(tokens, rngs, train)
    outputs = self.transformer(tokens, mask, train=train, rngs=rngs)
    return outputs[:, 0], None if words is None else outputs[:, 1 + num_visual :]

  def _visual_tokens(self, frames):
    """[B,T,D] -> [B,1+T,D]: [CLS], then frames."""
    num_visual = frames.shape[1]
    if num_visual > self.num_frames:
      raise ValueError(f"ResT: {num_visual} frames, but it was built with num_frames={self.num_frames}")
    frames = frames + self.frame_position_embedding[:num_visual].astype(self.dtype)
    cls = jnp.broadcast_to(self.cls_embedding[...].astype(self.dtype), (frames.shape[0], 1, frames.shape[-1]))
    return jnp.concatenate([cls, frames], 1) + self.modality_embedding[0].astype(self.dtype)

  def _word_tokens(self, words):
    num_words = words.shape[1]
    if num_words > self.max_words:
      raise ValueError(f"ResT: {num_words} words, but it was built with max_words={self.max_words}")
    assert self.word_position_embedding is not None, "built with words"
    return words + (self.word_position_embedding[:num_words] + self.modality_embedding[1]).astype(self.dtype)
