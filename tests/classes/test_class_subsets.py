"""Random and clustered classes for the studies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.classes.subsets import class_clusters, clustered_classes, random_classes
from zsar_jax.errors import InputError


@given(st.integers(1, 200), st.integers(0, 2**32 - 1), st.data())
def test_random_classes_are_distinct_ascending_and_nested(num_classes, seed, data):
  keep = data.draw(st.integers(1, num_classes))
  fewer = data.draw(st.integers(1, keep))
  rows = random_classes(num_classes, keep, seed)
  assert rows.dtype == np.int64
  assert len(rows) == keep
  assert (np.diff(rows) > 0).all()
  assert 0 <= rows[0] <= rows[-1] < num_classes
  assert set(random_classes(num_classes, fewer, seed)) <= set(rows)


def test_random_classes_never_change():
  assert random_classes(664, 5, 0).tolist() == [14, 75, 306, 420, 640]


@pytest.mark.parametrize("keep", [0, 11, -1])
def test_bad_numbers(keep):
  with pytest.raises(InputError, match="expected 1 to 10"):
    random_classes(10, keep, 0)


def blobs(sizes, seed=0, width=12):
  """Well separated groups of directions in a shuffled order, and which group each row is of."""
  rng = np.random.default_rng(seed)
  labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
  rows = np.eye(len(sizes), width)[labels] + 0.05 * rng.normal(size=(len(labels), width))
  return rows.astype(np.float32) * rng.uniform(0.1, 9, (len(labels), 1)).astype(np.float32), labels


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(3, 20), min_size=1, max_size=5), st.integers(0, 99))
def test_clusters_are_a_stable_partition_numbered_by_their_first_class(sizes, seed):
  rows, _ = blobs(sizes, seed)
  labels = class_clusters(rows, len(sizes))
  np.testing.assert_array_equal(labels, class_clusters(rows, len(sizes)))
  first = [int(np.flatnonzero(labels == number)[0]) for number in range(len(sizes))]
  assert first == sorted(first)
  assert first[0] == 0


def test_groups_far_apart_are_found_whatever_their_length():
  rows, truth = blobs([30, 20, 10])
  labels = class_clusters(rows, 3)
  for number in range(3):
    assert len(set(truth[labels == number])) == 1
  one, more = (clustered_classes(rows, 3, 1, keep, seed=4) for keep in (4, 8))
  assert set(labels[more]) == {1}
  assert set(one) <= set(more)
  assert (np.diff(more) > 0).all()
  assert clustered_classes(rows, 3, 1, 4, seed=5).tolist() != one.tolist()


def test_a_cluster_that_is_too_small_tells_all_sizes():
  rows, _ = blobs([30, 5])
  sizes = np.bincount(class_clusters(rows, 2))
  small = int(sizes.argmin())
  with pytest.raises(InputError, match=f"cluster 0: {sizes[0]}, cluster 1: {sizes[1]}"):
    clustered_classes(rows, 2, small, 6, 0)


@pytest.mark.parametrize(
  ("cluster", "clusters", "told"),
  [(2, 2, "expected 0 to 1"), (-1, 2, "expected 0 to 1"), (0, 0, "1 to"), (0, 99, "1 to")],
)
def test_bad_clusters(cluster, clusters, told):
  with pytest.raises(InputError, match=told):
    clustered_classes(blobs([9, 9])[0], clusters, cluster, 2, 0)


def test_equal_classes_cannot_be_told_apart():
  rows = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
  assert np.bincount(class_clusters(rows, 3)).tolist() == [4, 4, 4]
  with pytest.raises(InputError, match="3 distinct"):
    class_clusters(rows, 4)


def test_classes_without_embedding_are_refused():
  with pytest.raises(InputError, match="without a semantic embedding"):
    class_clusters(np.zeros((4, 3), np.float32), 2)
