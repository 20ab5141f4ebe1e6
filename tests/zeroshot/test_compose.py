import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zsar_jax.errors import InputError
from zsar_jax.types import ClassSet
from zsar_jax.zeroshot import compose

M = np.array(
  [
    [0.9, 0.8, 0.5, 0.1],
    [0.2, 0.8, 0.7, 0.3],
    [0.1, 0.4, 0.6, -0.2],
  ]
)


# Few distinct values make ties common; rows of negatives come up empty.
VALUES = st.one_of(st.sampled_from([-0.5, -0.1, 0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(-1, 1, width=32))
MATRICES = hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=VALUES)
MATRICES_WITH_EDGES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=7).flatmap(
  lambda shape: st.tuples(hnp.arrays(float, shape, elements=VALUES), hnp.arrays(bool, shape))
)


def test_relatedness_is_the_cosine():
  unseen, seen = np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 5.0], [3.0, 0.0], [-1.0, 0.0]])
  half = np.sqrt(0.5)
  np.testing.assert_allclose(compose.relatedness(unseen, seen), [[0, 1, -1], [half, half, -half]], atol=1e-12)


@pytest.mark.parametrize(
  ("num_neighbors", "distinctiveness", "expected"),
  [
    (1, 0.0, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]),
    (2, 0.0, [[1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]),
    # Column by column the others' least distance is (.8 .1 .1), (.2 .2 .2), (.3 .4 .3), (.7 .9 .7); own is
    # (.1 .8 .9), (.2 .2 .6), (.5 .3 .4), (.9 .7 1.2). Kept where others' > theta * own.
    (9, 0.5, [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]),
    (9, 1.0, [[1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]]),
    (2, 1.0, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
    (9, 7.9, [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
    (9, 8.1, np.zeros((3, 4))),
  ],
)
def test_admissible_edges(num_neighbors, distinctiveness, expected):
  got = compose.admissible(M, num_neighbors, distinctiveness)
  np.testing.assert_array_equal(got.astype(int), expected)


def test_nearest_neighbours_of_equal_distance_go_by_class_order():
  tied = np.array([[0.5, 0.9, 0.5, 0.5]])
  np.testing.assert_array_equal(compose.admissible(tied, 3, 0.0).astype(int), [[1, 1, 1, 0]])


@given(hnp.arrays(float, (3, 8), elements=st.sampled_from([0.1, 0.2, 0.3, 0.4])), st.integers(1, 10))
def test_neighbours_equal_those_of_a_stable_sort(distance, num_neighbors):
  expected = np.zeros(distance.shape, bool)
  order = np.argsort(distance, axis=1, kind="stable")[:, :num_neighbors]
  np.put_along_axis(expected, order, True, axis=1)
  np.testing.assert_array_equal(compose._least_of_rows(distance, num_neighbors), expected)


def test_theta_zero_drops_edges_to_classes_at_distance_zero_of_another():
  same = np.array([[1.0, 0.5], [1.0, 0.2]])
  np.testing.assert_array_equal(compose.admissible(same, 2, 0.0).astype(int), [[0, 1], [0, 1]])
  alone = np.array([[1.0 + 1e-9, 0.5], [0.9, 0.2]])  # rounding above 1: only the other class loses the edge
  np.testing.assert_array_equal(compose.admissible(alone, 2, 0.0).astype(int), [[1, 1], [0, 1]])


def test_a_lone_unseen_class_competes_with_none():
  np.testing.assert_array_equal(compose.admissible(M[:1], 2, 5.0).astype(int), [[1, 1, 0, 0]])


@given(
  hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-1, 1)),
  st.floats(0, 2),
)
def test_admissible_follows_the_printed_rule(M, theta):
  got = compose.admissible(M, M.shape[1], theta)
  for j, i in np.ndindex(M.shape):
    others = [k for k in range(len(M)) if k != j]
    dropped = any((1.0 - M[k, i]) <= theta * (1.0 - M[j, i]) for k in others)
    assert got[j, i] == (not dropped)


@pytest.mark.parametrize("solver", compose.SOLVERS)
def test_select_takes_the_largest(solver):
  edges = np.array([[1, 1, 1, 0], [1, 0, 1, 1], [0, 1, 1, 1]], bool)
  got = compose.select(M, edges, 2, solver=solver)
  np.testing.assert_array_equal(got.astype(int), [[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]])


def test_closed_form_breaks_ties_by_class_order():
  tied = np.full((2, 4), 0.5)
  got = compose.select(tied, np.ones((2, 4), bool), 2, solver="closed_form")
  np.testing.assert_array_equal(got.astype(int), [[1, 1, 0, 0]] * 2)


@given(MATRICES_WITH_EDGES, st.integers(1, 9))
def test_closed_form_takes_the_head_of_a_stable_sort(drawn, most):
  M, edges = drawn
  expected = np.zeros(M.shape, bool)
  order = np.argsort(np.where(edges & (M > 0), -M, np.inf), axis=1, kind="stable")[:, :most]
  np.put_along_axis(expected, order, True, axis=1)
  got = compose._select_closed_form(M, edges & (M > 0), most)
  np.testing.assert_array_equal(got, expected & edges & (M > 0))


@pytest.mark.parametrize("solver", compose.SOLVERS)
def test_an_empty_row_falls_back_to_the_nearest_class_by_name(solver):
  edges = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], bool)
  with pytest.warns(UserWarning, match="unseen class") as caught:
    got = compose.select(M, edges, 1, solver=solver, names=("run", "hop", "sit"))
  assert [name for name in ("run", "hop", "sit") if any(repr(name) in str(w.message) for w in caught)] == [
    "hop",
    "sit",
  ]
  np.testing.assert_array_equal(got.astype(int), [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])


