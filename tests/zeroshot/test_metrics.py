import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from zsar_jax.zeroshot import metrics


def test_top_k_accuracy():
  ranks = np.array([0, 0, 1, 4, 5])
  assert metrics.top_k_accuracy(ranks, 1) == 40
  assert metrics.top_k_accuracy(ranks, 5) == 80
  assert np.isnan(metrics.top_k_accuracy(ranks[:0], 1))


def test_deviation_is_that_of_the_population():
  assert metrics.mean_and_std([1.0, 3.0]) == (2.0, 1.0)


@pytest.mark.parametrize(("seen", "unseen", "mean"), [(60, 30, 40), (0, 50, 0), (0, 0, 0), (20, 20, 20)])
def test_harmonic_mean(seen, unseen, mean):
  assert metrics.harmonic_mean(seen, unseen) == pytest.approx(mean)


def test_per_class_accuracy_leaves_out_empty_classes():
  correct, label = np.array([True, False, True, True]), np.array([0, 0, 2, 0])
  got = metrics.per_class_accuracy(correct, label, ("a", "b", "c"))
  assert got == {"a": pytest.approx(200 / 3), "c": 100.0}


def test_mean_per_class_counts_classes_alike():
  assert metrics.mean_per_class({"a": 100.0, "b": 0.0, "c": 50.0}) == 50
  assert np.isnan(metrics.mean_per_class({}))


def test_k_occurrence_by_hand():
  nearest = np.array([[0, 2, 1], [0, 1, 2], [2, 0, 1]])
  np.testing.assert_array_equal(metrics.k_occurrence(nearest, 4, 1), [2, 0, 1, 0])
  np.testing.assert_array_equal(metrics.k_occurrence(nearest, 4, 2), [3, 1, 2, 0])


def test_hubness_is_scipys_skewness():
  rng = np.random.default_rng(2)
  nearest = np.argsort(rng.normal(size=(300, 12)) + np.linspace(0, 2, 12), axis=1)
  got = metrics.hubness(nearest, 12)
  assert set(got) == {"1", "5", "10"}
  for k, value in got.items():
    counts = [(nearest[:, : int(k)] == row).sum() for row in range(12)]
    assert value == pytest.approx(stats.skew(counts))
  assert got["1"] > 0.5
  assert set(metrics.hubness(nearest[:, :5] % 5, 5)) == {"1"}  # k = 5 of 5 classes tells nothing
  assert metrics.skewness(np.full(5, 7)) == 0


def test_accuracy_beyond_by_hand():
  distances, hits, videos = np.array([0.3, 0.1, 0.3, 0.5]), np.array([1, 4, 2, 0]), np.array([2, 4, 4, 10])
  thresholds, accuracy = metrics.accuracy_beyond(distances, hits, videos)
  np.testing.assert_allclose(thresholds, [0, 0.1, 0.3])  # beyond 0.5 there is nothing
  np.testing.assert_allclose(accuracy, [100 * 7 / 20, 100 * 3 / 16, 0])


def test_accuracy_beyond_by_the_definition():
  rng = np.random.default_rng(4)
  distances, videos = rng.integers(1, 12, 30) / 10, rng.integers(0, 5, 30)
  hits = rng.integers(0, videos + 1)
  for threshold, accuracy in zip(*metrics.accuracy_beyond(distances, hits, videos), strict=True):
    farther = distances > threshold
    assert accuracy == pytest.approx(100 * hits[farther].sum() / videos[farther].sum())


def test_metrics_import_without_jax():
  code = "import sys; import zsar_jax.zeroshot.metrics; assert not {'jax', 'scipy'} & set(sys.modules)"
  subprocess.run([sys.executable, "-c", code], check=True)
