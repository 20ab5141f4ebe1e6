"""What the figures ask of runs: classes, hits and names, in the same way everywhere."""

import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.numbers import data_set_title
from zsar_jax.reporting.run import Run
from zsar_jax.zeroshot import metrics

NOT_PLACED = "embeddings.npz does not hold the videos where their prototypes are; evaluate the run again."
Drawn = list[Figure | str]  # a str: what was left out, and why


def stem(*parts: str) -> str:
  """A file's stem of several words: lower case, with dashes, none of them empty."""
  cleaned = (re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)
  return "-".join(part for part in cleaned if part)


def title(data_set: str) -> str:
  """What the page calls a data set."""
  return data_set_title(data_set)


def of_run(runs: Sequence[Run], names: Sequence[str], run: Run) -> tuple[str, str]:
  """(what a file's stem and what a title say of a run): nothing where there is only one; several never clash."""
  if len(runs) == 1:
    return "", ""
  number = next(i for i, other in enumerate(runs) if other is run)
  return f"{names[number]} {number + 1}", f", {names[number]}"


def of_pair(runs: Sequence[Run], names: Sequence[str], a: Run, b: Run) -> str:
  """What a file's stem says of two runs that are compared: nothing where there are only two; pairs never clash."""
  return "" if len(runs) == 2 else stem(of_run(runs, names, a)[0], of_run(runs, names, b)[0])


def of_set(data_set: str) -> str:
  """What a file's stem says of a data set: a name that a stem would not tell from others takes a few digits of its own."""
  if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", data_set):
    return stem(data_set)
  return stem(data_set, f"{zlib.crc32(data_set.encode()):08x}")


def unseen_sets(runs: Sequence[Run]) -> list[str]:
  """Every unseen data set of any run, in the runs' order."""
  return list(dict.fromkeys(name for run in runs for name in run.unseen))


def holding(runs: Sequence[Run], names: Sequence[str], data_set: str) -> tuple[list[Run], list[str]]:
  """The runs that evaluated a data set, and their names."""
  pairs = [(run, name) for run, name in zip(runs, names, strict=True) if data_set in run.unseen]
  return [run for run, _ in pairs], [name for _, name in pairs]


def pairs_of(runs: Sequence[Run]) -> list[tuple[int, int]]:
  """Every two runs, up to the first three runs; beyond them, each against the first."""
  near = [(a, b) for b in range(min(3, len(runs))) for a in range(b)]
  return near + [(0, b) for b in range(3, len(runs))]


def class_names(run: Run, data_set: str) -> list[str]:
  return [str(name) for name in run.arrays[f"unseen/{data_set}/classes"]]


def placed(run: Run, data_set: str) -> Float[np.ndarray, "V P"] | None:
  """The videos where their prototypes are: in the primary space. None where the file does not hold that."""
  own, prototypes = f"unseen/{data_set}/placed", run.arrays[f"prototypes/unseen/{data_set}"]
  found = run.arrays[own if own in run.arrays else f"unseen/{data_set}/mean"]
  return found if found.shape[1] == prototypes.shape[1] else None


def alphabetical(names: Sequence[str]) -> Int[np.ndarray, " K"]:
  """Rows in alphabetical order, whatever the case."""
  return np.array(sorted(range(len(names)), key=lambda k: (names[k].lower(), names[k])), np.int64)


def evenly(rows: Sequence[int] | Int[np.ndarray, " K"], most: int) -> Int[np.ndarray, " k"]:
  """At most so many of the rows, spread evenly, the first and the last among them."""
  rows = np.asarray(rows, np.int64)
  if len(rows) <= most:
    return rows
  return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def per_class(run: Run, data_set: str) -> dict[str, float]:
  """Per cent of each class's videos that are right, all classes competing; classes without a video are left out."""
  row = run.row(data_set, "all")
  return {} if row is None else row["per_class"]


def unit(x: Float[np.ndarray, "*dims D"]) -> Float32[np.ndarray, "*dims D"]:
  """Unit rows in float32; rows of zeros stay."""
  return metrics.unit(x).astype(np.float32)


def shorten(text: str, most: int) -> str:
  """At most so many characters."""
  return text if len(text) <= most else text[: max(most - 1, 1)].rstrip() + "…"


def listed(items: Iterable[str]) -> str:
  """`a`, `a and b`, `a, b and c`."""
  *first, last = list(items) or [""]
  return f"{', '.join(first)} and {last}" if first else last
