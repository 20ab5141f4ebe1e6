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
