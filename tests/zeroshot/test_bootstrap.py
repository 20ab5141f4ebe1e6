import numpy as np
import pytest
from scipy import stats

from zsar_jax.zeroshot.bootstrap import interval_over_classes, interval_over_videos

RNG = np.random.default_rng(11)
LABEL = np.repeat(np.arange(8), 6)
MEMBERS = np.stack([np.isin(LABEL, own) for own in ([0, 1, 2, 3], [1, 3, 5, 7], [2, 4, 5, 6])])
HITS = MEMBERS & (RNG.random(MEMBERS.shape) < np.linspace(0.2, 0.95, 8)[LABEL])


def accuracy(rows):
  """Mean over splits of hits / members among the videos at `rows` [..., V], in per cent."""
  right, of = HITS[:, rows].sum(-1), MEMBERS[:, rows].sum(-1)
  return 100 * np.mean(right / of, axis=0)


def test_over_videos_equals_scipys_percentile_bootstrap():
  theirs = stats.bootstrap(
    (np.arange(len(LABEL)),), lambda rows, axis: accuracy(rows), n_resamples=20_000, vectorized=True,
    method="percentile", rng=1,
  ).confidence_interval  # fmt: skip
  np.testing.assert_allclose(interval_over_videos(HITS, MEMBERS, 20_000), theirs, atol=0.6)
  width = theirs.high - theirs.low
  assert width > 15  # an interval of another kind, or of another number of videos, would not pass


def test_over_classes_equals_scipys_with_classes_as_the_units():
  videos = np.stack([np.flatnonzero(k == LABEL) for k in range(8)])

  def statistic(classes, axis):
    rows = videos[classes].reshape(*classes.shape[:-1], -1)
    some = MEMBERS[:, rows].any(-1)  # a resample may leave a split without a class
    right, of = HITS[:, rows].sum(-1), MEMBERS[:, rows].sum(-1)
    return 100 * (right / np.maximum(of, 1)).sum(0) / some.sum(0)

  theirs = stats.bootstrap(
    (np.arange(8),), statistic, n_resamples=20_000, vectorized=True, method="percentile", rng=1
  ).confidence_interval
  ours = interval_over_classes(HITS, MEMBERS, LABEL, 20_000)
  np.testing.assert_allclose(ours, theirs, atol=0.8)
  assert not np.allclose(ours, interval_over_videos(HITS, MEMBERS, 20_000), atol=0.8)


def test_one_split_by_the_binomial_law():
  """Right videos in a resample of 400, half of them right, are Binomial(400, 1/2)."""
  hits = (np.arange(400) % 2 == 0)[None]
  expected = stats.binom.ppf([0.025, 0.975], 400, 0.5) / 4
  np.testing.assert_allclose(interval_over_videos(hits, np.ones_like(hits), 20_000), expected, atol=0.26)


def test_nothing_varies_where_all_are_right_and_a_hit_outside_a_split_does_not_count():
  everything = np.ones((2, 5), bool)
  assert interval_over_videos(everything, everything) == (100, 100)
  assert interval_over_classes(everything, everything, np.array([0, 0, 3, 3, 3])) == (100, 100)
  outside = np.array([[True, False, False, False, False]])
  assert interval_over_videos(outside, ~outside) == (0, 0)
  assert interval_over_classes(outside, ~outside, np.array([4, 1, 1, 2, 2])) == (0, 0)


def test_classes_by_hand():
  """Two classes, one always right: resamples are (both, half the time), all right, all wrong."""
  hits = np.array([[True] * 3 + [False] * 3])
  assert interval_over_classes(hits, np.ones_like(hits), np.array([0, 0, 0, 1, 1, 1])) == (0, 100)
  np.testing.assert_allclose(
    interval_over_videos(hits, np.ones_like(hits), 20_000), (100 / 6, 500 / 6), atol=1e-9
  )


@pytest.mark.parametrize("over", [interval_over_videos, lambda *a: interval_over_classes(*a, LABEL)])
def test_the_same_every_time(over):
  assert over(HITS, MEMBERS) == over(HITS, MEMBERS)
