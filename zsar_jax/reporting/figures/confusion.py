"""Which class is taken for which (E2E Sup. Fig. 5-8)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import RUNS, sequential
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import WIDTH, canvas, finish, style

PAIRS = 15  # most confused pairs that are shown
WRITTEN = 15  # classes up to which the cells' numbers are written


def confusion_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """Every run's confusion matrix of every unseen data set, and how far two runs' matrices lie apart."""
  drawn: reading.Drawn = []
  for data_set in reading.unseen_sets(runs):
    own, called = reading.holding(runs, names, data_set)
    drawn += [_matrix(run, *reading.of_run(runs, names, run), data_set) for run in own]
    for a, b in reading.pairs_of(own):
      pair = reading.of_pair(runs, names, own[a], own[b])
      drawn.append(_distance([own[a], own[b]], [called[a], called[b]], data_set, pair))
  return drawn


def confused_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The pairs of classes that are confused most."""
  return [_pairs(*reading.holding(runs, names, data_set), data_set) for data_set in reading.unseen_sets(runs)]


def counts(run: Run, data_set: str) -> Float[np.ndarray, "K K"]:
  """How many videos of a class (row) take a class's name (column), in the order of the data set's classes."""
  label = run.arrays[f"unseen/{data_set}/label"]
  predicted = run.arrays[f"unseen/{data_set}/predicted"][:, 0]
  num = len(run.arrays[f"unseen/{data_set}/classes"])
  return (
    np.bincount(label.astype(np.int64) * num + predicted, minlength=num * num).reshape(num, num).astype(float)
  )


def shares(run: Run, data_set: str) -> Float[np.ndarray, "K K"]:
  """The same as shares of the true class's videos: rows sum to 1, or are 0 for a class without a video."""
  matrix = counts(run, data_set)
  return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


@style()
def _matrix(run: Run, stem: str, of_run: str, data_set: str) -> Figure:
  classes = reading.class_names(run, data_set)
  order = reading.alphabetical(classes)
  named = [classes[k] for k in order]
  matrix, number = shares(run, data_set)[np.ix_(order, order)], counts(run, data_set)[np.ix_(order, order)]
  drawn = canvas(_height(len(named)))
  complete = _draw(drawn.add_subplot(), matrix, named)
  parts.color_key(
    drawn, (0.05, 0.25, 0.5, 0.75, 1.0), ("5", "25", "50", "75", "100"), "% of the true class's videos"
  )
  table: list[list[Any]] = [["true class", "predicted class", "videos", "share of the true class"]]
  table += [
    [named[i], named[j], int(number[i, j]), round(matrix[i, j], 6)] for i, j in np.argwhere(number > 0)
  ]
  caption = (
    f"Rows are the true classes of {reading.title(data_set)}, columns the names given, both in alphabetical order; a row's "
    "cells add up to 100 %. The diagonal is right; a dark column is a name that draws many classes' videos."
  )
  caption += (
    "" if complete else " Not every row and column is labelled; the CSV names every cell that is not empty."
  )
  caption += " Corresponds to E2E Sup. Fig. 6 to 8."
  right = 100 * np.trace(number) / max(number.sum(), 1)
  title = f"Confusion matrix of {reading.title(data_set)}{of_run}"
  alt = f"{title}, {len(named)} classes; {right:.1f} per cent of the videos lie on the diagonal"
  return finish(drawn, reading.stem("confusion", reading.of_set(data_set), stem), title, caption, table, alt)


def _height(num: int) -> float:
  """Inches: square for many classes, flatter for few."""
  return float(np.clip(1.6 + 0.24 * num, 2.6, WIDTH))


def _draw(axes: Any, matrix: Float[np.ndarray, "K K"], named: Sequence[str]) -> bool:
  """The cells with their labels; whether every class is named."""
  parts.cells(axes, sequential(matrix))
  short = [reading.shorten(name, 28) for name in named]
  complete = parts.label_rows(axes, short, _height(len(named)) - 1.4)
  complete &= parts.label_columns(axes, short, 5.6)
  if len(named) <= WRITTEN:
    for i, j in np.argwhere(matrix >= 0.005):
      axes.text(j, i, f"{100 * matrix[i, j]:.0f}", ha="center", va="center", fontsize=6.5)
  axes.set(xlabel="name given", ylabel="true class")
  return complete


