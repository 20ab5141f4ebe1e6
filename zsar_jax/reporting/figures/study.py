"""The figure of a study: one metric by one thing that changes, several draws a point."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import LINES, MARKERS, RUNS
from zsar_jax.reporting.svg import canvas, finish, style

# x, mean, error, number of draws, what the error is of (see ERRORS; "" without one)
Points = Sequence[tuple[Any, float | None, float | None, int, str]]
ERRORS = {
  "draws": "standard deviation over draws",
  "splits": "standard deviation over half-class splits",
  "videos": "standard error over test videos",
}
_BARS = 0.8  # of a category's width
FEW = 8  # places of points up to which each has a tick


@style()
def study_figure(
  title: str,
  x_label: str,
  y_label: str,
  series: Mapping[str, Points],
  chance: float | None = None,
  printed: Mapping[str, Sequence[tuple[Any, float]]] | None = None,
  log_x: bool = False,
  categorical: bool = False,
) -> Figure:
  """Lines, or groups of bars where x is a category, with error bars; `printed` is what a paper reports, drawn hollow.

  Points whose mean is NaN or None are missing runs and left out; an error that is NaN or None is not drawn. The figure's
  name is made of the title.

  Args:
    series: {name: [(x, mean, error, number of draws, key of ERRORS)]}; x are numbers, or any text where `categorical`.
    printed: {name: [(x, value)]}; a name that is also in `series` takes that series' colour.
    log_x: a logarithmic axis; x must be positive then.
  """
  printed = printed or {}
  kept = {name: [point for point in points if _is_number(point[1])] for name, points in series.items()}
  categories = _categories(series, printed) if categorical else []
  drawn = canvas(3.6 if not categorical else 3.4 + 0.5 * (max(map(len, categories), default=0) > 12))
  axes = drawn.add_subplot()
  if categorical:
    _draw_bars(axes, kept, printed, categories)
  else:
    _draw_lines(axes, kept, printed, log_x)
  if chance is not None:
    axes.axhline(chance, linewidth=0.8, linestyle=":", color=axes.xaxis.label.get_color(), label="chance")
  axes.set(xlabel=x_label, ylabel=y_label)
  axes.set_ylim(bottom=0)
  axes.grid(axis="y")
  parts.key(drawn, _in_order(axes, [*kept, *(f"{name} (paper)" for name in printed), "chance"]), columns=3)
  draws = sorted({point[3] for points in kept.values() for point in points})
  counted = f"{draws[0]} to {draws[-1]}" if len(draws) > 1 else f"{draws[0]}" if draws else "no"
  several = bool(draws) and draws[-1] > 1
  drawn_errors = {point[4] for points in kept.values() for point in points if _is_number(point[2])}
  told = " or ".join(f"one {words}" for error, words in ERRORS.items() if error in drawn_errors)
  caption = (
    f"{y_label} by {x_label}; {counted} draw{'s' if several or not draws else ''} a point"
    + (f", error bars are {told}." if told else ".")
    + (" Hollow marks are the paper's own numbers." if printed else "")
  )
  missing = sum(map(len, series.values())) - sum(map(len, kept.values()))
  if missing:
    caption += f" Runs of {missing} point{'s' if missing > 1 else ''} are not done."
  table: list[list[Any]] = [["series", x_label, y_label, "error", "draws", "error of"]]
  table += [[name, *point[:4], ERRORS.get(point[4], "")] for name, points in kept.items() for point in points]
  table += [
    [f"printed: {name}", x, value, None, None, ""] for name, points in printed.items() for x, value in points
  ]
  return finish(drawn, reading.stem(title), title, caption, table, f"{title}. {_told(kept)}")


def _in_order(axes: Any, labels: Sequence[str]) -> list[Any]:
  """The legend's entries in this order: matplotlib would put bars after lines."""
  handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
  return [handles[label] for label in labels if label in handles]


def _is_number(value: Any) -> bool:
  return value is not None and bool(np.isfinite(value))


