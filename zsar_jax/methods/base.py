"""The seam between a published system and everything that is shared."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Float32, Int

from zsar_jax.config import OptimConfig
from zsar_jax.types import ClassSet, Prototypes


class Clips(NamedTuple):
  """A batch on the device: normalised frames, and what is known about them."""

  frames: Float[Array, "B N T H W C"]
  label: Int[Array, " B"]
  words: Int[Array, "B L"]
  mask: Bool[Array, " B"]


class ClipEmbeddings(NamedTuple):
  """What is compared of N clips of each of B videos."""

  own: Float[Array, "B N D"]  # in the method's own space, not normalised
  words: (
    Float[Array, "B N E"] | None
  )  # the mean word vector of what the word head says; None where nothing says it


class Halves(NamedTuple):
  """`embed` cut in two after the frame encoder, so that clips which share a frame share its features."""

  frame_features: Callable[
    [Any, Float[Array, "F H W C"]], Float[Array, "F P"]
  ]  # of a model and normalised frames
  embed_features: Callable[
    [Any, Float[Array, "B T P"]], Float[Array, "B D"]
  ]  # of the same model and clips of features


Loss = Callable[[Any, Clips, nnx.Rngs], tuple[Array, dict[str, Array]]]
Scores = Callable[[Any, Float[Array, "B N T H W C"]], Float[Array, "B K"]]


class Phase(NamedTuple):
  """One stretch of training with its own loss and optimizer."""

  name: str
  loss: Loss
  scores: Scores  # of the seen classes: what validation during the phase ranks by
  optim: OptimConfig
  trains: tuple[str, ...]  # top-level parts of the model that are updated; empty: all
  keeps: tuple[str, ...] = ()  # but these


class Method(Protocol):
  """What a zero-shot action recognition system must say; all else is written once."""

  space: str  # of its own embeddings: "semantic" or "visual"
  seen: ClassSet
  class_parts: tuple[str, ...]  # parts of the model that mean something for its own seen classes alone
  vector_parts: tuple[str, ...]  # parts that mean something in the space of its own word vectors alone

  @property
  def spaces(self) -> tuple[str, ...]:
    """Where videos can be compared: "visual", "semantic", "words" (see `zsar_jax.spaces`)."""

  def init_model(self, seed: int) -> nnx.Module:
    """A model with fresh parameters."""

  def phases(self) -> tuple[Phase, ...]:
    """The phases of training, in order."""

  def loss(self, model: Any, batch: Clips, rngs: nnx.Rngs) -> tuple[Array, dict[str, Array]]:
    """The loss of the main phase, and metrics (scalars)."""

  def embed(self, model: Any, frames: Float[Array, "B N T H W C"]) -> Float[Array, "B N D"]:
    """One vector a clip, not normalised, in the method's own space."""

  def embed_clips(
    self, model: Any, frames: Float[Array, "B F ..."], positions: Int[Array, "B N T"]
  ) -> ClipEmbeddings:
    """The same of clips cut from F frames a video, `positions` saying which, in every space that needs the model."""

  def halves(self) -> Halves | None:
    """`embed` in two halves; None where its encoder reads clips, not single frames."""

  def prototypes(self, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"] | None) -> Prototypes:
    """One vector per unseen class; `seen_visual` are the seen classes' mean embeddings, where `space` is visual."""
