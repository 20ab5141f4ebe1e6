"""Calibrated stacking: how seen and unseen accuracy trade when seen classes' scores are lowered by gamma. numpy only.

After Chao et al. 2016. Per video only three things matter: its margin (best seen score less best unseen score) and whether
the true class is the best of its own side. Of equal scores an unseen class wins, as it stands first in the list.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from zsar_jax.zeroshot.metrics import harmonic_mean


class SeenUnseenCurve(NamedTuple):
  """The exact curve, a step function of gamma: each point holds from its gamma up to the next one's."""

  gamma: Float64[
    np.ndarray, " P"
  ]  # ascending; the first lies 1 below the first step and stands for all below
  seen: Float64[np.ndarray, " P"]  # per cent of seen classes' videos, falling
  unseen: Float64[np.ndarray, " P"]  # per cent of unseen classes' videos, rising


def seen_unseen_curve(
  margin: Float[np.ndarray, " V"], right: Bool[np.ndarray, " V"], is_seen: Bool[np.ndarray, " V"]
) -> SeenUnseenCurve:
  """Every distinct step of the curve; videos of both kinds are expected."""
  margin = np.asarray(margin, np.float64)
  right, is_seen = np.asarray(right, bool), np.asarray(is_seen, bool)
  of_seen, of_unseen = np.sort(margin[right & is_seen]), np.sort(margin[right & ~is_seen])
  steps = np.unique(np.concatenate([of_seen, of_unseen]))
  gamma = np.concatenate([[steps[0] - 1.0 if len(steps) else 0.0], steps])
  seen = len(of_seen) - np.searchsorted(of_seen, gamma, side="right")
  unseen = np.searchsorted(of_unseen, gamma, side="right")
  return SeenUnseenCurve(gamma, 100.0 * seen / is_seen.sum(), 100.0 * unseen / (~is_seen).sum())


def area(curve: SeenUnseenCurve) -> float:
  """AUSUC, the area under unseen against seen accuracy: 0 to 1, by trapezoids between the exact points."""
  return float(np.trapezoid(curve.unseen[::-1], curve.seen[::-1])) / 1e4


def point_at(curve: SeenUnseenCurve, gamma: float) -> dict[str, float]:
  """gamma, seen, unseen and their harmonic mean."""
  at = max(int(np.searchsorted(curve.gamma, gamma, side="right")) - 1, 0)
  seen, unseen = float(curve.seen[at]), float(curve.unseen[at])
  return {"gamma": float(gamma), "seen": seen, "unseen": unseen, "harmonic": harmonic_mean(seen, unseen)}


def best_point(curve: SeenUnseenCurve) -> dict[str, float]:
  """The point of the best harmonic mean; of equals the least gamma. Chosen on these very videos, so an upper bound."""
  return point_at(curve, curve.gamma[_harmonic(curve.seen, curve.unseen).argmax()])


def best_gamma(curves: Sequence[SeenUnseenCurve]) -> float:
  """The gamma of the best harmonic mean, averaged over curves; the middle of the stretch where that is reached."""
  gammas = np.unique(np.concatenate([curve.gamma for curve in curves]))
  mean = np.zeros(len(gammas))
  for curve in curves:
    at = np.maximum(np.searchsorted(curve.gamma, gammas, side="right") - 1, 0)
    mean += _harmonic(curve.seen[at], curve.unseen[at]) / len(curves)
  best = int(mean.argmax())
  if best + 1 == len(gammas):
    return float(gammas[best])
  middle = (gammas[best] + gammas[best + 1]) / 2
  return float(middle if middle < gammas[best + 1] else gammas[best])


def thin(curve: SeenUnseenCurve, num_points: int = 100) -> list[list[float]]:
  """At most `num_points` of [gamma, seen, unseen], evenly along the curve, both ends among them."""
  kept = np.unique(np.linspace(0, len(curve.gamma) - 1, num_points).round().astype(int))
  return np.stack(curve, axis=1)[kept].tolist()


def _harmonic(
  seen: Float64[np.ndarray, " P"], unseen: Float64[np.ndarray, " P"]
) -> Float64[np.ndarray, " P"]:
  return 2.0 * seen * unseen / np.maximum(seen + unseen, 1e-300)
