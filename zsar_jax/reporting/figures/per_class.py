"""Accuracy class by class: sorted, the ends of the list, and what changed between two runs (E2E Sup. Fig. 3, 4)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import BETTER, MARKERS, RUNS, WORSE
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

ENDS = 10  # classes shown of either end of a long list
NAMED = 60  # classes that can be named along a figure's width
CHANGES = 20  # of either sign


def per_class_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """Every unseen data set's classes, hardest to easiest, and the best and worst ten of long lists."""
  drawn: reading.Drawn = []
  for data_set in reading.unseen_sets(runs):
    own, called = reading.holding(runs, names, data_set)
    drawn.append(_sorted_classes(own, called, data_set))
    if len(reading.per_class(own[0], data_set)) > 3 * ENDS:
      drawn.append(_ends(own, called, data_set))
  return drawn


def change_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """What the second of two runs names better and worse than the first, class by class."""
  drawn: reading.Drawn = []
  for data_set in reading.unseen_sets(runs):
    own, called = reading.holding(runs, names, data_set)
    for a, b in reading.pairs_of(own):
      pair = reading.of_pair(runs, names, own[a], own[b])
      drawn.append(_change([own[a], own[b]], [called[a], called[b]], data_set, pair))
  return drawn


@style()
def _sorted_classes(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure:
  """One panel a run, sorted by that run; the other runs' points stand at the same classes."""
  accuracies = [reading.per_class(run, data_set) for run in runs]
  named = max(map(len, accuracies)) <= NAMED
  drawn = canvas((1.9 + 0.9 * named) * len(runs) + 0.3)
  for i, own in enumerate(accuracies):
    axes = drawn.add_subplot(len(runs), 1, i + 1)
    order = sorted(own, key=lambda name: (own[name], name))
    axes.bar(range(len(order)), [own[name] for name in order], 0.8, color=RUNS[i % len(RUNS)], alpha=0.8,
             label=names[i] if len(runs) > 1 else None)  # fmt: skip
    for j, other in enumerate(accuracies):
      if j != i:
        points = [(k, other[name]) for k, name in enumerate(order) if name in other]
        axes.plot(*zip(*points, strict=True) if points else ([], []), MARKERS[j % len(MARKERS)], markersize=2.6,
                  color=RUNS[j % len(RUNS)], clip_on=False, zorder=4)  # fmt: skip
    mean = float(np.mean(list(own.values())))
    axes.axhline(mean, linewidth=0.8, linestyle="--", color=axes.xaxis.label.get_color())
    sorted_by = f"sorted by {names[i]}, " if len(runs) > 1 else ""
    axes.set_title(f"{reading.title(data_set)}, {len(order)} classes, {sorted_by}mean {mean:.1f}")
    axes.set(ylim=(0, 102), ylabel="videos right, %", xlim=(-0.8, len(order) - 0.2))
    axes.grid(axis="y")
    if named:
      parts.label_columns(axes, order, 6.4)
    else:
      axes.set_xlabel("classes, hardest first")
      axes.set_xticks([])
  if len(runs) > 1:
    parts.key(drawn)
  zeros = [sum(value == 0 for value in own.values()) for own in accuracies]
  caption = (
    f"Share of each unseen class's videos that take its name, all classes of {reading.title(data_set)} competing, hardest class first; "
    "the dashed line is the mean over classes."
  )
  if len(runs) > 1:
    caption += " Every panel sorts by one run and shows the others' accuracy of the same classes as points."
  caption += " Corresponds to E2E Sup. Fig. 3."
  alt = (
    f"Accuracy of each class of {reading.title(data_set)}, sorted. Classes never named right: "
    + ", ".join(
      f"{zero} of {len(own)} ({name})" for zero, own, name in zip(zeros, accuracies, names, strict=True)
    )
  )
  name = reading.stem("per class", reading.of_set(data_set))
  return finish(
    drawn,
    name,
    f"Accuracy of every class of {reading.title(data_set)}",
    caption,
    _table(accuracies, names),
    alt,
  )


def _table(accuracies: Sequence[dict[str, float]], names: Sequence[str]) -> list[list[Any]]:
  classes = sorted({name for own in accuracies for name in own}, key=str.lower)
  return [["class", *names], *([name, *(own.get(name) for own in accuracies)] for name in classes)]


@style()
def _ends(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure:
  accuracies = [reading.per_class(run, data_set) for run in runs]
  drawn = canvas(2.1 * len(runs) + 0.1)
  table: list[list[Any]] = [["sorted by", "end", "class", *names]]
  for i, own in enumerate(accuracies):
    order = sorted(own, key=lambda name: (-own[name], name))
    for column, (end, classes) in enumerate((("best", order[:ENDS]), ("worst", order[-ENDS:]))):
      axes = drawn.add_subplot(len(runs), 2, 2 * i + column + 1)
      _bars(axes, classes, i, accuracies)
      axes.set_title(f"{end} {ENDS}" + (f", {names[i]}" if len(runs) > 1 else ""))
      if i == len(runs) - 1:
        axes.set_xlabel("videos right, %")
      table += [[names[i], end, name, *(each.get(name) for each in accuracies)] for name in classes]
  caption = f"The {ENDS} classes of {reading.title(data_set)} that are named best and worst, by the share of their videos."
  if len(runs) > 1:
    caption += " A row of panels sorts by one run; points are the other runs at the same classes."
  caption += " Corresponds to E2E Sup. Fig. 4."
  title = f"Best and worst classes of {reading.title(data_set)}"
  return finish(drawn, reading.stem("ends", reading.of_set(data_set)), title, caption, table, caption)


def _bars(axes: Any, classes: Sequence[str], i: int, accuracies: Sequence[dict[str, float]]) -> None:
  rows = range(len(classes))
  axes.barh(rows, [accuracies[i][name] for name in classes], 0.7, color=RUNS[i % len(RUNS)], alpha=0.8)
  if len(accuracies) == 1:  # a bar of nothing is no bar
    for k, name in enumerate(classes):
      axes.annotate(f"{accuracies[0][name]:.0f}", (accuracies[0][name], k), xytext=(2, 0), textcoords="offset points",
                    fontsize=6.5, va="center")  # fmt: skip
  for j, other in enumerate(accuracies):
    if j != i:
      points = [(other[name], k) for k, name in enumerate(classes) if name in other]
      axes.plot(*zip(*points, strict=True) if points else ([], []), MARKERS[j % len(MARKERS)], markersize=3,
                color=RUNS[j % len(RUNS)], clip_on=False, zorder=4)  # fmt: skip
  axes.set_yticks(rows, [reading.shorten(name, 26) for name in classes], fontsize=7)
  axes.tick_params(axis="y", length=0)
  axes.set(xlim=(0, 106), ylim=(len(classes) - 0.4, -0.6))
  axes.grid(axis="x")


@style()
def _change(runs: Sequence[Run], names: Sequence[str], data_set: str, pair: str) -> Figure | str:
  before, after = (reading.per_class(run, data_set) for run in runs)
  change = {name: after[name] - before[name] for name in before if name in after}
  if not change:
    return f"Change of each class of {reading.title(data_set)} from {names[0]} to {names[1]}: the runs share no class."
  order = sorted(change, key=lambda name: (-change[name], name))
  shown = order if len(order) <= 2 * CHANGES else order[:CHANGES] + order[-CHANGES:]
  values = np.array([change[name] for name in shown])
  drawn = canvas(0.115 * len(shown) + 0.7)
  axes = drawn.add_subplot()
  axes.barh(range(len(shown)), values, 0.72, color=[BETTER if v >= 0 else WORSE for v in values], alpha=0.85)
  axes.set_yticks(range(len(shown)), [reading.shorten(name, 32) for name in shown], fontsize=6.5)
  axes.tick_params(axis="y", length=0)
  axes.axvline(0, linewidth=0.6, color=axes.xaxis.label.get_color())
  axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel=f"per cent points, {names[1]} less {names[0]}")
  axes.grid(axis="x")
  if len(shown) < len(order):
    axes.axhline(CHANGES - 0.5, linewidth=0.6, linestyle=":", color=axes.xaxis.label.get_color())
  better, worse = (sum(sign * v > 0 for v in change.values()) for sign in (1, -1))
  caption = (
    f"Change of each class's accuracy from {names[0]} to {names[1]} on {reading.title(data_set)}: {better} classes better, {worse} worse, "
    f"{len(change) - better - worse} the same."
  )
  if len(shown) < len(order):
    caption += f" The {CHANGES} greatest changes of either end are shown; the CSV has all {len(order)}."
  caption += " The numbers are those that E2E Sup. Fig. 3 sets side by side."
  table: list[list[Any]] = [
    ["class", *names, "change"],
    *([name, before[name], after[name], change[name]] for name in order),
  ]
  stem = reading.stem("change", reading.of_set(data_set), pair)
  return finish(drawn, stem, f"Change of each class of {reading.title(data_set)}", caption, table, caption)
