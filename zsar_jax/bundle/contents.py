"""What a bundle holds, once read. Axes: S seen class, D width of a visual embedding, E width of a word vector."""

import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from zsar_jax.config import Config
from zsar_jax.types import ClassSet

MOST_CLIPS = 250  # of a video, all of which are in memory together


class Preprocessing(NamedTuple):
  """How a video becomes clips, as the training records were made."""

  short_side: int  # pixels
  crop: int  # pixels, of the centre
  num_frames: int  # T
  stride: int  # source frames between two frames of a clip
  num_clips: int  # N, evenly spaced, unless a caller asks for another number
  fps: float | None  # at most so many frames a second; None keeps all
  jpeg_quality: int  # of the stored frames that the model learned from, 0 to 100
  stored_short_side: int = (
    0  # pixels of those frames, which are shrunk to `short_side` as they are read; 0: no less than that
  )


class Facts(NamedTuple):
  """`model.json`."""

  name: str  # of the bundle's folder when it was written
  created: str  # UTC, as 2025-01-31T12:00:00Z
  step: int
  checkpoint: str  # hash of the parameters (`train.state.fingerprint`)
  num_parameters: int
  vectors: str  # the word vectors as the run's config named them, file name only: hash:300, GoogleNews….bin
  space: str  # where videos are compared: "visual" or "semantic"
  preprocessing: Preprocessing
  pretrained_from: str | None  # what its weights were before, file name only; None: it began afresh
  pretrained_known: bool  # False: they saw classes that nobody listed, so a leak may go unmarked
  evaluation: list[
    dict[str, Any]
  ]  # primary rows of the run's report.json, of this very checkpoint; empty: not evaluated
  licence: str  # of the weights, as the exporter said; empty: not said
  versions: dict[str, str]  # zsar_jax, jax, flax
  not_evaluated: str = ""  # why `evaluation` is empty


class Bundle(NamedTuple):
  """An exported model. Parameters are as trained: a run can start from them."""

  folder: pathlib.Path
  facts: Facts
  config: Config  # of the run, with the transfer coefficients that were tuned
  seen: ClassSet
  seen_visual: (
    Float32[np.ndarray, "S D"] | None
  )  # the seen classes' mean embeddings; None where `Method.space` is semantic
  known: (
    ClassSet  # every class that the weights saw, here or before; rows of zeros where a class has no embedding
  )
  word_vectors: dict[
    str, Float32[np.ndarray, " E"]
  ]  # unit, of all words that come with it; empty for hash: and sentence:
  params: Any  # as `Network.params`, numpy
  batch_stats: Any
