"""Parts that several figures draw with. Everything here takes matplotlib's objects and is called inside `svg.style`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.palette import sequential


def label_rows(axes: Any, labels: Sequence[str], inches: float, *, most: int = 60, size: float = 7.5) -> bool:
  """Names the rows 0, 1, … down the side, or as many as can be read in so many inches; tells whether all are named."""
  step = thinning(len(labels), inches, most)
  axes.set_yticks(range(0, len(labels), step), labels[::step])
  axes.tick_params(
    axis="y", length=0 if step == 1 else 2, pad=3, labelsize=_size(len(labels) / step, inches, size)
  )
  return step == 1


def label_columns(
  axes: Any, labels: Sequence[str], inches: float, *, most: int = 60, size: float = 7.5
) -> bool:
  """The same along the bottom, upright."""
  step = thinning(len(labels), inches, most)
  axes.set_xticks(range(0, len(labels), step), labels[::step], rotation=90)
  axes.tick_params(
    axis="x", length=0 if step == 1 else 2, pad=3, labelsize=_size(len(labels) / step, inches, size)
  )
  return step == 1


def thinning(num: int, inches: float, most: int) -> int:
  """Every how many labels one is written, so that at most `most` stand in so many inches, none touching the next."""
  return max(1, int(np.ceil(num / max(1.0, min(most, inches / 0.085)))))


def _size(num: float, inches: float, size: float) -> float:
  """Points: as large as the lines allow, 5 to `size`."""
  return float(np.clip(0.9 * 72 * inches / max(num, 1), 5.0, size))


def cells(axes: Any, rgba: np.ndarray) -> None:
  """A matrix's cells as a picture inside the SVG, in a thin frame."""
  axes.imshow(rgba, aspect="auto")
  for spine in axes.spines.values():
    spine.set_visible(True)
    spine.set_linewidth(0.4)


def color_key(drawn: Any, values: Sequence[float], labels: Sequence[str], title: str,
              power: float = 0.4) -> None:  # fmt: skip
  """A row of swatches above the figure: what the colours of `cells` stand for."""
  from matplotlib.patches import Patch

  colors = sequential(np.asarray(values, float), power) / 255.0
  handles = [
    Patch(facecolor=tuple(color), edgecolor="none", label=text)
    for color, text in zip(colors, labels, strict=True)
  ]
  # The title stands before the swatches, not above them: an empty patch carries it.
  handles.insert(0, Patch(facecolor="none", edgecolor="none", label=title))
  drawn.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=7, handlelength=1.2,
               handletextpad=0.4, columnspacing=1.0)  # fmt: skip


def key(drawn: Any, handles: Sequence[Any] | None = None, columns: int = 4) -> None:
  """The legend above the axes, outside of the data."""
  own = {} if handles is None else {"handles": list(handles)}
  drawn.legend(loc="outside upper left", ncols=columns, handlelength=1.6, columnspacing=1.4, **own)
