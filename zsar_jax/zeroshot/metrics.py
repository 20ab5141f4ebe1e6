"""Accuracies in per cent. numpy only."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


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
  correct: Bool[np.ndarray, " V"], label: Int[np.ndarray, " V"], names: Sequence[str]
) -> dict[str, float]:
  """Per cent of each class's videos that are right; classes without a video are left out."""
  total = np.bincount(label, minlength=len(names))
  right = np.bincount(label, weights=np.asarray(correct, float), minlength=len(names))
  return {name: 100.0 * float(right[row] / total[row]) for row, name in enumerate(names) if total[row]}