THETAS = st.one_of(st.sampled_from([0.0, 1.0, 1.5]), st.floats(0, 2))


def quiet_select(*args, **settings):
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    return compose.select(*args, **settings)


@settings(max_examples=150, deadline=None)
@given(MATRICES, THETAS, st.integers(1, 9), st.integers(1, 4))
def test_closed_form_and_integer_program_agree(M, theta, num_neighbors, most):
  edges = compose.admissible(M, num_neighbors, theta)
  program = quiet_select(M, edges, most, solver="milp")
  closed = quiet_select(M, edges, most, solver="closed_form")
  np.testing.assert_allclose((M * program).sum(), (M * closed).sum(), atol=1e-6)
  for chosen in (program, closed):
    rows = (chosen & edges & (M > 0)).any(axis=1)
    assert (chosen.sum(axis=1) <= most).all()
    assert (chosen[rows] <= edges[rows]).all()
    assert (chosen[~rows].sum(axis=1) == 1).all()
  distinct = [len(set(row[e & (row > 0)])) == (e & (row > 0)).sum() for row, e in zip(M, edges, strict=True)]
  gaps = [np.diff(np.sort(row[e & (row > 0)])).min(initial=1) > 1e-5 for row, e in zip(M, edges, strict=True)]
  clear = [(row[e & (row > 0)] > 1e-5).all() for row, e in zip(M, edges, strict=True)]
  unique = np.array(distinct) & np.array(gaps) & np.array(clear)
  np.testing.assert_array_equal(program[unique], closed[unique])


# Each example is 100 instances of one shape, drawn by a seed: their rows make one program, as rows do not touch.
KINDS = ("ties", "continuous", "negative", "near 1", "equal rows")


def drawn_instances(rng, num, num_unseen, num_seen, kind):
  """[num,U,S] relatedness: `ties` has few values, `negative` mostly rows that come up empty, `near 1` distances of 0."""
  shape = (num, num_unseen, num_seen)
  if kind == "ties":
    return rng.choice([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0], shape)
  if kind == "continuous":
    return rng.uniform(-1, 1, shape)
  if kind == "negative":
    return rng.uniform(-1, 0.1, shape)
  if kind == "near 1":
    return np.minimum(rng.uniform(0.7, 1.1, shape), 1.0)
  return np.repeat(rng.uniform(-0.3, 1, (num, 1, num_seen)), num_unseen, axis=1)


@settings(max_examples=80, deadline=None)
@given(
  st.integers(0, 2**32 - 1),
  st.tuples(st.integers(1, 5), st.integers(1, 9)),
  st.sampled_from(KINDS),
  THETAS,
  st.integers(1, 12),  # more neighbours than there are seen classes, too
  st.integers(1, 10),
)
def test_closed_form_and_integer_program_agree_on_thousands(seed, shape, kind, theta, num_neighbors, most):
  instances = drawn_instances(np.random.default_rng(seed), 100, *shape, kind)
  edges = np.concatenate([compose.admissible(M, num_neighbors, theta) for M in instances])
  M = instances.reshape(-1, shape[1])
  program = quiet_select(M, edges, most, solver="milp")
  closed = quiet_select(M, edges, most, solver="closed_form")
  objectives = [(M * A).reshape(100, -1).sum(axis=1) for A in (program, closed)]
  np.testing.assert_allclose(*objectives, atol=1e-6)
  # The optimum of a row is unique where the last one taken is clearly better than the first one left out, and than 0.
  gains = -np.sort(-np.where(edges & (M > 0), M, 0), axis=1)
  padded = np.concatenate([gains, np.zeros((len(gains), most + 1))], axis=1)
  last, next_best = padded[:, most - 1], padded[:, most]
  few = (gains > 0).sum(axis=1) <= most
  least = np.where(gains > 0, gains, np.inf).min(axis=1)
  unique = np.where(few, least > 1e-5, last > next_best + 1e-5)
  np.testing.assert_array_equal(program[unique], closed[unique])
  useful = (edges & (M > 0)).any(axis=1)
  assert (closed[useful] <= edges[useful]).all()
  np.testing.assert_array_equal(closed[~useful].argmax(axis=1), M[~useful].argmax(axis=1))
  np.testing.assert_array_equal(closed.sum(axis=1), np.maximum(np.minimum((gains > 0).sum(axis=1), most), 1))


