import numpy as np
import pytest

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
