"""Hubs: prototypes that are among the nearest of far too many videos, before and after semantic transfer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import LINES, MARKERS, RUNS
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style
from zsar_jax.zeroshot.metrics import k_occurrence

_SPACES = {"visual": "visual, with transfer", "semantic": "semantic", "words": "words"}


def hubness_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """A figure an unseen data set."""
  return [
    _hubness(*reading.holding(runs, names, data_set), data_set) for data_set in reading.unseen_sets(runs)
  ]


def occurrence(run: Run, data_set: str, k: int) -> Int[np.ndarray, " K"] | None:
  """How many videos have each class among their k nearest, in the primary space; None where their places are not kept."""
  prototypes = reading.unit(run.arrays[f"prototypes/unseen/{data_set}"])
  placed = reading.placed(run, data_set)
  if placed is None:
    return None
  videos = reading.unit(placed)
  nearest = np.argsort(-(videos @ prototypes.T), axis=1, kind="stable")[:, :k]
  return k_occurrence(nearest, len(prototypes), k)


@style()
def _hubness(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure | str:
  skews = [line for i, run in enumerate(runs) for line in _skews(run, names[i], data_set)]
  smallest = min(len(reading.class_names(run, data_set)) for run in runs)
  usable = [k for k in (5, 1) if k < smallest]
  if not usable:
    return f"Hubness of {reading.title(data_set)}: too few classes."
  k = usable[0]
  counts = [occurrence(run, data_set, k) for run in runs]
  if all(count is None for count in counts):
    return f"Hubness of {reading.title(data_set)}: {reading.NOT_PLACED}"
  drawn = canvas(2.9)
  left, right = drawn.subplots(1, 2, width_ratios=(1.15, 1))
  table: list[list[Any]] = [["run", "space", "class", "k", "occurrences", "times the average", "skewness"]]
  for i, (run, name, count) in enumerate(zip(runs, names, counts, strict=True)):
    if count is None or not count.sum():
      continue
    ratio = count / max(count.mean(), 1e-9)
    order = np.argsort(-ratio, kind="stable")
    classes = reading.class_names(run, data_set)
    left.plot(100 * (np.arange(len(ratio)) + 0.5) / len(ratio), ratio[order], linestyle=LINES[i % len(LINES)],
              color=RUNS[i % len(RUNS)])  # fmt: skip
    if len(runs) == 1:
      left.annotate(reading.shorten(classes[order[0]], 24), (50 / len(ratio), ratio[order[0]]), xytext=(5, 0),
                    textcoords="offset points", fontsize=7)  # fmt: skip
    table += [[name, run.space, classes[j], k, int(count[j]), round(float(ratio[j]), 4), None] for j in order]
  ink = left.xaxis.label.get_color()
  left.axhline(1, linewidth=0.8, linestyle=":", color=ink)
  left.set(xlim=(0, 100), xlabel="prototypes, greatest hub first, %", ylabel="times the average")
  left.set_title(f"among the {k} nearest" if k > 1 else "nearest")
  left.set_ylim(0, 1.1 * left.dataLim.y1)
  left.grid(axis="y")
  _draw_skews(right, skews, names)
  if len(runs) > 1 or len({space for _, space, _ in skews}) > 1:
    drawn.legend(handles=_handles(skews, names), loc="outside upper left", ncols=3, fontsize=7)
  table += [
    [name, space, None, int(k), None, None, value]
    for name, space, found in skews
    for k, value in found.items()
  ]
  caption = (
    f"Left: how often each prototype of {reading.title(data_set)} is among the {k} nearest of a video, in the space of the main result; "
    "without hubs all would lie near 1. Right: the skewness of that number, 0 without hubs, for every space; semantic is before the "
    "transfer, visual after it. Neither paper shows this."
  )
  alt = f"Hubness of {reading.title(data_set)}: " + "; ".join(
    f"{name}, {space}: skewness " + ", ".join(f"{v:.2f} at {k}" for k, v in found.items())
    for name, space, found in skews
  )
  return finish(
    drawn,
    reading.stem("hubness", reading.of_set(data_set)),
    f"Hubness of {reading.title(data_set)}",
    caption,
    table,
    alt,
  )


def _skews(run: Run, name: str, data_set: str) -> list[tuple[str, str, dict[str, float]]]:
  """(run, space, {k: skewness}) of every space that was evaluated."""
  rows = [(space, run.row(data_set, "all", space=space)) for space in run.spaces]
  return [(name, space, row["hubness"]) for space, row in rows if row is not None and row["hubness"]]


def _look(skews: Sequence[tuple[str, str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
  """A colour a run; a marker and a line a space."""
  spaces = list(dict.fromkeys(space for _, space, _ in skews))
  return [
    {"color": RUNS[list(names).index(name) % len(RUNS)], "marker": MARKERS[spaces.index(space) % len(MARKERS)],
     "linestyle": LINES[spaces.index(space) % len(LINES)]}
    for name, space, _ in skews
  ]  # fmt: skip


def _draw_skews(axes: Any, skews: Sequence[tuple[str, str, dict[str, float]]], names: Sequence[str]) -> None:
  ks = sorted({int(k) for _, _, found in skews for k in found})
  for (_, _, found), look in zip(skews, _look(skews, names), strict=True):
    own = [k for k in ks if str(k) in found]
    axes.plot([ks.index(k) for k in own], [found[str(k)] for k in own], **look)
  axes.axhline(0, linewidth=0.8, linestyle=":", color=axes.xaxis.label.get_color())
  axes.set_xticks(range(len(ks)), [str(k) for k in ks])
  axes.set(xlabel="k nearest", ylabel="skewness", xlim=(-0.3, max(len(ks), 1) - 0.7))
  axes.set_title("skewness")
  axes.grid(axis="y")


def _handles(skews: Sequence[tuple[str, str, Any]], names: Sequence[str]) -> list[Any]:
  from matplotlib.lines import Line2D

  several = len(set(names)) > 1
  return [
    Line2D([], [], label=(f"{name}: " if several else "") + _SPACES.get(space, space), **look)
    for (name, space, _), look in zip(skews, _look(skews, names), strict=True)
  ]
