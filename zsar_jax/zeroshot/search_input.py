"""What the search of coefficients takes: the grid, the embeddings in pieces, and their checks."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from zsar_jax.errors import raise_all
from zsar_jax.types import ClassSet

COUNTS = (1, 2, 3, 5, 8, 10, 15, 20, 30)
THETAS = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
CHUNK = 2048  # videos that are float32 at a time


class Coefficients(NamedTuple):
  """One point of the grid: K, rho, theta."""

  num_neighbors: int
  max_seen_per_unseen: int
  distinctiveness: float


class Grid(NamedTuple):
  """The values to try of each coefficient, ascending."""

  num_neighbors: tuple[int, ...]
  max_seen_per_unseen: tuple[int, ...]
  distinctiveness: tuple[float, ...]


class Videos(NamedTuple):
  """Embeddings in shards, handed out as chunks of one shape."""

  shards: tuple[Float[np.ndarray, "V_i D"], ...]
  first: Int[np.ndarray, " shards_and_1"]  # row of each shard's first video; the last is their number

  @classmethod
  def of(cls, embeddings: Float[np.ndarray, "V D"] | Sequence[Float[np.ndarray, "V_i D"]]) -> "Videos":
    """One array, or arrays that follow each other."""
    shards = [embeddings] if isinstance(embeddings, np.ndarray) else list(embeddings)
    return cls(tuple(shards), np.cumsum([0, *(len(shard) for shard in shards)]))

  def chunks(self, rows: Int[np.ndarray, " R"]) -> Iterator[tuple[int, Shaped[np.ndarray, "C D"]]]:
    """(size, rows) of ascending `rows`: the first `size` of each chunk count, the rest is padding to one shape."""
    length = min(CHUNK, int(self.first[-1]))
    for start in range(0, len(rows), length):
      some = rows[start : start + length]
      cuts = np.searchsorted(some, self.first)
      parts = [
        shard[some[low:high] - first]
        for shard, first, low, high in zip(self.shards, self.first[:-1], cuts[:-1], cuts[1:], strict=True)
      ]
      chunk = np.concatenate(parts)
      yield len(some), np.pad(chunk, ((0, length - len(some)), (0, 0)))


def full_grid(grid: Grid | None, default: Coefficients, num_classes: int, num_folds: int) -> Grid:
  """`grid`, else the default one (no more neighbours than every fold has seen classes), with `default`'s own values."""
  if grid is None:
    num_seen = num_classes - -(-num_classes // max(num_folds, 1))
    counts = tuple(count for count in COUNTS if count <= max(num_seen, 1))
    grid = Grid(counts, counts, THETAS)
  return Grid(
    tuple(sorted({*grid.num_neighbors, default.num_neighbors})),
    tuple(sorted({*grid.max_seen_per_unseen, default.max_seen_per_unseen})),
    tuple(sorted({*grid.distinctiveness, default.distinctiveness})),
  )


def check_search(
  videos: Videos,
  label: Int[np.ndarray, " V"],
  seen: ClassSet,
  num_folds: int,
  grid: Grid,
  video_ids: Sequence[str] | None,
) -> Float32[np.ndarray, "S D"]:
  """The seen classes' prototypes (means, scaled as one so that no product overflows), or one InputError for all that is wrong."""
  num_videos, num_classes = int(videos.first[-1]), len(seen.names)
  problems = _grid_problems(grid) + _fold_problems(num_classes, num_folds)
  widths = {shard.shape[1:] for shard in videos.shards}
  if len(widths) != 1 or len(next(iter(widths))) != 1:
    shapes = ", ".join(str(list(shard.shape)) for shard in videos.shards) or "none"
    problems.append(f"embeddings are {shapes}: expected [V, D], in shards of one width")
  if label.shape != (num_videos,) or not num_videos or not 0 <= label.min() <= label.max() < num_classes:
    problems.append(
      f"labels are {list(label.shape)}: expected one from 0 to {num_classes - 1} for each of {num_videos} videos"
    )
  raise_all(problems)
  empty = np.flatnonzero(np.bincount(label, minlength=num_classes) == 0)
  problems += [f"seen class {seen.names[row]!r} has no training video: it has no prototype" for row in empty]
  means, bad = _class_means(videos, label, num_classes)
  if bad:
    named = [repr(video_ids[row]) if video_ids is not None else f"row {row}" for row in bad[:10]]
    problems.append(
      f"{len(bad)} training embedding(s) are not finite ({', '.join(named)}{', ...' if len(bad) > 10 else ''}): the model "
      "diverged, or its stored embeddings are damaged; embed the training videos anew"
    )
  raise_all(problems)
  return (means / max(np.abs(means).max(), 1e-30)).astype(np.float32)


def check_folds(num_classes: int, num_folds: int, seed: int) -> None:
  """Raises InputError for a number of folds or a seed that cannot be, before anything is embedded."""
  raise_all(
    _fold_problems(num_classes, num_folds) + ([f"seed is {seed}: expected 0 or more"] if seed < 0 else [])
  )


def _fold_problems(num_classes: int, num_folds: int) -> list[str]:
  if num_folds >= 2 and num_classes >= 2 * num_folds:
    return []
  return [
    f"{num_folds} folds of {num_classes} seen classes: expected at least 2 folds, and 2 classes in each, as one class alone "
    "is always right; use fewer folds or more seen classes"
  ]


def _grid_problems(grid: Grid) -> list[str]:
  problems = []
  for name, values in zip(grid._fields, grid, strict=True):
    least = 0 if name == "distinctiveness" else 1
    problems += [f"{name} is {value}: expected at least {least}" for value in values if not value >= least]
  return problems


def _class_means(
  videos: Videos, label: Int[np.ndarray, " V"], num_classes: int
) -> tuple[Float[np.ndarray, "S D"], list[int]]:
  """Means in float64, and the rows of videos that are not finite."""
  sums = np.zeros((num_classes, videos.shards[0].shape[1]))
  bad: list[int] = []
  for shard, first in zip(videos.shards, videos.first[:-1], strict=True):
    for start in range(0, len(shard), CHUNK):
      chunk = np.asarray(shard[start : start + CHUNK], np.float32)
      finite = np.asarray(np.isfinite(chunk).all(axis=1))
      bad += (int(first) + start + np.flatnonzero(~finite)).tolist()
      own = label[first + start : first + start + len(chunk)]
      order = np.argsort(own, kind="stable")
      present, cuts = np.unique(own[order], return_index=True)
      sums[present] += np.add.reduceat(
        np.where(finite[:, None], chunk, 0)[order], cuts, axis=0, dtype=np.float64
      )
  counts = np.bincount(label, minlength=num_classes)
  return sums / np.maximum(counts, 1)[:, None], bad
