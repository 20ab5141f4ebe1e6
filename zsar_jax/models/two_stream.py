"""RNN or LSTM in place of ResT's transformer: one stream reads frames, one reads words (ResT section 4.3, Table 3a)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from zsar_jax.models.layers import Dropout

CELLS: dict[str, type[nnx.SimpleCell] | type[nnx.LSTMCell]] = {"rnn": nnx.SimpleCell, "lstm": nnx.LSTMCell}


class RecurrentStack(nnx.Module):
  """Recurrent layers on top of each other, read from left to right; dropout before each. cell: "rnn" (tanh) or "lstm"."""

  def __init__(
    self, cell: str, num_layers: int, width: int, dropout: float, *, rngs: nnx.Rngs, dtype: DTypeLike
  ):
    self.cells = nnx.List([CELLS[cell](width, width, dtype=dtype, rngs=rngs) for _ in range(num_layers)])
    self.dropout = Dropout(dropout)

  def __call__(
    self, x: Float[Array, "B M D"], *, train: bool, rngs: nnx.Rngs | None
  ) -> Float[Array, "B M D"]:
    """The top layer's output at every position. rngs: `dropout` keys, needed in training."""
    for cell in self.cells:
      x = _read(cell, self.dropout(x, rngs, train))
    return x


def _read(cell: nnx.SimpleCell | nnx.LSTMCell, x: Float[Array, "B M D"]) -> Float[Array, "B M D"]:
  zero = jnp.zeros_like(x[:, 0])
  start = (
    (zero, zero) if isinstance(cell, nnx.LSTMCell) else zero
  )  # an LSTM carries its cell beside its output

  def step(carry, x_t):
    carry, y_t = cell(carry, x_t)
    return jax.tree.map(lambda c: c.astype(x.dtype), carry), y_t

  _, outputs = lax.scan(step, start, x.swapaxes(0, 1))
  return outputs.swapaxes(0, 1)


class TwoStreamEncoder(nnx.Module):
  """Frames become the video's vector; words, read beside it, become the outputs that name masked words.

  Words see the video and the words to their left; the video sees no word. (One stream for both falls back on the words alone,
  section 4.3.)
  """

  def __init__(
    self,
    cell: str,
    num_layers: int,
    width: int,
    dropout: float = 0.1,
    *,
    has_words: bool = True,
    rngs: nnx.Rngs,
    dtype: DTypeLike,
  ):
    self.frame_stream = RecurrentStack(cell, num_layers, width, dropout, rngs=rngs, dtype=dtype)
    self.frame_norm = nnx.LayerNorm(width, dtype=dtype, rngs=rngs)
    stream = RecurrentStack(cell, num_layers, width, dropout, rngs=rngs, dtype=dtype) if has_words else None
    self.word_stream = stream
    self.word_norm = nnx.LayerNorm(width, dtype=dtype, rngs=rngs) if has_words else None

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
    """The state after the last frame, and an output for every word: its own state plus the video's. words None, or built without
    `has_words`: frames alone.

    Padding stands on the right, where it changes no word: `is_word` is not needed. rngs: `dropout` keys, needed in training.
    """
    visual = self.frame_norm(self.frame_stream(frames, train=train, rngs=rngs)[:, -1])
    if words is None or self.word_stream is None or self.word_norm is None:
      return visual, None
    states = self.word_stream(words, train=train, rngs=rngs)
    return visual, self.word_norm(states + visual[:, None])
