import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.errors import InputError
from zsar_jax.types import ClassSet
from zsar_jax.zeroshot import compose
from zsar_jax.zeroshot.metrics import harmonic_mean
from zsar_jax.zeroshot.search import Coefficients, Grid, _is_better, make_folds, search
from zsar_jax.zeroshot.search_input import COUNTS, THETAS, full_grid

DEFAULT = Coefficients(5, 5, 0.5)


def class_set(semantic):
  names = tuple(f"class {row}" for row in range(len(semantic)))
  return ClassSet(names, tuple((name,) for name in names), semantic.astype(np.float32))


def drawn(seed, num_classes, num_videos=60, width=12):
  """Classes whose videos lie about where a linear map takes their names."""
  rng = np.random.default_rng(seed)
  semantic = rng.normal(size=(num_classes, 6)) + 0.5
  label = np.concatenate([np.arange(num_classes), rng.integers(0, num_classes, num_videos - num_classes)])
  X = semantic[label] @ rng.normal(size=(6, width)) + rng.normal(size=(num_videos, width))
  return X.astype(np.float32), label, class_set(semantic)


def unit(x):
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def fold_prototypes(X, label, seen, fold, point):
  """The plain way: `transfer` from the classes that remain, as for a real test set. [U,D], [R,D]."""
  means = np.stack([X[label == k].astype(np.float64).mean(0) for k in range(len(seen.names))])
  K, rho, theta = point
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    made = compose.transfer(
      seen.subset(fold.held), seen.subset(fold.kept), means[fold.kept],
      num_neighbors=K, max_seen_per_unseen=rho, distinctiveness=theta, solver="closed_form",
    )  # fmt: skip
  return made.vectors, means[fold.kept]


def bounds(X, label, seen, fold, point):
  """Least and greatest accuracy that rounding can make of near ties."""
  vectors, _ = fold_prototypes(X, label, seen, fold, point)
  own = np.isin(label, fold.held)
  scores = unit(X[own].astype(np.float64)) @ unit(vectors.astype(np.float64)).T
  true = np.searchsorted(fold.held, label[own])
  truth = scores[np.arange(len(true)), true]
  others = scores.copy()
  others[np.arange(len(true)), true] = -9
  return [100 * (truth > others.max(1) + slack).mean() for slack in (1e-5, -1e-5)]


@settings(max_examples=8, deadline=None)
@given(
  st.integers(0, 9999),
  st.integers(6, 9),
  st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True),
  st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True),
  st.lists(st.sampled_from([0.0, 0.6, 0.9, 1.0, 1.3]), min_size=1, max_size=2, unique=True),
)
def test_every_point_equals_transfer_fold_by_fold(seed, num_classes, counts, most, thetas):
  X, label, seen = drawn(seed, num_classes)
  grid = Grid(tuple(sorted(counts)), tuple(sorted(most)), tuple(sorted(thetas)))
  default = Coefficients(counts[0], most[0], thetas[0])
  result = search(X, label, seen, default=default, num_folds=3, seed=seed, grid=grid)
  assert result.grid == grid
  folds = make_folds(seen, 3, seed)
  for at in np.ndindex(result.scores.shape):
    point = Coefficients(*(values[i] for values, i in zip(grid, at, strict=True)))
    low, high = np.mean([bounds(X, label, seen, fold, point) for fold in folds], axis=0)
    assert low - 1e-6 <= result.scores[at] <= high + 1e-6
  assert result.best["score"] == result.scores.max()
  assert result.default["score"] <= result.chosen.score <= result.best["score"]


def test_gamma_is_the_best_by_brute_force():
  X, label, seen = drawn(3, 9, 120)
  result = search(X, label, seen, default=DEFAULT, num_folds=3)

  def harmonic(gamma):
    values = []
    for fold in make_folds(seen, 3, 0):
      vectors, kept = fold_prototypes(X, label, seen, fold, result.chosen[:3])
      scores = unit(X.astype(np.float64)) @ unit(np.concatenate([vectors, kept])).T
      scores[:, len(vectors) :] -= gamma
      right = np.concatenate([fold.held, fold.kept])[scores.argmax(1)] == label
      is_seen = np.isin(label, fold.kept)
      values.append(harmonic_mean(100 * right[is_seen].mean(), 100 * right[~is_seen].mean()))
    return np.mean(values)

  best = max(harmonic(gamma) for gamma in np.linspace(-1, 1, 401))
  assert harmonic(result.chosen.gamma) >= best - 1e-9
  assert best > harmonic(0)


def test_a_known_answer():
  """Each class lies exactly between two others' names and videos: two neighbours are right, one or many are not."""
  angle = np.deg2rad(np.arange(20) * 4.0)
  points = np.stack([np.cos(angle), np.sin(angle), np.full(20, 0.0)], axis=1)
  rng = np.random.default_rng(0)
  label = np.repeat(np.arange(20), 40)
  X = points[label] + 0.035 * rng.normal(size=(800, 3))
  grid = Grid((1, 2, 12), (1, 2, 12), (0.0,))
  result = search(X.astype(np.float16), label, class_set(points), default=Coefficients(1, 1, 0.0), grid=grid)
  assert result.chosen[:3] == (2, 2, 0.0)
  assert result.default["score"] == result.scores[0, 0, 0] < result.chosen.score
  # rho above K is rho = K.
  np.testing.assert_array_equal(result.scores[0], np.broadcast_to(result.scores[0, :1], (3, 1)))
  np.testing.assert_array_equal(result.scores[1, 1], result.scores[1, 2])


