"""The few nouns everything speaks. Needs numpy and jaxtyping only.

Axes, always in this order: B video, N clip, T frame, H W C, D width, K class, L word.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32, UInt8


class ClipBatch(NamedTuple):
  """Clips of B videos as they cross to the device. Rows where `mask` is False are padding."""

  frames: UInt8[np.ndarray, "B N T H W C"] | Float32[np.ndarray, "B N T D"]  # D: precomputed features
  label: Int32[np.ndarray, " B"]  # index into the ClassSet that the batch was read for
  words: Int32[np.ndarray, "B L"]  # vocabulary ids of the label's words, 0 where there is none
  mask: Bool[np.ndarray, " B"]
  row: Int32[np.ndarray, " B"]  # row of the data set's index; `index.video_id(row)` names the video


class EvalBatch(NamedTuple):
  """N clips of each of B videos, every frame once however many clips show it. Rows where `mask` is False are padding.

  S is B in one process; of P processes each holds the frames of its own B/P videos, and knows the labels of all.
  """

  frames: (
    UInt8[np.ndarray, "S F H W C"] | Float32[np.ndarray, "S F D"]
  )  # F: at least as many as any video has
  positions: Int32[np.ndarray, "S N T"]  # which of a video's F frames make which clip
  label: Int32[np.ndarray, " B"]
  mask: Bool[np.ndarray, " B"]
  row: Int32[np.ndarray, " B"]


class ClassSet(NamedTuple):
  """Classes in a fixed order: what they are called and what the names mean."""

  names: tuple[str, ...]  # as the data set spells them
  words: tuple[tuple[str, ...], ...]  # normalised tokens of each name
  semantic_embeddings: Float32[np.ndarray, "K D"]  # unit rows

  def subset(self, rows) -> "ClassSet":
    """The classes at `rows` (ints), in that order."""
    rows = np.asarray(rows, np.int64)
    return ClassSet(
      tuple(self.names[r] for r in rows),
      tuple(self.words[r] for r in rows),
      self.semantic_embeddings[rows],
    )


class Prototypes(NamedTuple):
  """One vector per class in the space where videos are compared."""

  names: tuple[str, ...]
  vectors: Float32[np.ndarray, "K D"]
  space: str  # "semantic" or "visual"
  weights: Float32[np.ndarray, "K S"] | None = None  # share of each of S seen classes, rows sum to 1


class VideoEmbeddings(NamedTuple):
  """What is kept of every embedded video of a data set (V videos), in one space."""

  mean: Float32[np.ndarray, "V D"]  # mean over clips
  mean_unit: Float32[np.ndarray, "V D"]  # mean over clips of unit vectors: its dot product averages scores
  single: Float32[np.ndarray, "V D"]  # the middle clip alone
  clips: Float16[np.ndarray, "V N D"]  # unit vectors
  label: Int32[np.ndarray, " V"]
  row: Int32[np.ndarray, " V"]


class EvalReport(NamedTuple):
  """`report.json`: every number of a run. Accuracies in per cent."""

  config: dict[str, Any]
  workdir: str  # of the training
  step: int
  checkpoint: str  # hash of the parameters that made the embeddings
  seen_classes: list[str]
  removed_classes: list[dict[str, Any]]
  words: dict[str, list[str]]  # of every seen, removed and unseen class
  class_distances: dict[
    str, dict[str, float]
  ]  # data set -> unseen class -> distance to its 10 nearest seen ones
  class_distances_pretrained: (
    dict[str, dict[str, float]] | None
  )  # to those and the classes of borrowed weights
  transfer: dict[str, Any] | None  # the coefficients that composed the prototypes
  prototypes: dict[str, list[tuple[str, float]]]  # unseen class -> seen classes and their shares
  evaluations: list[dict[str, Any]]
  pretraining: dict[str, Any] | None = None  # borrowed weights, and which of their classes leak
