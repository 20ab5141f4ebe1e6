import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zsar_jax.zeroshot import classify, generalized
from zsar_jax.zeroshot.metrics import harmonic_mean

# Four seen and three unseen videos; margin = best seen score less best unseen score.
MARGIN = np.array([0.4, 0.1, 0.3, -0.2, 0.2, -0.1, 0.3])
RIGHT = np.array([True, True, True, False, True, True, False])
IS_SEEN = np.array([True, True, True, True, False, False, False])


def test_a_curve_by_hand():
  curve = generalized.seen_unseen_curve(MARGIN, RIGHT, IS_SEEN)
  # Seen ones are right below .4, .1, .3; unseen ones from .2 and -.1 on; the wrong ones never.
  np.testing.assert_allclose(curve.gamma, [-1.1, -0.1, 0.1, 0.2, 0.3, 0.4])
  np.testing.assert_allclose(curve.seen, [75, 75, 50, 50, 25, 0])
  np.testing.assert_allclose(curve.unseen, np.array([0, 1, 1, 2, 2, 2]) * 100 / 3)
  # Under the line: .75 to .5 at height 1/3, .5 to 0 at height 2/3.
  assert generalized.area(curve) == pytest.approx(0.25 / 3 + 0.5 * 2 / 3)
  best = generalized.best_point(curve)
  assert (best["gamma"], best["seen"]) == (0.2, 50)
  assert best["harmonic"] == pytest.approx(2 * 50 * (200 / 3) / (50 + 200 / 3))
  at = generalized.point_at(curve, 0.15)
  assert (at["gamma"], at["seen"], at["unseen"]) == (0.15, 50, pytest.approx(100 / 3))
  assert generalized.point_at(curve, -9)["seen"] == 75
  assert generalized.point_at(curve, 9)["seen"] == 0


def test_videos_of_both_kinds_at_one_margin_make_a_slope():
  curve = generalized.seen_unseen_curve([0.5, 0.5], [True, True], [True, False])
  np.testing.assert_allclose(np.stack(curve), [[-0.5, 0.5], [100, 0], [0, 100]])
  assert generalized.area(curve) == 0.5


def test_perfect_sides_and_hopeless_ones():
  perfect = generalized.seen_unseen_curve([1.0, -1.0], [True, True], [True, False])
  assert generalized.area(perfect) == 1
  assert generalized.best_point(perfect) == {"gamma": -1, "seen": 100, "unseen": 100, "harmonic": 100}
  none = generalized.seen_unseen_curve([1.0, -1.0], [False, False], [True, False])
  assert generalized.area(none) == 0
  assert generalized.best_point(none) == {"gamma": 0, "seen": 0, "unseen": 0, "harmonic": 0}


def test_gamma_of_several_curves_is_the_middle_of_the_best_stretch():
  one = generalized.seen_unseen_curve(MARGIN, RIGHT, IS_SEEN)
  assert generalized.best_gamma([one]) == pytest.approx(0.25)
  other = generalized.seen_unseen_curve(MARGIN + 0.06, RIGHT, IS_SEEN)
  assert generalized.best_gamma([one, other]) == pytest.approx((0.26 + 0.3) / 2)


def test_thinning_keeps_the_ends_and_the_order():
  rng = np.random.default_rng(0)
  curve = generalized.seen_unseen_curve(rng.normal(size=999), np.ones(999, bool), rng.random(999) < 0.4)
  points = np.array(generalized.thin(curve))
  assert points.shape == (100, 3)
  np.testing.assert_array_equal(points[[0, -1]], np.stack(curve, 1)[[0, -1]])
  assert (np.diff(points[:, 0]) > 0).all()
  assert generalized.thin(generalized.seen_unseen_curve(MARGIN, RIGHT, IS_SEEN))[1] == pytest.approx(
    [-0.1, 75, 100 / 3]
  )


# Sixteenths are exact in binary, so a gamma on a break point means the same on both sides.
SIXTEENTHS = st.integers(-16, 16).map(lambda n: n / 16)


@settings(max_examples=80, deadline=None)
@given(
  hnp.arrays(np.float32, (9, 5), elements=SIXTEENTHS),
  hnp.arrays(np.int32, (9,), elements=st.integers(0, 4)),
  st.integers(1, 4),
)
def test_the_curve_equals_brute_force_over_gammas(scores, label, num_unseen):
  label = label.copy()
  label[:2] = 0, 4  # one of each kind
  is_seen = label >= num_unseen
  sides = classify.sides(scores, label, num_unseen)
  curve = generalized.seen_unseen_curve(
    np.asarray(sides.seen) - np.asarray(sides.unseen), sides.right, is_seen
  )
  best, corners = 0.0, []
  for gamma in np.arange(-33, 34) / 16:
    lowered = scores.astype(np.float64)
    lowered[:, num_unseen:] -= gamma
    right = lowered.argmax(1) == label
    seen, unseen = 100 * right[is_seen].mean(), 100 * right[~is_seen].mean()
    point = generalized.point_at(curve, gamma)
    assert (point["seen"], point["unseen"]) == pytest.approx((seen, unseen))
    best = max(best, harmonic_mean(seen, unseen))
    corners.append((seen / 100, unseen / 100))
  assert generalized.best_point(curve)["harmonic"] == pytest.approx(best)
  area = sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(corners))
  assert generalized.area(curve) == pytest.approx(area)