def test_of_equal_points_the_smallest_wins():
  """Far apart and without noise every point is right: the least deviation and the least K, rho and theta."""
  semantic = np.concatenate([np.eye(3) + 0.01 * k for k in range(4)])
  X = np.repeat(semantic, 2, axis=0).astype(np.float32)
  result = search(X, np.repeat(np.arange(12), 2), class_set(semantic), default=DEFAULT, num_folds=2, seed=1)
  equal = result.scores.max() == result.scores
  least = result.deviations[equal].min() == result.deviations
  first = np.argwhere(equal & least)[0]
  assert list(result.best.values())[:3] == [values[i] for values, i in zip(result.grid, first, strict=True)]


def test_a_gain_within_its_standard_error_is_no_reason_to_move():
  every = np.zeros((5, 1, 1, 2))
  every[:, 0, 0, 1] = [-2, 0, 0, 11, 0]  # 1.8 on the mean, with a standard error of 2.3
  assert not _is_better(every, (0, 0, 1), (0, 0, 0))
  every[:, 0, 0, 1] = [1, 2, 3, 2, 1]
  assert _is_better(every, (0, 0, 1), (0, 0, 0))
  assert not _is_better(every, (0, 0, 0), (0, 0, 0))


def test_shards_halves_and_runs_agree(monkeypatch):
  X, label, seen = drawn(5, 12, 200)
  X = X.astype(np.float16)
  one = search(X, label, seen, default=DEFAULT)
  shards = search([X[:70], X[70:71], X[71:71], X[71:]], label, seen, default=DEFAULT)
  assert json.dumps(one.as_dict()) == json.dumps(shards.as_dict())
  monkeypatch.setattr("zsar_jax.zeroshot.search_input.CHUNK", 64)
  chunked = search(X, label, seen, default=DEFAULT)
  np.testing.assert_allclose(one.scores, chunked.scores, atol=1e-9)
  assert chunked.chosen.gamma == pytest.approx(one.chosen.gamma, abs=1e-5)
  other = search(X, label, seen, default=DEFAULT, seed=7)
  assert (other.scores != one.scores).any()
  wide = search(X.astype(np.float32) * 1e18, label, seen, default=DEFAULT)
  np.testing.assert_allclose(wide.scores, one.scores, atol=1e-9)


def test_what_tuning_json_needs():
  X, label, seen = drawn(6, 12)
  told = json.loads(
    json.dumps(search(X, label, seen, default=Coefficients(4, 7, 0.33)).as_dict(), allow_nan=False)
  )
  assert set(told) == {"num_folds", "seed", "chosen", "default", "best", "grid", "scores", "deviations"}
  point = {"num_neighbors", "max_seen_per_unseen", "distinctiveness", "score", "deviation"}
  assert set(told["default"]) == point
  assert set(told["chosen"]) == point | {"gamma"}
  assert told["grid"]["num_neighbors"] == [1, 2, 3, 4, 5, 8]  # a fold leaves 9 of 12 classes
  assert told["grid"]["max_seen_per_unseen"] == [1, 2, 3, 5, 7, 8]
  assert 0.33 in told["grid"]["distinctiveness"]
  assert np.shape(told["scores"]) == np.shape(told["deviations"]) == (6, 6, 9)
  assert told["chosen"]["score"] >= told["default"]["score"]


def test_folds_hold_every_class_once():
  seen = drawn(1, 13)[2]
  folds = make_folds(seen, 5, 3)
  held = np.concatenate([fold.held for fold in folds])
  assert sorted(held) == list(range(13))
  assert {len(fold.held) for fold in folds} == {2, 3}
  for fold in folds:
    assert sorted([*fold.held, *fold.kept]) == list(range(13))
    semantic = unit(seen.semantic_embeddings)
    np.testing.assert_allclose(fold.M, semantic[fold.held] @ semantic[fold.kept].T, atol=1e-6)
  others = make_folds(seen, 5, 4)
  assert any(set(a.held) != set(b.held) for a, b in zip(folds, others, strict=True))


def test_the_default_grid():
  grid = full_grid(None, DEFAULT, 664, 5)
  assert grid == Grid(COUNTS, COUNTS, THETAS)
  assert full_grid(None, Coefficients(40, 5, 0.5), 664, 5).num_neighbors == (*COUNTS, 40)


def test_wrong_input_is_told_at_once():
  X, label, seen = drawn(2, 8)
  with pytest.raises(InputError) as caught:
    search(X, label[:-1], seen, default=Coefficients(0, 5, -0.5))
  for told in (
    "num_neighbors is 0",
    "distinctiveness is -0.5",
    "5 folds of 8 seen classes",
    "for each of 60 videos",
  ):
    assert told in str(caught.value)
  with pytest.raises(InputError, match="shards of one width"):
    search([X[:30], X[30:, :5]], label, seen, default=DEFAULT, num_folds=3)
  X[[7, 9]] = [[np.nan], [np.inf]]
  label = np.where(label == 4, 3, label)
  ids = [f"video {row}" for row in range(60)]
  with pytest.raises(InputError) as caught:
    search(X, label, seen, default=DEFAULT, num_folds=3, video_ids=ids)
  assert "'class 4' has no training video" in str(caught.value)
  assert "2 training embedding(s) are not finite ('video 7', 'video 9')" in str(caught.value)
  with pytest.raises(InputError, match="row 7, row 9"):
    search(X, label, seen, default=DEFAULT, num_folds=3)
