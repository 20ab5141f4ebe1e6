import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsar_jax.data import augment, sampling

sides = st.integers(8, 400)
crops = st.integers(2, 300)


def draws(num, seed=0, rows=50):
  return sampling.clip_draws(seed, np.arange(rows), num)


@given(sides, sides, st.integers(1, 20), st.integers(0, 99))
def test_ken_burns_boxes_stay_inside_and_move_in_a_line(height, width, num_frames, seed):
  size = np.full(50, height), np.full(50, width)
  boxes = augment.ken_burns(*size, num_frames, draws(6, seed))
  assert boxes.shape == (50, num_frames, 3)
  short = min(height, width)
  assert (boxes[..., 2] >= 0.5 * short - 1e-9).all()
  assert (boxes[..., 2] <= short + 1e-9).all()
  assert (boxes[..., :2] >= -1e-9).all()
  assert (boxes[..., :2] + boxes[..., 2:] <= np.array([height, width]) + 1e-9).all()
  steps = np.diff(boxes, axis=1)
  if num_frames > 1:
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-9)


def test_ken_burns_uses_every_draw_and_every_size():
  size = np.full(2000, 100), np.full(2000, 150)
  boxes = augment.ken_burns(*size, 2, draws(6, rows=2000))
  flat = boxes.reshape(2000, 6)
  assert len(np.unique(flat.round(6), axis=0)) == 2000
  np.testing.assert_allclose(flat[:, [2, 5]].mean(0), 75, atol=1)
  assert np.abs(np.corrcoef(flat[:, 2], flat[:, 5])[0, 1]) < 0.06


@given(sides, sides, crops, st.integers(0, 9))
def test_sampling_boxes_never_leave_the_image(height, width, crop, seed):
  size = np.full(50, height), np.full(50, width)
  boxes = augment.sampling_boxes(augment.ken_burns(*size, 4, draws(6, seed)), *size, crop)
  assert boxes.dtype == np.float32
  assert (boxes >= 0).all()
  assert (boxes < 1).all()
  assert (boxes[..., :2] <= boxes[..., 2:]).all()


def test_a_sampling_box_puts_samples_on_pixel_centres():
  box = np.array([[[3.0, 5.0, 4.0]]])
  y1, x1, y2, x2 = augment.sampling_boxes(box, np.array([11]), np.array([21]), 4)[0, 0]
  np.testing.assert_allclose(np.linspace(y1, y2, 4) * 10, [3, 4, 5, 6], atol=1e-5)
  np.testing.assert_allclose(np.linspace(x1, x2, 4) * 20, [5, 6, 7, 8], atol=1e-5)


@given(sides, sides, crops)
def test_no_still_box_is_shrunk_by_more_than_two(height, width, crop):
  (shrink,) = augment.still_shrink(np.array([height]), np.array([width]), crop)
  short = min(height, width)
  assert shrink in augment.SHRINKS
  assert short / shrink <= 2 * crop or shrink == 8
  assert shrink == 1 or 2 * short / shrink > 2 * crop  # no more than needed


@given(sides, sides, st.floats(0.05, 1), st.integers(0, 9))
def test_scaled_windows_fit_and_reach_the_edges(height, width, scale, seed):
  size = np.full(50, height), np.full(50, width)
  made = draws(4, seed)
  side = augment.scaled_sides(*size, (1.0, scale), made[:, 3])
  windows = augment.random_windows(*size, side, made[:, 1:3])
  assert windows.dtype == np.int32
  assert (windows[:, :2] >= 0).all()
  assert (windows[:, :2] + windows[:, 2:] <= [height, width]).all()
  assert set(side.tolist()) <= {min(height, width), max(1, round(scale * min(height, width)))}


def test_every_scale_is_as_likely():
  size = np.full(4000, 100), np.full(4000, 120)
  side = augment.scaled_sides(*size, (1, 0.875, 0.75, 0.66), draws(1, rows=4000)[:, 0])
  values, counts = np.unique(side, return_counts=True)
  assert values.tolist() == [66, 75, 88, 100]
  assert (abs(counts - 1000) < 100).all()


@pytest.mark.parametrize(
  ("stored", "short_side", "scales", "expected"),
  [
    ((128, 128), 128, (), (1, False, False)),
    ((256, 256), 128, (), (2, False, False)),
    ((240, 240), 128, (), (1, True, False)),  # 112 / 128 of 240 pixels, resized by 1.9
    ((240, 256), 128, (), (1, True, True)),  # 224 pixels to 112
    ((480, 480), 128, (), (2, True, False)),
    ((300, 300), 0, (), (1, False, False)),
    ((100, 128), 128, (), (1, True, False)),  # a small video is enlarged
    ((128, 128), 128, (1.0, 0.66), (1, True, False)),
    ((256, 256), 256, (1.0, 0.66), (1, True, True)),
  ],
)
def test_geometry(stored, short_side, scales, expected):
  height, width = np.array(stored), np.array(stored) + 50
  assert tuple(augment.geometry(height, width, 112, short_side, scales)) == expected


def test_windows_show_what_the_crop_shows_at_the_short_side():
  sides_ = augment.sides_of_crop(np.array([256, 128, 240]), np.array([300, 300, 320]), 112, 128)
  assert sides_.tolist() == [224, 112, 210]
  assert augment.sides_of_crop(np.array([256]), np.array([300]), 112, 0).tolist() == [112]
