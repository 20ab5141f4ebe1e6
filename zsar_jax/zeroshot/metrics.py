"""Accuracies in per cent, hubness, accuracy against distance. numpy only: the report reads with these too."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64, Num


def unit(x: Float[np.ndarray, "*dims D"]) -> Float[np.ndarray, "*dims D"]:
  """x with rows of length 1; a zero row stays."""
  return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def top_k_accuracy(ranks: Int[np.ndarray, " V"], k: int) -> float:
  """Per cent of videos whose true class fewer than k classes beat; NaN for no videos."""
  return 100.0 * float(np.mean(np.asarray(ranks) < k)) if len(ranks) else float("nan")


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
  """Mean and population standard deviation (ddof 0, `numpy.std`'s own default)."""
  return float(np.mean(values)), float(np.std(values))


def harmonic_mean(seen: float, unseen: float) -> float:
  """2su / (s + u), the usual summary of generalised zero-shot accuracy; 0 where both are 0."""
  return 2.0 * seen * unseen / (seen + unseen) if seen + unseen > 0 else 0.0


def per_class_accuracy(
  correct: Bool[np.ndarray, " V"] | Float[np.ndarray, " V"],
  label: Int[np.ndarray, " V"],
  names: Sequence[str],
) -> dict[str, float]:
  """Per cent of each class's videos that are right; classes without a video are left out."""
  total = np.bincount(label, minlength=len(names))
  right = np.bincount(label, weights=np.asarray(correct, float), minlength=len(names))
  return {name: 100.0 * float(right[row] / total[row]) for row, name in enumerate(names) if total[row]}


def mean_per_class(per_class: Mapping[str, float]) -> float:
  """The mean of the classes' accuracies: every class counts once, however many videos it has; NaN for none."""
  return float(np.mean(list(per_class.values()))) if per_class else float("nan")


def k_occurrence(nearest: Int[np.ndarray, "V N"], num_classes: int, k: int) -> Int64[np.ndarray, " K"]:
  """How many videos have each class among the k nearest; `nearest` lists N >= k classes a video, best first."""
  return np.bincount(np.asarray(nearest)[:, :k].reshape(-1), minlength=num_classes).astype(np.int64)


def skewness(values: Num[np.ndarray, " K"]) -> float:
  """Third central moment over the cubed deviation, without correction for bias; 0 where all values are equal."""
  centered = np.asarray(values, np.float64) - np.mean(values)
  deviation = np.sqrt(np.mean(centered**2))
  if deviation <= 1e-12 * max(1.0, float(np.abs(values).max())):
    return 0.0
  return float(np.mean((centered / deviation) ** 3))


def hubness(
  nearest: Int[np.ndarray, "V N"], num_classes: int, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
  """Skewness of the k-occurrence for each k below the number of classes: the larger, the more a few classes draw all videos."""
  return {str(k): skewness(k_occurrence(nearest, num_classes, k)) for k in ks if k < num_classes}


def accuracy_beyond(
  distances: Float[np.ndarray, " K"], hits: Num[np.ndarray, " K"], num_videos: Int[np.ndarray, " K"]
) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
  """E2E Figure 7: accuracy over ever fewer classes, ever farther from the training classes.

  `hits` and `num_videos` are each class's right videos and all of them; `distances` its distance to the training
  classes. Returns thresholds, ascending: 0 and every class's distance, as far as a video lies beyond; and for each the
  per cent of right videos of the classes strictly farther. All classes went on competing: nothing is scored anew.
  """
  distances, num_videos = np.asarray(distances, np.float64), np.asarray(num_videos, np.float64)
  thresholds = np.unique(np.concatenate([[0.0], distances]))
  order = np.argsort(distances, kind="stable")
  first = np.searchsorted(distances[order], thresholds, side="right")

  def beyond(values: Num[np.ndarray, " K"]) -> Float64[np.ndarray, " P"]:
    sums = np.cumsum(np.asarray(values, np.float64)[order][::-1])[::-1]
    return np.append(sums, 0.0)[first]

  total = beyond(num_videos)
  some = total > 0
  return thresholds[some], 100.0 * beyond(hits)[some] / total[some]