@settings(max_examples=60, deadline=None)
@given(
  hnp.arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 3)), elements=VALUES),
  st.integers(1, 3),
  st.integers(1, 2),
  st.data(),
)
def test_with_coupling_the_program_equals_brute_force(M, most, uses, data):
  edges = data.draw(hnp.arrays(bool, M.shape))
  best = 0.0
  for bits in itertools.product([False, True], repeat=M.size):
    A = np.array(bits).reshape(M.shape)
    if (edges >= A).all() and (A.sum(axis=1) <= most).all() and (A.sum(axis=0) <= uses).all():
      best = max(best, float((M * A).sum()))
  chosen = compose._select_milp(M, edges & (M > 0), most, uses)
  assert (chosen <= edges).all()
  assert (chosen.sum(axis=1) <= most).all()
  assert (chosen.sum(axis=0) <= uses).all()
  np.testing.assert_allclose((M * chosen).sum(), best, atol=1e-6)


def test_coupling_gives_up_a_greedy_choice():
  contested = np.array([[0.9, 0.8], [0.85, 0.1]])
  got = compose.select(contested, np.ones((2, 2), bool), 1, max_uses_per_seen=1)
  np.testing.assert_array_equal(got.astype(int), [[0, 1], [1, 0]])
  with pytest.raises(InputError, match="milp"):
    compose.select(contested, np.ones((2, 2), bool), 1, solver="closed_form", max_uses_per_seen=1)


def test_compose_weighs_by_relatedness():
  A = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], bool)
  means = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [-4.0, 4.0]])
  vectors, weights = compose.compose(A, M, means)
  expected = np.array([[9 / 17, 8 / 17, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # the last has m = -0.2
  np.testing.assert_allclose(weights, expected, rtol=1e-6)
  np.testing.assert_allclose(vectors, expected @ means, rtol=1e-6)
  assert vectors.dtype == weights.dtype == np.float32


def class_set(vectors, letter):
  names = tuple(f"{letter}{row}" for row in range(len(vectors)))
  return ClassSet(names, tuple((name,) for name in names), np.asarray(vectors, np.float32))


RNG = np.random.default_rng(3)
UNSEEN, SEEN = class_set(RNG.normal(size=(4, 16)) + 1, "u"), class_set(RNG.normal(size=(9, 16)) + 1, "s")
GOOD = {"num_neighbors": 5, "distinctiveness": 0.2, "max_seen_per_unseen": 3}


def test_transfer_from_end_to_end():
  means = RNG.normal(size=(9, 6)).astype(np.float32)
  one = compose.transfer(UNSEEN, SEEN, means, **GOOD)
  assert one.names == UNSEEN.names
  assert one.space == "visual"
  np.testing.assert_allclose(one.weights.sum(axis=1), 1, rtol=1e-6)
  assert ((one.weights > 0).sum(axis=1) <= 3).all()
  np.testing.assert_allclose(one.vectors, one.weights @ means, rtol=1e-4, atol=1e-5)
  other = compose.transfer(UNSEEN, SEEN, means, solver="closed_form", **GOOD)
  np.testing.assert_allclose(one.vectors, other.vectors, rtol=1e-6)
  # With itself among the seen classes and one choice, a class is its own prototype.
  own = compose.transfer(SEEN, SEEN, means, num_neighbors=3, distinctiveness=0, max_seen_per_unseen=1)
  np.testing.assert_array_equal(own.vectors, means)


def test_transfer_lists_every_wrong_input():
  means = np.ones((9, 6))
  with pytest.raises(InputError) as caught:
    compose.transfer(
      UNSEEN, SEEN, means[:5], num_neighbors=0, distinctiveness=-1, max_seen_per_unseen=0, max_uses_per_seen=0
    )
  for key in ("num_neighbors", "distinctiveness", "max_seen_per_unseen", "max_uses_per_seen", "[9, D]"):
    assert key in str(caught.value)
  means[4, 2] = np.nan
  with pytest.raises(InputError, match="'s4' is not finite"):
    compose.transfer(UNSEEN, SEEN, means, **GOOD)
  with pytest.raises(InputError, match="solver"):
    compose.transfer(UNSEEN, SEEN, np.ones((9, 6)), solver="greedy", **GOOD)
  with pytest.raises(InputError, match="same word vectors"):
    compose.transfer(class_set(np.ones((2, 3)), "u"), SEEN, np.ones((9, 6)), **GOOD)
