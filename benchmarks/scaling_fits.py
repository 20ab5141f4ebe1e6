"""A straight line and an exponent through measured points, and how far the points lie from them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def fitted(points: Sequence[dict[str, Any]], work: str, cost: str = "seconds") -> dict[str, Any]:
  """How `cost` grows with `work`, both keys of every point, above 0.

  Returns:
    exponent: the slope of their logarithms (1: as the work; below 1: something is paid once).
    fixed, per_unit: cost = fixed + per_unit * work, by least squares of relative errors, fixed not below 0.
    deviation: the largest |measured / line - 1|, and `at`, where `x` it lies.
  """
  xs, ys = (np.array([point[key] for point in points], float) for key in (work, cost))
  exponent = float(np.polyfit(np.log(xs), np.log(ys), 1)[0]) if len(points) > 1 else math.nan
  fixed, per_unit = _line(xs, ys)
  off = np.abs(ys / (fixed + per_unit * xs) - 1)
  return {
    "of": work,
    "exponent": round(exponent, 3),
    "fixed": float(f"{fixed:.4g}"),
    "per_unit": float(f"{per_unit:.4g}"),
    "deviation": round(float(off.max()), 3),
    "at": points[int(off.argmax())]["x"],
  }


def _line(xs: np.ndarray, ys: np.ndarray) -> tuple[float, float]:
  through_zero = 0.0, float(np.sum(xs / ys) / np.sum((xs / ys) ** 2))
  if len(xs) < 3:
    return through_zero
  columns = np.stack([np.ones_like(xs), xs], axis=1) / ys[:, None]
  fixed, per_unit = np.linalg.lstsq(columns, np.ones_like(ys), rcond=None)[0]
  if fixed > 0 and per_unit <= 0:  # the cost does not grow: a level line
    return float(np.sum(1 / ys) / np.sum(1 / ys**2)), 0.0
  return (float(fixed), float(per_unit)) if fixed > 0 else through_zero
