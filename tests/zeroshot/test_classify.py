import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zsar_jax.zeroshot import classify

RNG = np.random.default_rng(5)


def test_scores_are_cosines_at_any_scale():
  X, P = RNG.normal(size=(7, 12)), RNG.normal(size=(5, 12))
  expected = (X @ P.T) / np.linalg.norm(X, axis=1)[:, None] / np.linalg.norm(P, axis=1)
  for scale in (1.0, 1e-25, 1e25):
    got = classify.scores((X * scale).astype(np.float32), P.astype(np.float32))
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_a_zero_vector_scores_zero():
  got = classify.scores(np.zeros((1, 3), np.float32), np.eye(3, dtype=np.float32))
  np.testing.assert_array_equal(got, np.zeros((1, 3)))


@settings(max_examples=60, deadline=None)
@given(
  hnp.arrays(np.float32, (6, 5), elements=st.sampled_from([0.0, 0.25, 0.5])),
  hnp.arrays(np.int32, (6,), elements=st.integers(0, 4)),
  hnp.arrays(bool, (3, 5)),
)
def test_ranks_equal_a_stable_sort_of_the_allowed_classes(scores, label, masks):
  masks = masks.copy()
  got = np.asarray(classify.ranks(scores, label, masks))
  assert got.dtype == np.int32
  for p, v in np.ndindex(3, 6):
    allowed = [k for k in range(5) if masks[p, k] or k == label[v]]
    order = sorted(allowed, key=lambda k: -scores[v, k])  # Python's sort is stable: the lower index wins
    assert got[p, v] == order.index(label[v])


def test_of_equal_scores_the_lower_class_comes_first():
  tied = np.array([[0.5, 0.5, 0.9, 0.5], [-0.0, 0.0, -0.0, 0.0]], np.float32)
  np.testing.assert_array_equal(classify.top_k(tied, 4)[1], [[2, 0, 1, 3], [0, 1, 2, 3]])
  twice = RNG.normal(size=(20, 64)).astype(np.float32)
  scores = classify.scores(RNG.normal(size=(50, 64)).astype(np.float32), np.concatenate([twice, twice]))
  best, top = (np.asarray(each) for each in classify.top_k(scores, 40))
  np.testing.assert_array_equal(top[:, 1::2], top[:, ::2] + 20)
  np.testing.assert_array_equal(best[:, 1::2], best[:, ::2])
  everyone = np.ones((1, 40), bool)
  assert (np.asarray(classify.ranks(scores, top[:, 0], everyone)) == 0).all()


def test_composed_hits_equal_those_of_composed_prototypes():
  X, seen = RNG.normal(size=(200, 16)).astype(np.float32), RNG.normal(size=(9, 16)).astype(np.float32)
  weights = RNG.dirichlet(np.ones(9), 5).astype(np.float32)
  label = RNG.integers(0, 5, 200)
  expected = (np.asarray(classify.scores(X, weights @ seen)).argmax(1) == label).sum()
  got = classify.composed_hits(classify.projections(X, seen), seen @ seen.T, weights, label)
  assert int(got) == expected


def test_top_k_best_first_and_never_more_than_there_are():
  best, classes = classify.top_k(np.array([[0.1, 0.9, 0.5]], np.float32), 2)
  np.testing.assert_array_equal(classes, [[1, 2]])
  np.testing.assert_allclose(best, [[0.9, 0.5]])
  assert classify.top_k(np.zeros((4, 3), np.float32), 5)[1].shape == (4, 3)
