"""Cross-validated search of the transfer's coefficients (theta, K, rho) and of calibrated stacking's gamma.

ResT finds its coefficients by "5-fold cross-validation on the training class labels": in each fold a fifth of the seen classes
plays unseen, their prototypes are composed from the others', and their training videos are to be named. No test class and
no test video takes part. The whole grid is scored from one set of embeddings: a composed prototype is a weighted sum of
seen prototypes, so the videos are multiplied with these once a fold, and each choice of weights costs a small product.

Axes: V video, D width, S seen class, R seen class that stays seen in a fold, U held-out class.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Float64, Int, Int64

from zsar_jax.types import ClassSet
from zsar_jax.zeroshot import classify, compose
from zsar_jax.zeroshot.generalized import SeenUnseenCurve, best_gamma, seen_unseen_curve
from zsar_jax.zeroshot.search_input import Coefficients, Grid, Videos, check_search, full_grid

__all__ = ["Choice", "Coefficients", "Grid", "SearchResult", "search"]


class Choice(NamedTuple):
  """The best coefficients: per cent of held-out videos right, mean and deviation (ddof 0) over the folds."""

  num_neighbors: int
  max_seen_per_unseen: int
  distinctiveness: float
  gamma: float  # of calibrated stacking, at these coefficients
  score: float
  deviation: float


class SearchResult(NamedTuple):
  """Scores are top-1 in per cent, indexed [num_neighbors][max_seen_per_unseen][distinctiveness] as `grid` lists them."""

  num_folds: int
  seed: int
  chosen: Choice
  default: dict[str, float]  # the coefficients that were given, with their score and deviation
  best: dict[str, float]  # the grid's best point, which is chosen if it is better by more than chance
  grid: Grid
  scores: Float64[np.ndarray, "K rho theta"]
  deviations: Float64[np.ndarray, "K rho theta"]

  def as_dict(self) -> dict[str, Any]:
    """For `tuning.json`: plain numbers and lists."""
    return self._asdict() | {
      "chosen": self.chosen._asdict(),
      "grid": {key: list(values) for key, values in self.grid._asdict().items()},
      "scores": self.scores.tolist(),
      "deviations": self.deviations.tolist(),
    }


class Fold(NamedTuple):
  """One fold: what is held out, what remains seen."""

  held: Int64[np.ndarray, " U"]
  kept: Int64[np.ndarray, " R"]
  M: Float64[np.ndarray, "U R"]


def search(
  embeddings: Float[np.ndarray, "V D"] | Sequence[Float[np.ndarray, "V_i D"]],
  label: Int[np.ndarray, " V"],
  seen: ClassSet,
  *,
  default: Coefficients,
  num_folds: int = 5,
  seed: int = 0,
  grid: Grid | None = None,
  video_ids: Sequence[str] | None = None,
) -> SearchResult:
  """Searches `grid` (else a wide one), which always gets `default`'s values too.

  `embeddings` are the seen classes' training videos, float16 or float32, whole or in shards (memory maps are read in pieces);
  `label` counts in `seen`. A point's score is the mean over folds of the top-1 of the held-out classes' videos among the
  held-out classes. Best is the highest; of equals the one of smallest deviation, then of smallest K, rho and theta. It is
  chosen where it beats `default` by more than the standard error of that gain over the folds, else `default` is. At the chosen one,
  gamma is chosen by the best mean harmonic accuracy over folds when the remaining classes and their videos compete too
  (these videos made their prototypes: a mild favour). Ties of selections go by class order; coupling is not searched.

  Raises one InputError for embeddings that are not finite (naming videos by `video_ids`, else by row) or do not fit the labels,
  for a class without a video, for fewer than two classes a fold and for a grid out of range.
  """
  videos = Videos.of(embeddings)
  label = np.asarray(label)
  grid = full_grid(grid, default, len(seen.names), num_folds)
  means = check_search(videos, label, seen, num_folds, grid, video_ids)
  folds = make_folds(seen, num_folds, seed)
  every = np.stack([_score_grid(fold, videos, label, means, grid) for fold in folds])  # [F,K,rho,theta]
  scores, deviations = every.mean(axis=0), every.std(axis=0)
  best, own = _best(scores, deviations), _place(grid, default)
  at = best if _is_better(every, best, own) else own
  point = _point(grid, at)
  gamma = best_gamma([_curve(fold, videos, label, means, point) for fold in folds])
  chosen = Choice(*point, gamma, float(scores[at]), float(deviations[at]))
  of_own, of_best = (
    _point(grid, place)._asdict() | {"score": float(scores[place]), "deviation": float(deviations[place])}
    for place in (own, best)
  )
  return SearchResult(num_folds, seed, chosen, of_own, of_best, grid, scores, deviations)


def make_folds(seen: ClassSet, num_folds: int, seed: int) -> list[Fold]:
  """The seen classes, permuted by `seed` and cut into folds whose sizes differ by at most one."""
  order = np.random.default_rng(seed).permutation(len(seen.names))
  folds = []
  for part in np.array_split(order, num_folds):
    held, kept = np.sort(part), np.setdiff1d(order, part)
    semantic = seen.semantic_embeddings
    folds.append(Fold(held, kept, compose.relatedness(semantic[held], semantic[kept])))
  return folds


def _score_grid(
  fold: Fold, videos: Videos, label: Int[np.ndarray, " V"], means: Float32[np.ndarray, "S D"], grid: Grid
) -> Float64[np.ndarray, "K rho theta"]:
  rows = np.flatnonzero(np.isin(label, fold.held))
  kept = means[fold.kept]
  # Padding to whole chunks (label -1 is never right) gives the folds one compiled shape.
  projections = jax.numpy.concatenate([classify.projections(chunk, kept) for _, chunk in videos.chunks(rows)])
  own = np.full(len(projections), -1, np.int32)
  own[: len(rows)] = np.searchsorted(fold.held, label[rows])
  gram, own = jax.device_put((kept @ kept.T, own))
  hits: dict[bytes, Array] = {}  # by selection: many points of the grid choose the same
  keys: dict[Coefficients, bytes] = {}
  for point, A in _selections(fold.M, grid):
    key = keys[point] = np.packbits(A).tobytes()
    if key not in hits:  # the device counts while the next selections are made
      weights = compose.shares(A, fold.M).astype(np.float32)
      hits[key] = classify.composed_hits(projections, gram, weights, own)
  found = {key: 100.0 * int(count) / len(rows) for key, count in hits.items()}
  result = np.empty(tuple(len(values) for values in grid))
  for at in np.ndindex(result.shape):
    K, rho, theta = (values[i] for values, i in zip(grid, at, strict=True))
    result[at] = found[keys[Coefficients(K, min(rho, K), theta)]]
  return result


def _selections(
  M: Float[np.ndarray, "U R"], grid: Grid
) -> Iterator[tuple[Coefficients, Bool[np.ndarray, "U R"]]]:
  """A at every distinct point: K neighbours cannot give more than K classes, whatever rho."""
  for K in grid.num_neighbors:
    for theta in grid.distinctiveness:
      edges = compose.admissible(M, K, theta)
      for rho in sorted({min(rho, K) for rho in grid.max_seen_per_unseen}):
        yield Coefficients(K, rho, theta), _select(M, edges, rho)


def _select(M: Float[np.ndarray, "U R"], edges: Bool[np.ndarray, "U R"], rho: int) -> Bool[np.ndarray, "U R"]:
  """As `transfer` would choose; fallbacks to the nearest seen class go without a warning."""
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)
    return compose.select(M, edges, rho, solver="closed_form")


def _place(grid: Grid, point: Coefficients) -> tuple[int, ...]:
  return tuple(values.index(value) for values, value in zip(grid, point, strict=True))


def _point(grid: Grid, place: tuple[int, ...]) -> Coefficients:
  K, rho, theta = (values[i] for values, i in zip(grid, place, strict=True))
  return Coefficients(int(K), int(rho), float(theta))


def _is_better(
  every: Float64[np.ndarray, "F K rho theta"], one: tuple[int, ...], other: tuple[int, ...]
) -> bool:
  """Whether the mean gain over the folds exceeds its standard error: a few classes more or less right are no reason to move."""
  flat = every.reshape(len(every), -1)
  here, there = (np.ravel_multi_index(place, every.shape[1:]) for place in (one, other))
  gain = flat[:, here] - flat[:, there]
  return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))


def _best(
  scores: Float64[np.ndarray, "K rho theta"], deviations: Float64[np.ndarray, "K rho theta"]
) -> tuple[int, ...]:
  """Rounded, so that the order of a sum does not decide; of equal points the first, as the grid ascends."""
  best = np.lexsort((np.round(deviations, 9).reshape(-1), -np.round(scores, 9).reshape(-1)))[0]
  return tuple(int(i) for i in np.unravel_index(best, scores.shape))


def _curve(
  fold: Fold,
  videos: Videos,
  label: Int[np.ndarray, " V"],
  means: Float32[np.ndarray, "S D"],
  point: Coefficients,
) -> SeenUnseenCurve:
  """Seen against unseen accuracy of a fold, where all its classes compete for all their videos."""
  edges = compose.admissible(fold.M, point.num_neighbors, point.distinctiveness)
  A = _select(fold.M, edges, point.max_seen_per_unseen)
  vectors, _ = compose.compose(A, fold.M, means[fold.kept])
  prototypes = np.concatenate([vectors, means[fold.kept]])
  place = np.empty(len(means), np.int32)
  place[np.concatenate([fold.held, fold.kept])] = np.arange(len(means))
  margins, right, rows, first = [], [], np.arange(len(label)), 0
  for size, chunk in videos.chunks(rows):
    own = np.zeros(len(chunk), np.int32)
    own[:size] = place[label[first : first + size]]
    first += size
    sides = classify.sides(classify.scores(chunk, prototypes), own, len(fold.held))
    margins.append((np.asarray(sides.seen, np.float64) - np.asarray(sides.unseen, np.float64))[:size])
    right.append(np.asarray(sides.right)[:size])
  return seen_unseen_curve(np.concatenate(margins), np.concatenate(right), np.isin(label, fold.kept))
