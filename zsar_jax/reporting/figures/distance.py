"""Accuracy against the classes' distance from what was trained on (E2E Fig. 7, Sup. Fig. 1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import BLUE, GREY, LINES, RUNS
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import WIDTH, canvas, finish, style
from zsar_jax.zeroshot.metrics import accuracy_beyond

NEARER = 0.10  # a class that came this much nearer, relatively, is marked (E2E Sup. Fig. 1)


def distance_figures(runs: Sequence[Run], names: Sequence[str]) -> reading.Drawn:
  """The curve of every run on each unseen data set; for two runs also each class's distance and accuracy in both."""
  drawn: reading.Drawn = []
  for data_set in reading.unseen_sets(runs):
    own, called = reading.holding(runs, names, data_set)
    drawn.append(_curve(own, called, data_set))
    for a, b in reading.pairs_of(own):
      pair = reading.of_pair(runs, names, own[a], own[b])
      drawn.append(_two([own[a], own[b]], [called[a], called[b]], data_set, pair))
  return drawn


def _classes(
  run: Run, data_set: str, key: str = "class_distances"
) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
  """(classes, distance, right videos, videos) of the classes that have a distance, by report.json's `key`, and a video."""
  distances = run.report[key].get(data_set) or {}
  label = run.arrays[f"unseen/{data_set}/label"]
  hits = label == run.arrays[f"unseen/{data_set}/predicted"][:, 0]
  named = reading.class_names(run, data_set)
  total = np.bincount(label, minlength=len(named))
  right = np.bincount(label, hits, len(named))
  rows = [k for k, name in enumerate(named) if total[k] and np.isfinite(distances.get(name) or np.inf)]
  return (
    [named[k] for k in rows],
    np.array([distances[named[k]] for k in rows], float),
    right[rows],
    total[rows],
  )


@style()
def _curve(runs: Sequence[Run], names: Sequence[str], data_set: str) -> Figure | str:
  title = reading.title(data_set)
  drawn = canvas(3.0)
  axes = drawn.add_subplot()
  table: list[list[Any]] = [["run", "distance", "accuracy beyond, %", "classes beyond"]]
  ends = []
  for i, (run, name) in enumerate(zip(runs, names, strict=True)):
    classes, distance, right, total = _classes(run, data_set)
    if len(classes) < 2:
      continue
    limits, accuracy = accuracy_beyond(distance, right, total)
    beyond = [int((distance > limit).sum()) for limit in limits]
    # From a little before the nearest class, where all of them count, to the farthest one.
    margin = 0.03 * (distance.max() - distance.min())
    places = np.concatenate([[distance.min() - margin], limits[1:], [distance.max()]])
    axes.plot(places, np.append(accuracy, accuracy[-1]), drawstyle="steps-post", color=RUNS[i % len(RUNS)], linestyle=LINES[i % len(LINES)],
              label=name if len(runs) > 1 else "videos of the classes farther away")  # fmt: skip
    if len(runs) == 1:
      axes.plot(
        distance, 100 * right / total, "o", color=GREY, markersize=3, alpha=0.7, label="one class", zorder=1
      )
    table += [
      [name, round(float(x), 5), round(float(y), 4), n]
      for x, y, n in zip(limits, accuracy, beyond, strict=True)
    ]
    ends.append(
      f"{name}: {accuracy[0]:.1f} per cent for all classes, {_of_half(accuracy, beyond):.1f} for the farther half"
    )
  if len(table) == 1:
    return f"Accuracy against distance on {title}: report.json has no distances of its classes."
  chance = 100 / len(reading.class_names(runs[0], data_set))
  axes.axhline(chance, linewidth=0.8, linestyle=":", color=axes.xaxis.label.get_color(), label="chance")
  axes.set(
    xlabel="mean cosine distance to the 10 nearest training classes' words",
    ylabel="videos right, %",
    ylim=(0, None),
  )
  axes.grid(axis="y")
  parts.key(drawn)
  caption = (
    f"Accuracy on {title} over the classes that lie farther from the training classes than the distance given, all classes "
    "competing. To the right the line stands on ever fewer classes and shakes."
    + (" Dots are single classes." if len(runs) == 1 else "")
    + " Corresponds to E2E Fig. 7."
  )
  return finish(
    drawn,
    reading.stem("distance", reading.of_set(data_set)),
    f"Accuracy against distance on {title}",
    caption,
    table,
    "; ".join(ends),
  )


