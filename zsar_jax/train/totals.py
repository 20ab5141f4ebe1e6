"""Metrics added up on the device between two lines of the log, and fetched there."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32

Sums = dict[str, Float32[Array, ""]]


class Totals:
  """Sums of the metrics of the steps since the last `take`; what a checkpoint saved of them goes on."""

  def __init__(self, saved: Mapping[str, float]):
    self._sums: Mapping[str, Array] | Mapping[str, float] = dict(saved)

  def add(self, metrics: Sums) -> None:
    """Metrics of a step, which hold `steps`: how many steps they are of (0 or 1)."""
    self._sums = _added(self._sums, metrics) if self._sums else metrics

  def saved(self) -> dict[str, float]:
    """The sums as a checkpoint keeps them; waits for the device."""
    return {name: float(value) for name, value in jax.device_get(dict(self._sums)).items()}

  def take(self) -> dict[str, float]:
    """The means, not a number where every step was left out; begins anew. Waits for the device."""
    sums = self.saved()
    self._sums = {}
    steps = sums.pop("steps", 0.0)
    return {name: value / steps if steps else float("nan") for name, value in sums.items()}


@jax.jit
def _added(sums: Sums, metrics: Sums) -> Sums:
  return {name: jnp.float32(sums[name]) + value for name, value in metrics.items()}
