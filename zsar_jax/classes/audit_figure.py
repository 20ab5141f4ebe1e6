"""The audit as a picture: how far every seen class lies from the nearest unseen one (E2E Fig. 3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from zsar_jax.classes.audit import Audit
from zsar_jax.errors import InputError

BIN = 0.025  # cosine distance


def save_figure(audit: Audit, out: str | Path) -> None:
  """Writes a histogram of the distances with the threshold marked; the kind of picture is that of the file's ending.

  Raises:
    InputError: matplotlib is not installed, or `out` cannot be written or is of no known kind.
  """
  try:
    from matplotlib.figure import Figure
  except ImportError as error:
    raise InputError("--figure needs matplotlib, which is not installed: pip install matplotlib") from error
  report = audit.report
  figure = Figure(figsize=(8, 4.5), layout="constrained")
  axes = figure.add_subplot()
  draw_histogram(axes, audit.distances)
  removed, kept = len(report["removed"]), len(report["kept"])
  against = f"{' + '.join(report['seen'])} against {' + '.join(report['unseen'])}"
  axes.set_title(f"{against}: {removed} of {removed + kept} classes removed", wrap=True)
  axes.set_ylabel(f"seen classes per {BIN:g}")
  axes.spines[["top", "right"]].set_visible(False)
  mark_threshold(axes, report["threshold"], removed)
  axes.legend(frameon=False)
  try:
    figure.savefig(out, dpi=150)
  except (OSError, ValueError) as error:
    raise InputError(f"--figure {str(out)!r}: cannot be written: {error}") from error


def draw_histogram(
  axes: Any, distances: Mapping[str, Float[np.ndarray, " S"]], colors: Sequence[str] | None = None
) -> None:
  """Stacked bars, a colour a list. Classes that nothing can be compared with are counted in the legend."""
  finite = {own: each[np.isfinite(each)] for own, each in distances.items()}
  far = max((each.max() for each in finite.values() if len(each)), default=1.0)
  edges = np.arange(0, far + 2 * BIN, BIN)
  labels = []
  for own, each in distances.items():
    lost = len(each) - len(finite[own])
    labels.append(
      f"{own}: {len(finite[own])} classes" + (f" ({lost} without vectors not shown)" if lost else "")
    )
  axes.hist(list(finite.values()), edges, stacked=True, label=labels, color=colors, edgecolor="white",
            linewidth=0.0 if colors else 0.5, rwidth=0.92 if colors else None)  # fmt: skip
  axes.set_xlabel("cosine distance to the nearest unseen class's word embedding (0: same words)")


def mark_threshold(axes: Any, threshold: float, removed: int, ink: str = "0.1") -> None:
  """The threshold as a line, and what lies before it."""
  axes.axvline(threshold, color=ink, linewidth=1.5, linestyle="--", label=f"threshold {threshold:g}")
  axes.set_xlim(left=-BIN)  # after the line: setting a limit ends the scaling to what is drawn
  axes.axvspan(-BIN, threshold, color="tab:red", alpha=0.12, linewidth=0, zorder=0)
  axes.annotate(f"{removed} removed", (threshold, 0.97), xycoords=("data", "axes fraction"), xytext=(6, 0),
                textcoords="offset points", color="tab:red", va="top")  # fmt: skip
