"""The pipeline over still images, features, PNG frames and frames of other sizes."""

import io
import itertools
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_videos import clips_of, frame_numbers, ramp_frames, write_video

from zsar_jax.data.build import build_records
from zsar_jax.data.index import open_index
from zsar_jax.data.pipeline import ClipSpec, eval_batches, train_batches
from zsar_jax.data.plans import training_plan
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data_prep"))
CLASSES = ("a", "b")
WORDS = np.zeros((2, 1), np.int32)
SPEC = ClipSpec(num_frames=6, stride=1, crop=24)


def train(index, spec=SPEC, steps=3, **options):
  rows = np.arange(len(index))
  options = {"batch_size": 4, "seed": 1, "workers": 2} | options
  batches = train_batches(index, rows, index.label, WORDS, spec, **options)
  return list(itertools.islice(batches, steps))


def evaluate(index, spec=SPEC, **options):
  rows = np.arange(len(index))
  options = {"batch_size": 2, "num_clips": 3, "workers": 2} | options
  return list(eval_batches(index, rows, index.label, spec, **options))


def gradient(height, width):
  """Red rises with y, green with x: a pixel tells where it is."""
  y, x = np.mgrid[:height, :width]
  return np.stack([y * 200 / height, x * 200 / width, np.full_like(y, 90)], axis=-1).astype(np.uint8)


def build(folder, paths, **options):
  entries = [Entry(str(path), i % 2, f"{i}") for i, path in enumerate(paths)]
  build_records(entries, CLASSES, folder / "records", workers=1, **options)
  return open_index(folder / "records")


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
  folder = tmp_path_factory.mktemp("stills")
  paths = [folder / f"{i}.jpg" for i in range(5)]
  for path in paths:
    Image.fromarray(gradient(60, 90)).save(path, quality=98)
  return build(folder, paths, short_side=40, kind="image")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
  folder = tmp_path_factory.mktemp("vectors")
  arrays = [np.random.default_rng(i).normal(size=(1 + 3 * i, 7)).astype(np.float32) for i in range(4)]
  for i, array in enumerate(arrays):
    np.save(folder / f"{i}.npy", array)
  index = build(folder, [folder / f"{i}.npy" for i in range(4)], short_side=0, kind="features")
  return index, arrays


@pytest.fixture(scope="module")
def large(tmp_path_factory):
  """Videos of short side 48, whose pixels tell frame (blue) and place."""
  folder = tmp_path_factory.mktemp("large")
  paths = [folder / f"{i}.mp4" for i in range(3)]
  for path in paths:
    frames = np.repeat(gradient(48, 64)[None], 12, axis=0)
    frames[..., 2] = (20 * np.arange(12))[:, None, None]
    write_video(path, frames)
  return build(folder, paths, short_side=48)


def test_a_still_moves_as_its_boxes_say(stills):
  (batch,) = train(stills, steps=1)
  assert batch.frames.shape == (4, 1, 6, 24, 24, 3)
  assert batch.frames.dtype == np.uint8
  size = stills.height[batch.row], stills.width[batch.row]
  assert set(zip(*(s.tolist() for s in size), strict=True)) == {(40, 60)}
  plan = training_plan(stills, batch.row.astype(np.int64), np.arange(4), SPEC, 1, None)
  y1, x1, y2, x2 = np.moveaxis(plan.cuts[0].reshape(4, 6, 4).astype(float), -1, 0)
  red, green = batch.frames[:, 0, ..., 0].astype(float), batch.frames[:, 0, ..., 1].astype(float)
  # The mean of a box of a linear picture is its value at the box's centre.
  np.testing.assert_allclose(red.mean((2, 3)), (y1 + y2) / 2 * 39 / 40 * 200, atol=3)
  np.testing.assert_allclose(green.mean((2, 3)), (x1 + x2) / 2 * 59 / 60 * 200, atol=3)
  assert np.abs(red.mean((2, 3))[:, -1] - red.mean((2, 3))[:, 0]).max() > 5  # something moves
  assert batch.frames[..., 2].min() > 60  # no sample from outside the picture, which would be black


def test_a_still_moves_otherwise_every_epoch_and_is_read_once_a_clip(stills):
  before = stills.bytes_read, stills.num_reads
  batches = train(stills, steps=5)  # four epochs of five stills
  frames, rows = np.concatenate([b.frames for b in batches]), np.concatenate([b.row for b in batches])
  of_first = frames[rows == 0]
  assert len(of_first) == 4
  assert len({clip.tobytes() for clip in of_first}) == 4
  assert stills.num_reads - before[1] <= 4 * 10  # at most a read for every clip of those read ahead too


def test_stills_are_evaluated_with_the_same_motions_every_time(stills):
  once, again = evaluate(stills, seed=3), evaluate(stills, seed=3, batch_size=5)
  mine = np.concatenate([clips_of(b)[b.mask] for b in once])
  assert mine.shape == (5, 3, 6, 24, 24, 3)
  np.testing.assert_array_equal(mine, np.concatenate([clips_of(b)[b.mask] for b in again]))
  assert len({clip.tobytes() for clip in mine.reshape(15, -1)}) == 15
  other = np.concatenate([clips_of(b)[b.mask] for b in evaluate(stills, seed=4)])
  assert (mine != other).any()


