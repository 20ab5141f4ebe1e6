"""How near the training classes' words lie to the unseen ones: the leak audit's picture (E2E Fig. 3), and its near pairs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from zsar_jax.classes.audit_figure import BIN, draw_histogram, mark_threshold
from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import REMOVED, SEEN
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

NEAREST = 30  # pairs of names that are listed


class _Near(NamedTuple):
  """Every class that could be compared, seen first, then removed, with its nearest unseen class."""

  names: list[str]
  num_seen: int  # the rest were removed
  nearest: list[str]
  distance: Float[np.ndarray, " N"]


def overlap_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The histogram and the nearest names, once for runs that have the same ones."""
  found: dict[tuple[Any, ...], tuple[Run, str, _Near]] = {}
  for run, name in zip(runs, names, strict=True):
    near = _near(run)
    content = (*near.names, near.num_seen, *near.distance.round(5).tolist())
    found.setdefault(content, (run, name, near))
  own, called = [run for run, _, _ in found.values()], [name for _, name, _ in found.values()]
  drawn: reading.Drawn = []
  for run, _, near in found.values():
    stem, of_run = reading.of_run(own, called, run)
    if not near.names:
      drawn.append(f"Distance of the training classes to the unseen ones{of_run}: no class has a vector.")
      continue
    drawn += [_histogram(run, near, stem, of_run), _nearest_names(run, near, stem, of_run)]
  return drawn


def _near(run: Run) -> _Near:
  unseen_names = [name for d in run.unseen for name in reading.class_names(run, d)]
  unseen = np.concatenate([run.arrays[f"semantic/unseen/{d}"] for d in run.unseen])
  known = _with_vector(unseen)
  removed = [entry["class"] for entry in run.report["removed_classes"]][: len(run.arrays["semantic/removed"])]
  own = [
    (list(run.report["seen_classes"]), run.arrays["semantic/seen"]),
    (removed, run.arrays["semantic/removed"]),
  ]
  rows = [[i for i in _with_vector(vectors) if i < len(named)] for named, vectors in own]
  names = [named[i] for (named, _), kept in zip(own, rows, strict=True) for i in kept]
  if not names or not len(known):
    return _Near([], 0, [], np.zeros(0))
  vectors = np.concatenate([vectors[kept] for (_, vectors), kept in zip(own, rows, strict=True) if kept])
  distances = 1 - reading.unit(vectors) @ reading.unit(unseen[known]).T
  best = distances.argmin(1)
  return _Near(names, len(rows[0]), [unseen_names[known[b]] for b in best], np.maximum(distances.min(1), 0.0))


def _with_vector(vectors: Float[np.ndarray, "K D"]) -> Int[np.ndarray, " k"]:
  return np.flatnonzero(np.linalg.norm(vectors, axis=1) > 1e-6)


def _threshold(run: Run) -> float:
  return float(run.config["data"]["overlap_threshold"])


@style()
def _histogram(run: Run, near: _Near, stem: str, of_run: str) -> Figure:
  groups = {"trained on": near.distance[: near.num_seen], "removed": near.distance[near.num_seen :]}
  groups = {name: values for name, values in groups.items() if len(values)}
  drawn = canvas(2.9)
  axes = drawn.add_subplot()
  colors = [{"trained on": SEEN, "removed": REMOVED}[name] for name in groups]
  draw_histogram(axes, groups, colors)
  mark_threshold(axes, _threshold(run), len(run.report["removed_classes"]), ink=axes.xaxis.label.get_color())
  axes.grid(axis="y")
  axes.set_ylabel(f"classes per {BIN:g}")
  axes.yaxis.get_major_locator().set_params(integer=True)
  parts.key(drawn)
  caption = (
    "Cosine distance of every class of the training list to the nearest of the unseen classes "
    f"({reading.listed(map(reading.title, run.unseen))}), by their word embeddings. What lies at most {_threshold(run):g} away, or "
    "is made of the same words, is not trained on. Corresponds to E2E Fig. 3."
  )
  table: list[list[Any]] = [["class", "role", "nearest unseen class", "cosine distance"], *_rows(near)]
  median = float(np.median(groups.get("trained on", near.distance)))
  alt = f"Histogram of distances to the nearest unseen class: median {median:.2f}, {len(run.report['removed_classes'])} removed"
  title = f"Distance of the training classes to the unseen ones{of_run}"
  return finish(drawn, reading.stem("overlap", stem), title, caption, table, alt)


def _rows(near: _Near) -> list[list[Any]]:
  role = ["trained on"] * near.num_seen + ["removed"] * (len(near.names) - near.num_seen)
  order = np.argsort(near.distance, kind="stable")
  return [[near.names[i], role[i], near.nearest[i], round(float(near.distance[i]), 5)] for i in order]


@style()
def _nearest_names(run: Run, near: _Near, stem: str, of_run: str) -> Figure:
  rows = _rows(near)[:NEAREST]
  drawn = canvas(0.13 * len(rows) + 0.75)
  axes = drawn.add_subplot()
  distances = np.array([row[3] for row in rows])
  axes.hlines(range(len(rows)), 0, distances, linewidth=0.5, alpha=0.4, color=axes.xaxis.label.get_color())
  for role, color, marker in (("trained on", SEEN, "o"), ("removed", REMOVED, "s")):
    own = [k for k, row in enumerate(rows) if row[1] == role]
    if own:
      axes.plot(distances[own], own, marker, color=color, label=role)
  axes.axvline(_threshold(run), linewidth=1.0, linestyle="--", color=axes.xaxis.label.get_color(),
               label=f"threshold {_threshold(run):g}")  # fmt: skip
  axes.set_yticks(
    range(len(rows)),
    [f"{reading.shorten(a, 30)} ~ {reading.shorten(b, 26)}" for a, _, b, _ in rows],
    fontsize=6.5,
  )
  axes.tick_params(axis="y", length=0)
  axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel="cosine distance of the names' word embeddings")
  axes.set_xlim(left=-0.02 * max(distances.max(), _threshold(run)))
  axes.grid(axis="x")
  parts.key(drawn)
  caption = (
    f"The {len(rows)} classes of the training list whose words lie nearest to an unseen class's, each with that class: what stands "
    "right of the threshold was trained on. Reading the list is how E2E section 3.3 settled its threshold."
  )
  table = [["class", "role", "nearest unseen class", "cosine distance"], *_rows(near)]
  nearest = next((row for row in rows if row[1] == "trained on"), None)
  alt = "Training classes nearest to unseen ones" + (
    f"; nearest kept: {nearest[0]} to {nearest[2]}" if nearest else ""
  )
  return finish(
    drawn,
    reading.stem("nearest names", stem),
    f"Training classes nearest to unseen ones{of_run}",
    caption,
    table,
    alt,
  )
