"""Seen classes compete too: the seen-unseen curve of calibrated stacking."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import LINES, RUNS
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style


def generalized_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """A figure an unseen data set."""
  return [
    _curves(*reading.holding(runs, names, data_set), data_set) for data_set in reading.unseen_sets(runs)
  ]


@style()
def _curves(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure | str:
  title = reading.title(data_set)
  rows = [run.row(data_set, "generalized") for run in runs]
  if not any(row and row.get("curve") for row in rows):
    return f"Seen-unseen curve of {title}: not evaluated."
  drawn = canvas(3.4)
  axes = drawn.add_subplot()
  table: list[list[Any]] = [["run", "point", "gamma", "seen, %", "unseen, %"]]
  told = []
  for i, (row, name) in enumerate(zip(rows, names, strict=True)):
    if not row or not row.get("curve"):
      continue
    curve, color = np.array(row["curve"], float), RUNS[i % len(RUNS)]
    summary = f"AUSUC {row['ausuc']:.3f}"
    axes.plot(curve[:, 1], curve[:, 2], color=color, linestyle=LINES[i % len(LINES)],
              label=f"{name}: {summary}" if len(runs) > 1 else summary)  # fmt: skip
    table += [[name, "curve", *(round(float(v), 5) for v in point)] for point in curve]
    for kind, look, point in _points(row):
      axes.plot(
        point["seen"], point["unseen"], look, color=color, markersize=6 if look != "*" else 10, zorder=4
      )
      table.append([name, kind, *(round(float(point[key]), 5) for key in ("gamma", "seen", "unseen"))])
    told.append(
      f"{name}: {summary}, seen {row['seen']:.1f} and unseen {row['unseen']:.1f} per cent as they are"
    )
  axes.set(
    xlabel="seen classes' videos right, %",
    ylabel="unseen classes' videos right, %",
    xlim=(0, None),
    ylim=(0, None),
  )
  axes.grid()
  _legend(drawn, [row for row in rows if row])
  caption = (
    f"Accuracy on the videos of {title} and of the seen classes, all classes competing, while ever more (gamma) is taken off the "
    "seen classes' cosines, from the lower right to the upper left. AUSUC is the area under the curve, 0 to 1. The best "
    "harmonic mean is chosen on these very videos, an upper bound"
    + ("; the calibrated point takes gamma from the search on the seen classes." if any(row and row.get("calibrated") for row in rows)
       else ".")
    + " Neither paper shows it."
  )  # fmt: skip
  return finish(
    drawn,
    reading.stem("seen unseen", reading.of_set(data_set)),
    f"Seen against unseen classes, {title}",
    caption,
    table,
    "; ".join(told),
  )


def _points(row: dict[str, Any]) -> list[tuple[str, str, dict[str, float]]]:
  plain = {"gamma": 0.0, "seen": row["seen"], "unseen": row["unseen"]}
  points = [
    ("as they are", "o", plain),
    ("best harmonic mean", "*", row.get("best")),
    ("calibrated", "D", row.get("calibrated")),
  ]
  return [(kind, look, point) for kind, look, point in points if point]


def _legend(drawn: Any, rows: Sequence[dict[str, Any]]) -> None:
  """The runs' lines, then what the points are."""
  from matplotlib.lines import Line2D

  axes = drawn.axes[0]
  lines = axes.get_legend_handles_labels()[0]
  kinds = dict.fromkeys((kind, look) for row in rows if row.get("curve") for kind, look, _ in _points(row))
  ink = axes.xaxis.label.get_color()
  points = [
    Line2D([], [], linestyle="", marker=look, color=ink, markersize=5 if look != "*" else 8, label=kind)
    for kind, look in kinds
  ]
  drawn.legend(handles=[*lines, *points], loc="outside right upper", fontsize=7.5)