def test_large_stills_are_shrunk_while_decoding(stills):
  spec = SPEC._replace(crop=8)  # 40 pixels are more than twice 16
  (batch,) = train(stills, spec, steps=1)
  plan = training_plan(stills, batch.row.astype(np.int64), np.arange(4), spec, 1, None)
  assert set(plan.cuts[1].tolist()) == {4}
  y1, _, y2, _ = np.moveaxis(plan.cuts[0].reshape(4, 6, 4).astype(float), -1, 0)
  red = batch.frames[:, 0, ..., 0].mean((2, 3))
  np.testing.assert_allclose(red, ((y1 + y2) / 2 * 9 + 0.5) / 10 * 200, atol=4)


def test_features_are_the_sampled_vectors(vectors):
  index, arrays = vectors
  spec = ClipSpec(4, 2, 16, width=7)
  for batch in evaluate(index, spec, num_clips=1):
    assert batch.frames.dtype == np.float32
    assert batch.frames.shape == (2, 4, 7)
    for row, clip in zip(batch.row, clips_of(batch)[:, 0], strict=True):
      array = arrays[int(index.video_id(row))]
      start = max(len(array) - 7, 0) // 2
      np.testing.assert_array_equal(clip, array[(start + 2 * np.arange(4)) % len(array)])
  (batch,) = train(index, spec, steps=1)
  assert batch.frames.shape == (4, 1, 4, 7)


def test_features_of_another_width_are_refused(vectors, stills):
  with pytest.raises(InputError, match=r"features of 7 numbers, 'model.num_features' is 5"):
    train(vectors[0], SPEC._replace(width=5))
  with pytest.raises(InputError, match="features of 7 numbers, not pictures"):
    train(vectors[0])
  with pytest.raises(InputError, match=r"holds images, but 'model.backbone' features reads"):
    train(stills, SPEC._replace(width=5))


def whole_frames(index, row, numbers):
  found = index.frame_bytes(np.array([row]), np.asarray(numbers)[None])
  return np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in found])


def test_a_larger_store_is_shrunk_while_decoding(large):
  """Stored at 48, wanted at 24: the same picture as a box mean of 2 x 2 pixels, centre-cropped."""
  (first, *_) = evaluate(large, ClipSpec(6, 1, 16, short_side=24), num_clips=1, batch_size=3)
  for row, clip in zip(first.row, clips_of(first)[:, 0], strict=True):
    stored = whole_frames(large, row, range(3, 9)).astype(float)
    half = stored.reshape(6, 24, 2, 32, 2, 3).mean((2, 4))
    np.testing.assert_allclose(clip, half[:, 4:20, 8:24], atol=6)


def test_a_store_of_any_size_is_resized(large):
  """Stored at 48, wanted at 36: a crop of 24 shows 32 stored pixels."""
  (first, *_) = evaluate(large, ClipSpec(6, 1, 24, short_side=36), num_clips=1, batch_size=3)
  for row, clip in zip(first.row, clips_of(first)[:, 0], strict=True):
    window = whole_frames(large, row, range(3, 9))[:, 8:40, 16:48]
    assert clip.shape == (6, 24, 24, 3)
    np.testing.assert_allclose(clip.mean((1, 2)), window.mean((1, 2)), atol=1.5)
    np.testing.assert_allclose(clip[:, 0, 0, :2], window[:, 0, 0, :2], atol=4)


def test_scaled_windows_are_resized_and_the_frames_stay_the_same(large):
  plain, scaled = train(large), train(large, SPEC._replace(scales=(1.0, 0.5)))
  blue = [np.concatenate([b.frames[..., 2].mean((3, 4)) for b in side]) for side in (plain, scaled)]
  np.testing.assert_allclose(*blue, atol=3)
  spread = np.concatenate([np.ptp(b.frames[..., 0].astype(int), axis=(1, 2, 3, 4)) for b in scaled])
  # Red spans 200 over the height: a whole side shows all of it, half a side half.
  assert set((spread > 150).tolist()) == {True, False}
  assert (spread > 70).all()


def test_evaluation_takes_no_scaled_windows(large):
  one, other = evaluate(large), evaluate(large, SPEC._replace(scales=(0.5,)))
  np.testing.assert_array_equal(one[0].frames, other[0].frames)


def test_png_frames_of_another_writer(tmp_path):
  from tfds_sets import write_tfds

  from data_prep.index import index_tfds
  from zsar_jax.data.tensorflow_import import tensorflow_datasets

  kinds = tensorflow_datasets().features
  frames = ramp_frames(9)
  videos = [{"video": frames, "label": i % 2} for i in range(3)]
  features = {"video": kinds.Video(shape=(None, 24, 32, 3)), "label": kinds.ClassLabel(names=list(CLASSES))}
  folder = write_tfds(tmp_path, features, {"train": videos})
  index_tfds(folder)
  index = open_index(folder)
  assert index.encoding == "png"
  (batch,) = train(index, ClipSpec(4, 2, 16), steps=1)
  numbers = frame_numbers(batch.frames[:, 0])
  assert (np.diff(numbers) == 2).all()
  np.testing.assert_array_equal(batch.frames[:, 0, :, 0, 0, 0], 9 * numbers)  # without loss
  (half, *_) = evaluate(index, ClipSpec(4, 2, 8, short_side=12), num_clips=1, batch_size=3)
  np.testing.assert_array_equal(clips_of(half)[0, 0, :, 3, 3, 0] // 9, [1, 3, 5, 7])
