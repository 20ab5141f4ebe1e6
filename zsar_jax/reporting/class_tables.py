"""The tables of classes: every unseen one, the removed ones, and what each prototype is made of."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from zsar_jax.reporting.numbers import (
  DASH,
  SPACE,
  Cell,
  Column,
  Table,
  change,
  count,
  data_set_title,
  decimal,
  text,
)
from zsar_jax.reporting.results import data_sets_of
from zsar_jax.reporting.run import Run

NUM_NEAREST = 3


class Recipe(NamedTuple):
  """An unseen prototype: which seen classes it is made of, largest share first."""

  name: str
  parts: list[tuple[str, float]]  # seen class, share; the shares sum to 1


def class_table(runs: Sequence[Run], names: Sequence[str]) -> Table:
  """A row for each unseen class of each data set: the first run's words and neighbours, accuracies of all runs.

  Several runs: sorted by the last one's change against the first, the largest gain on top.
  """
  columns = [Column("class", False), *(Column(f"{name}: top-1" if len(runs) > 1 else "top-1") for name in names),
             *(Column(f"change, {name}", note=f"against {names[0]}") for name in names[1:]),
             Column("videos"),
             Column("distance", note="mean cosine distance of its words to those of the 10 nearest training classes"),
             Column("data set", False), Column("words", False),
             Column(_seen_heading(runs), False, wide=True),
             Column("mistaken for", False, note="the most frequent wrong answers", wide=True)]  # fmt: skip
  rows = []
  for data_set in data_sets_of(runs):
    rows += _class_rows(runs, data_set)
  if len(runs) > 1:
    place = 2 * len(runs) - 1  # of the last run's change
    rows.sort(key=lambda row: math.inf if row[place].sort == "" else -float(row[place].sort))
  sorted_by = f", the largest gain of {names[-1]} against {names[0]} first" if len(runs) > 1 else ""
  return Table(f"Every unseen class{sorted_by}", columns, rows)


def _seen_heading(runs: Sequence[Run]) -> str:
  """What `_made_of` tells of the runs that it is asked for: the first one of every data set."""
  sets = data_sets_of(runs)
  combined = {f"weights/unseen/{data_set}" in _first(runs, data_set).arrays for data_set in sets}
  return " or ".join(
    name for name, of in (("made of", True), ("nearest training classes", False)) if of in combined
  )


def _first(runs: Sequence[Run], data_set: str) -> Run:
  return next(run for run in runs if data_set in run.unseen)


def _class_rows(runs: Sequence[Run], data_set: str) -> list[list[Cell]]:
  first = _first(runs, data_set)
  scored = [run.row(data_set, "all") for run in runs]
  report, arrays = first.report, first.arrays
  classes = arrays[f"unseen/{data_set}/classes"].tolist()
  videos = np.bincount(arrays[f"unseen/{data_set}/label"], minlength=len(classes))
  made, mistaken = _made_of(first, data_set), _mistaken(first, data_set)
  rows = []
  for k, name in enumerate(classes):
    top1 = [row["per_class"].get(name) if row else None for row in scored]
    rows.append([text(name), *(decimal(value, tone="strong") for value in top1),
                 *(change(value, top1[0]) for value in top1[1:]),
                 count(int(videos[k])), decimal(report["class_distances"].get(data_set, {}).get(name), 2),
                 text(data_set_title(data_set)), text(" ".join(report["words"].get(name, ()))), text(made[k]),
                 text(mistaken[k])])  # fmt: skip
  return rows


def _made_of(run: Run, data_set: str) -> list[str]:
  if f"weights/unseen/{data_set}" in run.arrays:
    told = [recipe.parts for recipe in recipes_of(run, data_set)]
    return [
      ", ".join(f"{name} {100 * share:.0f}{SPACE}%" for name, share in parts[:NUM_NEAREST]) for parts in told
    ]
  cosines = run.arrays[f"semantic/unseen/{data_set}"] @ run.arrays["semantic/seen"].T
  seen = run.report["seen_classes"]
  return [
    ", ".join(f"{seen[k]} {1 - own[k]:.2f}" for k in np.argsort(-own, kind="stable")[:NUM_NEAREST])
    for own in cosines
  ]


def _mistaken(run: Run, data_set: str) -> list[str]:
  """The commonest wrong answers of each class, with the share of its videos."""
  arrays, prefix = run.arrays, f"unseen/{data_set}"
  label, first, classes = (
    arrays[f"{prefix}/label"],
    arrays[f"{prefix}/predicted"][:, 0],
    arrays[f"{prefix}/classes"],
  )
  told = []
  for k in range(len(classes)):
    own = first[label == k]
    wrong = Counter(own[own != k].tolist()).most_common(2)
    told.append(", ".join(f"{classes[other]} {100 * num / len(own):.0f}{SPACE}%" for other, num in wrong))
  return told


def recipes_of(run: Run, data_set: str) -> list[Recipe]:
  """The recipe of every unseen class's prototype; empty where prototypes are the classes' own words."""
  if f"weights/unseen/{data_set}" not in run.arrays:
    return []
  weights: Float[np.ndarray, "K S"] = run.arrays[f"weights/unseen/{data_set}"]
  seen = run.report["seen_classes"]
  found = []
  for name, own in zip(run.arrays[f"unseen/{data_set}/classes"].tolist(), weights, strict=True):
    order = [k for k in np.argsort(-own, kind="stable") if own[k] > 0]
    found.append(Recipe(name, [(seen[k], float(own[k])) for k in order]))
  return found


def removed_table(runs: Sequence[Run], names: Sequence[str]) -> Table | None:
  """Training classes that were left out because they mean the same as a test class; None where there are none."""
  columns = [
    Column("removed training class", False),
    Column("unseen class it collides with", False),
    Column("distance"),
  ]
  listed: dict[tuple[str, str], dict] = {}
  for run in runs:
    for row in run.report["removed_classes"]:
      listed.setdefault((row["class"], row["collides_with"]), {})[id(run)] = row["distance"]
  if len(runs) > 1:
    columns.append(Column("runs", False))
  rows = []
  for (name, other), found in listed.items():
    in_runs = [title for run, title in zip(runs, names, strict=True) if id(run) in found]
    told = [text(", ".join(in_runs) if len(in_runs) < len(runs) else "all")] if len(runs) > 1 else []
    rows.append([text(name), text(other), decimal(next(iter(found.values())), 3), *told])
  return Table("Removed training classes", columns, rows) if rows else None


def config_table(runs: Sequence[Run], names: Sequence[str]) -> Table:
  """Every key of the config; with several runs those that differ stand on top."""
  flat = [_flatten(run.config) for run in runs]
  keys = list(dict.fromkeys(key for one in flat for key in one))
  differing = {key for key in keys if len({repr(one.get(key)) for one in flat}) > 1}
  keys.sort(key=lambda key: key not in differing)
  rows = [[text(key), *(Cell(_shown(one.get(key))) for one in flat)] for key in keys]
  heads = ["value"] if len(runs) == 1 else names
  columns = [Column("key", False), *(Column(head, False) for head in heads)]
  return Table("Config", columns, rows, frozenset(range(len(differing))))


def _flatten(values: dict, prefix: str = "") -> dict:
  flat: dict[str, Any] = {}
  for key, value in values.items():
    flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
  return flat


def _shown(value) -> str:
  if value is None or value in ("", []):
    return DASH
  return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