def _categories(
  series: Mapping[str, Points], printed: Mapping[str, Sequence[tuple[Any, float]]]
) -> list[str]:
  return list(
    dict.fromkeys(str(point[0]) for points in (*series.values(), *printed.values()) for point in points)
  )


def _look(name: str, names: Sequence[str]) -> tuple[str, str, Any]:
  i = list(names).index(name)
  return RUNS[i % len(RUNS)], MARKERS[i % len(MARKERS)], LINES[i % len(LINES)]


def _draw_lines(axes: Any, series: Mapping[str, Points], printed: Mapping[str, Any], log_x: bool) -> None:
  names = list(dict.fromkeys([*series, *printed]))
  for name, points in series.items():
    color, marker, line = _look(name, names)
    ordered = sorted(points, key=lambda point: point[0])
    x, y, error = (np.array([point[k] for point in ordered], float) for k in range(3))
    axes.plot(x, y, color=color, marker=marker, linestyle=line, label=name)
    _draw_errors(axes, x, y, error, color)
  for name, own in printed.items():
    color, marker, _ = _look(name, names)
    places = sorted(own)
    axes.plot(
      [x for x, _ in places],
      [y for _, y in places],
      marker=marker,
      linestyle=":",
      linewidth=0.9,
      color=color,
      markerfacecolor="none",
      label=f"{name} (paper)",
    )
  places = [float(p[0]) for points in (*series.values(), *printed.values()) for p in points]
  if log_x:
    _log_axis(axes, places)
  elif len(set(places)) <= FEW:
    axes.set_xticks(sorted(set(places)))


def _draw_errors(axes: Any, x: np.ndarray, y: np.ndarray, error: np.ndarray, color: str) -> None:
  """Bars of one error up and down, none where it is NaN."""
  axes.errorbar(x, y, error, fmt="none", elinewidth=0.9, capsize=2, ecolor=color)


def _log_axis(axes: Any, places: Sequence[float]) -> None:
  """Ticks at the values there are, as long as they do not stand on each other."""
  from matplotlib.ticker import NullFormatter, NullLocator

  axes.set_xscale("log")
  every = sorted(set(places))
  if not every:
    return
  span = max(np.log(every[-1] / every[0]), 1e-9)
  ticks: list[float] = []
  for value in every:
    if not ticks or np.log(value / ticks[-1]) > 0.06 * span:
      ticks.append(value)
  axes.set_xticks(ticks, [f"{value:g}" if value < 1e5 else f"{value / 1000:g}k" for value in ticks])
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_bars(
  axes: Any, series: Mapping[str, Points], printed: Mapping[str, Any], categories: Sequence[str]
) -> None:
  names = list(dict.fromkeys([*series, *printed]))
  width = _BARS / max(len(names), 1)
  places = {name: (k - (len(names) - 1) / 2) * width for k, name in enumerate(names)}
  for name, points in series.items():
    x = np.array([categories.index(str(point[0])) + places[name] for point in points])
    y, error = (np.array([point[k] for point in points], float) for k in (1, 2))
    axes.bar(x, y, 0.9 * width, color=_look(name, names)[0], alpha=0.85, label=name)
    _draw_errors(axes, x, y, error, axes.xaxis.label.get_color())
  for name, own in printed.items():
    at = [categories.index(str(place)) + places[name] for place, _ in own]
    axes.plot(at, [value for _, value in own], "D", color=axes.xaxis.label.get_color(), markerfacecolor="none", markersize=4.5,
              label=f"{name} (paper)")  # fmt: skip
  long = max(map(len, categories), default=0) * len(categories) > 80
  axes.set_xticks(
    range(len(categories)), categories, rotation=30 if long else 0, ha="right" if long else "center"
  )
  axes.tick_params(axis="x", length=0)
  axes.set_xlim(-0.6, len(categories) - 0.4)


def _told(series: Mapping[str, Points]) -> str:
  """Each series from its first point to its last."""
  told = [f"{name}: {points[0][1]:.1f} at {points[0][0]}, {points[-1][1]:.1f} at {points[-1][0]}"
          for name, points in series.items() if points]  # fmt: skip
  return "; ".join(told) or "No runs are done."
