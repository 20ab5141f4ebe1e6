"""What is said about a video. Needs numpy and jaxtyping only. Axes: W window, K class, S seen class."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32


class Named(NamedTuple):
  """A class and how near it is."""

  name: str
  score: float  # cosine, -1 to 1


class Timeline(NamedTuple):
  """Scores along a video."""

  start: Float32[np.ndarray, " W"]  # seconds
  end: Float32[np.ndarray, " W"]
  scores: Float32[np.ndarray, "W K"]  # cosines of each window's clip


class Prediction(NamedTuple):
  """The answer for one video."""

  video: str  # as it was given
  ranking: tuple[Named, ...]  # the best classes, best first
  scores: Float32[np.ndarray, " K"]  # cosine of every class, in the order they were given
  nearest_seen: tuple[Named, ...]  # seen classes that this video is nearest to, best first
  seen_scores: Float32[np.ndarray, " S"]  # cosine with every seen class, in the order of `Candidates.seen`
  seconds: float  # length of the video
  num_frames: int
  timeline: Timeline | None


class Failure(NamedTuple):
  """A video that could not be read."""

  video: str
  reason: str  # one line, in words
