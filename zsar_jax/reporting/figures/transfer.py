"""Which seen classes the unseen ones are related to and made of (ResT Fig. 3 and Eq. 1-6)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import BLUE, sequential
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

ROWS, COLUMNS, WHOLE = 40, 60, 60
PARTS = 4  # seen classes of a recipe that have a shade of their own


def relatedness_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """Relatedness and selection of every run and unseen data set."""
  return [
    _matrices(run, *reading.of_run(runs, names, run), data_set)
    for data_set in reading.unseen_sets(runs)
    for run in reading.holding(runs, names, data_set)[0]
  ]


def recipe_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """Of which seen classes each unseen prototype is composed."""
  drawn: reading.Drawn = []
  for data_set in reading.unseen_sets(runs):
    for run in reading.holding(runs, names, data_set)[0]:
      stem, of_run = reading.of_run(runs, names, run)
      if f"weights/unseen/{data_set}" in run.arrays:
        drawn.append(_recipes(run, stem, of_run, data_set))
      else:
        drawn.append(
          f"Recipes of {reading.title(data_set)}{of_run}: its prototypes are the names' own word vectors, made of no seen class."
        )
  return drawn


def _weights(run: Run, data_set: str) -> Float[np.ndarray, "K S"] | None:
  return run.arrays.get(f"weights/unseen/{data_set}")


@style()
def _matrices(run: Run, stem: str, of_run: str, data_set: str) -> Figure:
  classes, seen = reading.class_names(run, data_set), list(run.report["seen_classes"])
  related = (
    reading.unit(run.arrays[f"semantic/unseen/{data_set}"]) @ reading.unit(run.arrays["semantic/seen"]).T
  )
  weights = _weights(run, data_set)
  rows = reading.alphabetical(classes)
  rows = rows if len(rows) <= WHOLE else reading.evenly(rows, ROWS)
  columns = _columns(related[rows], None if weights is None else weights[rows], seen)
  shown = related[np.ix_(rows, columns)]
  low, high = float(shown.min()), float(shown.max())
  panels: list[tuple[str, np.ndarray]] = [
    ("semantic relatedness", sequential((shown - low) / max(high - low, 1e-9), power=1.0))
  ]
  if weights is not None:
    panels.append(("selected", sequential((weights[np.ix_(rows, columns)] > 0).astype(float))))
  inches = float(np.clip(0.13 * len(rows), 0.8, 4.2))
  drawn = canvas((inches + 0.35) * len(panels) + 1.5)
  every = drawn.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
  complete = True
  for axes, (title, rgba) in zip(every, panels, strict=True):
    parts.cells(axes, rgba)
    axes.set_title(title)
    complete &= parts.label_rows(axes, [reading.shorten(classes[k], 26) for k in rows], inches)
  every[0].tick_params(axis="x", length=0)
  complete &= parts.label_columns(every[-1], [reading.shorten(seen[k], 28) for k in columns], 5.6)
  levels = (0.25, 0.5, 0.75, 1.0)
  parts.color_key(drawn, levels, [f"{low + (high - low) * v:.2f}".replace("-", "−") for v in levels], "cosine",
                  power=1.0)  # fmt: skip
  table: list[list[Any]] = [["unseen class", "seen class", "relatedness", "share"]]
  table += [[classes[i], seen[j], round(float(related[i, j]), 5), None if weights is None else round(float(weights[i, j]), 6)]
            for i in rows for j in columns]  # fmt: skip
  part = "" if (len(rows), len(columns)) == (len(classes), len(seen)) else (
    f" Shown: {len(rows)} of {len(classes)} unseen classes (rows), {len(columns)} of {len(seen)} seen classes (columns"
    f"{', those that are used most' if weights is not None else ', those that are most related'}).")  # fmt: skip
  caption = (
    f"Cosine of the word embeddings of unseen classes of {reading.title(data_set)} (rows) and of seen classes (columns): the "
    "fuller the colour, the more related."
  )
  if weights is not None:
    caption += " Below, the seen classes that the integer program selects for each."
  caption += (
    part
    + ("" if complete else " Not every line is labelled; the CSV names them.")
    + " Corresponds to ResT Fig. 3."
  )
  title = f"Relatedness{' and selection' if weights is not None else ''} of {reading.title(data_set)}{of_run}"
  alt = f"{title}: {len(rows)} unseen by {len(columns)} seen classes, cosines from {low:.2f} to {high:.2f}"
  return finish(
    drawn, reading.stem("relatedness", reading.of_set(data_set), stem), title, caption, table, alt
  )


def _columns(related: Float[np.ndarray, "k S"], weights: Float[np.ndarray, "k S"] | None, seen: Sequence[str]
             ) -> Int[np.ndarray, " s"]:  # fmt: skip
  """Seen classes worth a column, in alphabetical order: all of a few, else those used most, else the most related."""
  order = reading.alphabetical(seen)
  if len(seen) <= WHOLE:
    return order
  worth = related.max(0) + (0 if weights is None else 10.0 * (weights > 0).sum(0))
  best = set(np.argsort(-worth, kind="stable")[:COLUMNS].tolist())
  return np.array([k for k in order if int(k) in best], np.int64)


@style()
def _recipes(run: Run, stem: str, of_run: str, data_set: str) -> Figure:
  classes, seen = reading.class_names(run, data_set), run.report["seen_classes"]
  weights = run.arrays[f"weights/unseen/{data_set}"]
  order = reading.alphabetical(classes)
  rows = reading.evenly(order, ROWS)
  drawn = canvas(0.165 * len(rows) + 0.45)
  axes = drawn.add_subplot()
  for line, k in enumerate(rows):
    _recipe(axes, line, weights[k], seen)
  axes.set_yticks(range(len(rows)), [reading.shorten(classes[k], 26) for k in rows], fontsize=7)
  axes.tick_params(axis="y", length=0)
  axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6), xlabel="share of the prototype, %")
  axes.spines["left"].set_visible(False)
  table: list[list[Any]] = [["unseen class", "seen class", "share"]]
  for k in order:
    table += [[classes[k], seen[j], round(float(weights[k, j]), 6)] for j in _used(weights[k])]
  number = (weights > 0).sum(1)
  part = (
    "" if len(rows) == len(classes) else f" {len(rows)} of {len(classes)} classes are shown; the CSV has all."
  )
  caption = (
    f"The prototype of each unseen class of {reading.title(data_set)} is a weighted mean of seen classes' visual "
    f"prototypes (ResT Eq. 6), the greatest share first; {number.min()} to {number.max()} seen classes each.{part} "
    "ResT names one such recipe in section 4.2."
  )
  title = f"What the prototypes of {reading.title(data_set)} are made of{of_run}"
  alt = f"{title}: on average {number.mean():.1f} seen classes each"
  return finish(drawn, reading.stem("recipes", reading.of_set(data_set), stem), title, caption, table, alt)


def _used(weights: Float[np.ndarray, " S"]) -> list[int]:
  """The selected seen classes, the greatest share first."""
  return [int(j) for j in np.argsort(-weights, kind="stable") if weights[j] > 0]


def _recipe(axes: Any, line: int, weights: Float[np.ndarray, " S"], seen: Sequence[str]) -> None:
  """One bar, a shade less full for every further seen class; a name is written where it fits."""
  left = 0.0
  ink = axes.xaxis.label.get_color()
  for rank, j in enumerate(_used(weights)):
    width = 100 * float(weights[j])
    opacity = 0.5 - 0.1 * min(rank, PARTS)
    axes.barh(line, max(width - 0.35, 0.1), 0.84, left, color=BLUE, alpha=opacity, linewidth=0)
    letters = int((width - 1.5) / 1.15)  # 1.15 % of the width a letter of 6 points
    if letters >= 4:
      axes.text(left + 0.7, line, reading.shorten(seen[j], letters), va="center", fontsize=6, color=ink)
    left += width