@style()
def _distance(runs: Sequence[Run], names: Sequence[str], data_set: str, pair: str) -> Figure | str:
  """Cell by cell |a - b|; a class's distance is the Euclidean one between its two rows."""
  classes = [reading.class_names(run, data_set) for run in runs]
  common = [name for name in classes[0] if name in set(classes[1])]
  if len(common) < 2:
    return f"Distance between the confusion matrices of {names[0]} and {names[1]} on {reading.title(data_set)}: they share no classes."
  common = [common[k] for k in reading.alphabetical(common)]
  a, b = (
    shares(run, data_set)[np.ix_(rows, rows)]
    for run, rows in zip(runs, ([own.index(name) for name in common] for own in classes), strict=True)
  )
  apart = np.abs(a - b)
  distance = np.sqrt((apart**2).sum(1))
  drawn = canvas(_height(len(common)))
  axes = drawn.add_subplot()
  complete = _draw(axes, apart, common)
  axes.set_title(f"mean L2 distance of a class {distance.mean():.3f}")
  parts.color_key(
    drawn, (0.05, 0.25, 0.5, 0.75, 1.0), ("5", "25", "50", "75", "100"), "per cent points apart"
  )
  table: list[list[Any]] = [["true class", "name given", *names, "apart"]]
  table += [
    [common[i], common[j], *(round(m[i, j], 6) for m in (a, b, apart))] for i, j in np.argwhere(apart > 0)
  ]
  caption = (
    f"How far the confusion matrices of {names[0]} and {names[1]} lie apart, cell by cell. The L2 distance of a class is that "
    f"of its two rows, {distance.mean():.3f} on average; most for {common[int(distance.argmax())]} ({distance.max():.2f})."
  )
  caption += "" if complete else " Not every class is labelled; the CSV names them all."
  caption += " Corresponds to E2E Sup. Fig. 5."
  stem = reading.stem("confusion distance", reading.of_set(data_set), pair)
  title = f"Confusion matrices of {reading.title(data_set)}: {names[0]} against {names[1]}"
  return finish(
    drawn, stem, title, caption, table, f"{title}: mean L2 distance of a class {distance.mean():.3f}"
  )


@style()
def _pairs(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure | str:
  found = [_confused(run, data_set) for run in runs]
  pairs = {pair for own in found for pair in own}
  if not pairs:
    return f"Most confused classes of {reading.title(data_set)}: no video was named wrong."
  order = sorted(pairs, key=lambda pair: (-max(own.get(pair, 0.0) for own in found), pair))
  shown = order[:PAIRS]
  drawn = canvas(0.5 + (0.12 + 0.08 * len(runs)) * len(shown) + 0.25 * (len(runs) > 1))
  axes = drawn.add_subplot()
  height = 0.76 / len(runs)
  for i, own in enumerate(found):
    rows = np.arange(len(shown)) + (i - (len(runs) - 1) / 2) * height
    values = [own.get(pair, 0.0) for pair in shown]
    axes.barh(rows, values, height, color=RUNS[i % len(RUNS)], alpha=0.85, label=names[i])
  axes.set_yticks(
    range(len(shown)), [f"{reading.shorten(a, 26)} → {reading.shorten(b, 26)}" for a, b in shown], fontsize=7
  )
  axes.tick_params(axis="y", length=0)
  axes.set(ylim=(len(shown) - 0.45, -0.55), xlabel="% of the true class's videos", xlim=(0, None))
  axes.grid(axis="x")
  if len(runs) > 1:
    parts.key(drawn)
  caption = (
    f"The {len(shown)} pairs of {reading.title(data_set)} that are confused most: true class → name given, by the share of the true "
    "class's videos. It lists what the confusion matrices of E2E Sup. Fig. 6 to 8 show as single cells."
  )
  table: list[list[Any]] = [["true class", "name given", *(f"{name}, %" for name in names)],
           *([a, b, *(round(own.get((a, b), 0.0), 4) for own in found)] for a, b in order)]  # fmt: skip
  title = f"Most confused classes of {reading.title(data_set)}"
  return finish(drawn, reading.stem("confused", reading.of_set(data_set)), title, caption, table, caption)


def _confused(run: Run, data_set: str) -> dict[tuple[str, str], float]:
  classes, matrix = reading.class_names(run, data_set), 100 * shares(run, data_set)
  np.fill_diagonal(matrix, 0)
  return {(classes[i], classes[j]): float(matrix[i, j]) for i, j in np.argwhere(matrix > 0)}
