import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsar_jax.data.sampling import (
  centre_crops,
  clip_draws,
  epoch_order,
  eval_draws,
  even_clips,
  global_rows,
  num_looped,
  random_clips,
  random_crops,
  released_clips,
  train_frames,
)

FIRST_DRAWS = [[0.7123979592374587, 0.46576136484774977], [0.789476113824178, 0.06508866054043261]]
lengths = st.lists(st.integers(1, 300), min_size=1, max_size=6).map(np.array)


@given(st.integers(0, 2**63), st.integers(0, 100), st.integers(1, 200))
def test_an_epoch_visits_each_video_once(seed, epoch, num):
  assert sorted(epoch_order(seed, epoch, num)) == list(range(num))


def test_epochs_and_seeds_differ():
  orders = [tuple(epoch_order(seed, epoch, 50)) for seed in range(4) for epoch in range(4)]
  assert len(set(orders)) == 16


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 12), st.integers(0, 5))
def test_the_stream_does_not_depend_on_the_batch_size(num, one, other, seed):
  steps = 60

  def stream(batch):
    parts = [global_rows(num, seed, step, batch) for step in range(steps)]
    return np.concatenate([p for p, _ in parts]), np.concatenate([g for _, g in parts])

  (a, numbers), (b, _) = stream(one), stream(other)
  common = min(len(a), len(b))
  np.testing.assert_array_equal(a[:common], b[:common])
  np.testing.assert_array_equal(numbers, np.arange(steps * one))
  for epoch in range(len(a) // num):
    assert sorted(a[epoch * num : (epoch + 1) * num]) == list(range(num))


def test_draws_are_uniform_and_independent():
  draws = clip_draws(3, np.arange(20_000), 3)
  assert draws.min() >= 0
  assert draws.max() < 1
  np.testing.assert_allclose(draws.mean(0), 0.5, atol=0.01)
  np.testing.assert_allclose(draws.var(0), 1 / 12, atol=0.002)
  np.testing.assert_allclose(np.corrcoef(draws.T) - np.eye(3), 0, atol=0.03)
  assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.03


def test_draws_depend_on_seed_and_clip_alone():
  together = clip_draws(7, np.array([5, 900, 6]), 2)
  np.testing.assert_array_equal(together[1:2], clip_draws(7, np.array([900]), 2))
  assert (together != clip_draws(8, np.array([5, 900, 6]), 2)).all()


@given(lengths, st.integers(1, 20), st.integers(1, 8), st.floats(0, 1, exclude_max=True))
def test_train_frames_lie_in_the_video_a_stride_apart(length, clip_frames, stride, draw):
  frames = train_frames(length, clip_frames, stride, np.full(len(length), draw))
  assert frames.shape == (len(length), clip_frames)
  assert (frames >= 0).all()
  assert (frames < length[:, None]).all()
  np.testing.assert_array_equal((np.diff(frames) - stride) % length[:, None], 0)
  long = length >= (clip_frames - 1) * stride + 1
  assert (np.diff(frames[long]) == stride).all()  # a long enough video is never looped


def test_train_frames_reach_both_ends():
  draws = np.array([0, 0.999999])
  np.testing.assert_array_equal(
    train_frames(np.array([20, 20]), 4, 2, draws), [[0, 2, 4, 6], [13, 15, 17, 19]]
  )


def test_short_videos_loop():
  np.testing.assert_array_equal(train_frames(np.array([3]), 5, 1, np.array([0.7])), [[0, 1, 2, 0, 1]])
  np.testing.assert_array_equal(even_clips(np.array([3]), 2, 5, 1), [[[0, 1, 2, 0, 1]] * 2])


def test_one_even_clip_is_central_and_many_span_the_video():
  assert even_clips(np.array([20]), 1, 4, 2)[0, 0].tolist() == [6, 8, 10, 12]
  starts = even_clips(np.array([20]), 3, 4, 2)[0, :, 0]
  assert starts.tolist() == [0, 7, 13]


@given(lengths, st.integers(2, 30), st.integers(1, 20), st.integers(1, 4))
def test_even_clips_are_even(length, num_clips, clip_frames, stride):
  clips = even_clips(length, num_clips, clip_frames, stride)
  assert ((clips >= 0) & (clips < length[:, None, None])).all()
  gaps = np.diff(clips[:, :, 0])
  assert (gaps.max(axis=1) - gaps.min(axis=1) <= 1).all()
  room = np.maximum(length - (clip_frames - 1) * stride - 1, 0)
  np.testing.assert_array_equal(clips[:, -1, 0], room)


def test_draws_of_a_clip_stay_the_same_whatever_is_drawn_beside_it():
  """A resumed run of an older config must see the clips that it would have seen."""
  numbers = np.arange(100)
  np.testing.assert_array_equal(clip_draws(4, numbers, 3), clip_draws(4, numbers, 6)[:, :3])
  # Written down: these numbers decide every clip of every run.
  np.testing.assert_allclose(clip_draws(0, np.array([0, 1]), 2), FIRST_DRAWS)


def test_evaluation_draws_follow_from_seed_row_and_clip_alone():
  draws = eval_draws(3, np.array([4, 9]), 5, 2)
  assert draws.shape == (2, 5, 2)
  np.testing.assert_array_equal(draws[1:, :3], eval_draws(3, np.array([9]), 3, 2))
  assert (draws != eval_draws(4, np.array([4, 9]), 5, 2)).all()
  many = eval_draws(0, np.arange(2000), 4, 1)
  assert len(np.unique(many)) == many.size
  np.testing.assert_allclose([many.mean(), many.var()], [0.5, 1 / 12], atol=0.01)
  assert not np.isin(many, clip_draws(0, np.arange(8000), 1)).any()


@given(lengths, st.integers(1, 6), st.integers(1, 20), st.integers(1, 4), st.integers(0, 9))
def test_random_clips_are_training_clips(length, num_clips, clip_frames, stride, seed):
  draws = eval_draws(seed, np.arange(len(length)), num_clips, 1)[..., 0]
  clips = random_clips(length, clip_frames, stride, draws)
  assert clips.shape == (len(length), num_clips, clip_frames)
  for clip in range(num_clips):
    np.testing.assert_array_equal(clips[:, clip], train_frames(length, clip_frames, stride, draws[:, clip]))


def test_looped_videos_are_counted():
  assert num_looped(np.array([1, 6, 7, 8, 100]), 4, 2) == 2
  assert num_looped(np.array([15, 16]), 16, 1) == 1


def test_released_clips_of_a_short_video_are_tiles_looped():
  clips = released_clips(np.array([40]), 4, 16)[0]
  np.testing.assert_array_equal(clips.reshape(-1), np.arange(64) % 40)


def test_released_clips_of_a_long_video_are_spread():
  clips = released_clips(np.array([1000]), 4, 16)[0]
  np.testing.assert_array_equal(clips[:, 0], [0, 250, 500, 750])
  assert (np.diff(clips) == 1).all()


@given(lengths, st.integers(1, 25), st.integers(1, 16))
def test_released_clips_lie_in_the_video(length, num_clips, clip_frames):
  clips = released_clips(length, num_clips, clip_frames)
  assert clips.shape == (len(length), num_clips, clip_frames)
  assert ((clips >= 0) & (clips < length[:, None, None])).all()


@given(st.integers(8, 200), st.integers(8, 200), st.integers(1, 8), st.floats(0, 1, exclude_max=True))
def test_crops_lie_in_the_picture(height, width, crop, draw):
  size = np.array([height]), np.array([width])
  for corners in (random_crops(*size, crop, np.full((1, 2), draw)), centre_crops(*size, crop)):
    assert corners.dtype == np.int32
    assert (corners >= 0).all()
    assert (corners + crop <= [height, width]).all()


@pytest.mark.parametrize(("side", "expected"), [(10, 3), (11, 3)])
def test_centre_crop(side, expected):
  assert centre_crops(np.array([side]), np.array([20]), 4).tolist() == [[expected, 8]]


def test_every_crop_corner_is_reached():
  draws = clip_draws(0, np.arange(500), 2)
  corners = random_crops(np.full(500, 10), np.full(500, 12), 8, draws)
  assert {tuple(c) for c in corners.tolist()} == {(y, x) for y in range(3) for x in range(5)}