def _of_half(accuracy: np.ndarray, beyond: Sequence[int]) -> float:
  return float(accuracy[int(np.argmin(np.abs(np.array(beyond) - beyond[0] / 2)))])


@style()
def _two(runs: Sequence[Run], names: Sequence[str], data_set: str, pair: str) -> Figure | str:
  title = reading.title(data_set)
  pretrained = [bool(run.report.get("class_distances_pretrained")) for run in runs]
  found = [_classes(run, data_set, "class_distances_pretrained" if own else "class_distances")
           for run, own in zip(runs, pretrained, strict=True)]  # fmt: skip
  common = [name for name in found[0][0] if name in set(found[1][0])]
  if len(common) < 2:
    return (
      f"Distance and accuracy of each class of {title} in {names[0]} and {names[1]}: they share no classes."
    )
  rows = [[classes.index(name) for name in common] for classes, *_ in found]
  distance = [each[1][own] for each, own in zip(found, rows, strict=True)]
  accuracy = [(100 * each[2] / each[3])[own] for each, own in zip(found, rows, strict=True)]
  nearer = distance[1] < (1 - NEARER) * distance[0]
  drawn = canvas(0.5 * WIDTH + 0.2)
  for axes, values, what in zip(
    drawn.subplots(1, 2), (distance, accuracy), ("distance to training", "videos right, %"), strict=True
  ):
    high = max(float(np.max(values)), 1e-3) * 1.04
    low = -2.0 if values is accuracy else max(0.0, float(np.min(values)) * 0.94)
    axes.plot([low, high], [low, high], linewidth=0.8, linestyle=":", color=axes.xaxis.label.get_color())
    for chosen, color, marker, label in (
      (~nearer, GREY, "o", "other classes"),
      (nearer, BLUE, "s", "came over 10 % nearer"),
    ):
      if chosen.any():
        axes.plot(values[0][chosen], values[1][chosen], marker, color=color, alpha=0.8, markersize=3.6, markeredgewidth=0,
                  label=f"{label} ({int(chosen.sum())})" if values is distance else None)  # fmt: skip
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=names[0], ylabel=names[1], title=what)
    axes.set_aspect("equal")
  parts.key(drawn)
  table: list[list[Any]] = [
    ["class", *(f"distance, {n}" for n in names), *(f"accuracy, {n}" for n in names), "over 10 % nearer"]
  ]
  table += [[name, *(round(float(d[k]), 5) for d in distance), *(round(float(a[k]), 4) for a in accuracy), int(nearer[k])]
            for k, name in enumerate(common)]  # fmt: skip
  better = int((accuracy[1] > accuracy[0]).sum())
  caption = (
    f"Every dot is a class of {title}: its distance to the training classes (left) and its accuracy (right) in {names[0]} "
    f"(across) and in {names[1]} (up). Classes that came more than 10 % nearer, {int(nearer.sum())}, are coloured; {better} of "
    f"{len(common)} classes do better in {names[1]}."
  )
  counted = [name for name, own in zip(names, pretrained, strict=True) if own]
  if counted:
    caption += f" The classes that {reading.listed(counted)} began from count as training classes too."
  caption += " Corresponds to E2E Sup. Fig. 1."
  stem = reading.stem("two runs", reading.of_set(data_set), pair)
  return finish(drawn, stem, f"Distance and accuracy of each class of {title}", caption, table, caption)
