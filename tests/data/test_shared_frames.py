"""Evaluation hands over every frame once: gathering by positions gives the clips, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_videos import clips_of, ramp_frames, write_video

from zsar_jax.data import augment, plans, sampling
from zsar_jax.data.build import build_records
from zsar_jax.data.decoding import motion_decoder, window_decoder
from zsar_jax.data.index import open_index
from zsar_jax.data.pipeline import ClipSpec, eval_batches
from zsar_jax.data.schema import Entry

SPEC = ClipSpec(num_frames=4, stride=2, crop=16)
NUM_CLIPS = 5


def build(folder, paths, **options):
  entries = [Entry(str(path), 0, path.name) for path in paths]
  build_records(entries, ("a",), folder / "records", workers=1, **options)
  return open_index(folder / "records")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
  """Videos of 3 to 40 frames, shorter than a clip and much longer, of noise."""
  folder = tmp_path_factory.mktemp("noise")
  paths = [folder / f"{i}.mp4" for i in range(5)]
  for i, (path, length) in enumerate(zip(paths, (40, 3, 1, 17, 9), strict=True)):
    noise = np.random.default_rng(i).integers(0, 200, (length, 24, 32, 3))
    write_video(path, (noise // 4 + ramp_frames(length) // 2).astype(np.uint8))
  return build(folder, paths, short_side=24)


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
  folder = tmp_path_factory.mktemp("pictures")
  paths = [folder / f"{i}.png" for i in range(3)]
  for i, path in enumerate(paths):
    Image.fromarray(np.random.default_rng(i).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
  return build(folder, paths, short_side=40, kind="image")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
  folder = tmp_path_factory.mktemp("numbers")
  paths = [folder / f"{i}.npy" for i in range(4)]
  for i, path in enumerate(paths):
    np.save(path, np.random.default_rng(i).normal(size=(2 + 9 * i, 7)).astype(np.float32))
  return build(folder, paths, short_side=0, kind="features")


def evaluate(index, spec=SPEC, **options):
  rows = np.arange(len(index))
  options = {"batch_size": 4, "num_clips": NUM_CLIPS, "workers": 2} | options
  return list(eval_batches(index, rows, index.label, spec, **options))


def wanted_frames(index, kind, spec, num_clips=NUM_CLIPS):
  """int [V, N, T]"""
  lengths = index.num_frames[np.arange(len(index))]
  if kind == "even":
    return sampling.even_clips(lengths, num_clips, spec.num_frames, spec.stride)
  if kind == "released":
    return sampling.released_clips(lengths, num_clips, spec.num_frames)
  draws = sampling.eval_draws(0, np.arange(len(index)), num_clips, 1)[..., 0]
  return sampling.random_clips(lengths, spec.num_frames, spec.stride, draws)


def decode_one_by_one(index, frames, spec):
  """Every frame of every clip on its own."""
  rows = np.arange(len(index))
  geometry = plans.video_geometry(index, rows, spec)
  decode = window_decoder(index.encoding, 1, spec.crop, geometry)
  sides = augment.sides_of_crop(index.height[rows], index.width[rows], spec.crop, spec.short_side)
  windows = augment.centre_windows(index.height[rows], index.width[rows], sides)
  pictures = [
    decode(index.frame_bytes(np.array([row]), np.array([[frame]])), windows[row][None]).numpy()[0]
    for row in rows
    for frame in frames[row].ravel()
  ]
  return np.stack(pictures).reshape(*frames.shape, spec.crop, spec.crop, 3)


def kept_clips(batches):
  return np.concatenate([clips_of(batch)[batch.mask] for batch in batches])


@pytest.mark.parametrize("kind", ["even", "random", "released"])
def test_clips_of_videos_are_those_decoded_one_by_one(videos, kind):
  spec = SPEC._replace(stride=1) if kind == "released" else SPEC
  batches = evaluate(videos, spec, clips=kind)
  expected = decode_one_by_one(videos, wanted_frames(videos, kind, spec), spec)
  np.testing.assert_array_equal(kept_clips(batches), expected)
  for batch in batches:
    assert batch.frames.dtype == np.uint8
    assert {a.dtype for a in (batch.positions, batch.label, batch.row)} == {np.dtype(np.int32)}
    assert batch.positions.shape == (4, NUM_CLIPS, 4)
  assert [batch.mask.sum() for batch in batches] == [4, 1]
  # The last batch is its only video four times over.
  assert (batches[1].frames == batches[1].frames[:1]).all()


def test_one_clip_has_as_many_frames_as_it_shows(videos):
  batches = evaluate(videos, num_clips=1, batch_size=1)
  assert [batch.frames.shape[:2] for batch in batches] == [(1, 4)] * 5
  whole = [batch for batch in batches if videos.num_frames[batch.row[0]] >= 7]
  assert len(whole) == 3
  assert all(batch.positions.ravel().tolist() == [0, 1, 2, 3] for batch in whole)
  expected = decode_one_by_one(videos, wanted_frames(videos, "even", SPEC, 1), SPEC)
  np.testing.assert_array_equal(kept_clips(batches), expected)


def test_frames_are_ascending_and_their_number_is_rounded_up(videos):
  frames = wanted_frames(videos, "even", SPEC)
  distinct = [len(np.unique(one)) for one in frames]
  batches = evaluate(videos, batch_size=1)
  assert [batch.frames.shape[1] for batch in batches] == [
    sampling.round_up_frames(num, 20) for num in distinct
  ]
  for batch, num in zip(batches, distinct, strict=True):
    assert sorted(set(batch.positions.ravel().tolist())) == list(range(num))
    assert (batch.frames[:, num:] == batch.frames[:, num - 1 : num]).all()


def test_clips_of_stills_are_those_decoded_one_by_one(stills):
  (batch,) = evaluate(stills, batch_size=3)
  assert batch.frames.shape == (3, NUM_CLIPS * 4, 16, 16, 3)
  assert (batch.positions.reshape(3, -1) == np.arange(NUM_CLIPS * 4)).all()
  decode = motion_decoder(stills.encoding, 16)
  for row in range(3):
    draws = sampling.eval_draws(0, np.array([row]), NUM_CLIPS, 6)
    for clip in range(NUM_CLIPS):
      plan = plans._stills(stills, np.array([row]), draws[:, clip : clip + 1], SPEC)
      boxes, shrink = plan.cuts
      encoded = stills.frame_bytes(np.array([row]), np.array([[0]]))
      np.testing.assert_array_equal(clips_of(batch)[row, clip], decode(encoded, boxes[0], shrink[0]).numpy())


def test_clips_of_features_are_those_read_one_by_one(vectors):
  spec = SPEC._replace(width=7)
  batches = evaluate(vectors, spec, batch_size=1)
  wanted = wanted_frames(vectors, "even", spec)
  sizes = [sampling.round_up_frames(len(np.unique(clips)), 20) for clips in wanted]
  assert sorted(sizes) == [1, 12, 20, 20]
  assert [batch.frames.shape for batch in batches] == [(1, size, 7) for size in sizes]
  for row, clips in enumerate(kept_clips(batches)):
    numbers = vectors.frame_bytes(np.array([row]), wanted[row].reshape(1, -1))
    expected = np.frombuffer(b"".join(numbers), "<f4").reshape(NUM_CLIPS, 4, 7)
    np.testing.assert_array_equal(clips, expected)


@pytest.mark.parametrize("kind", ["videos", "vectors"])
def test_every_frame_is_read_once(kind, request, monkeypatch):
  index = request.getfixturevalue(kind)
  asked = []
  read = index._reader.read

  def counted(files, starts, lengths):
    asked.extend(zip(files.tolist(), starts.tolist(), strict=True))
    return read(files, starts, lengths)

  monkeypatch.setattr(index._reader, "read", counted)
  spec = SPEC if kind == "videos" else SPEC._replace(width=7)
  evaluate(index, spec)
  wanted = wanted_frames(index, "even", spec)
  assert len(asked) == len(set(asked)) == sum(len(np.unique(one)) for one in wanted)


@pytest.mark.parametrize("kind", ["videos", "stills", "vectors"])
def test_processes_agree_on_the_number_of_frames(kind, request):
  index = request.getfixturevalue(kind)
  spec = SPEC if kind != "vectors" else SPEC._replace(width=7)
  whole = evaluate(index, spec)
  parts = [evaluate(index, spec, process_index=p, process_count=4) for p in range(4)]
  for step, batch in enumerate(whole):
    shares = [part[step] for part in parts]
    assert {share.frames.shape[1] for share in shares} == {batch.frames.shape[1]}
    for field in ("frames", "positions"):
      np.testing.assert_array_equal(
        np.concatenate([getattr(s, field) for s in shares]), getattr(batch, field)
      )
    for share in shares:
      for field in ("label", "mask", "row"):
        np.testing.assert_array_equal(getattr(share, field), getattr(batch, field))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_distinct_frames_are_the_clips_frames(data):
  shape = [data.draw(st.integers(1, most)) for most in (4, 5, 6)]
  frames = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
    0, data.draw(st.integers(1, 40)), shape
  )
  distinct, positions = sampling.distinct_frames(frames)
  np.testing.assert_array_equal(np.take_along_axis(distinct[:, None], positions, axis=2), frames)
  for row, clips in zip(distinct, frames, strict=True):
    different = np.unique(clips)
    assert row.tolist() == different.tolist() + [different[-1]] * (len(row) - len(different))
  assert distinct.shape[1] == max(len(np.unique(clips)) for clips in frames)
  assert positions.dtype == np.int32


def test_numbers_of_frames_are_rounded_up_to_few():
  steps = [sampling.round_up_frames(num, 10**6) for num in range(1, 50)]
  assert sorted(set(steps)) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
  assert all(num <= step < 1.5 * num for num, step in enumerate(steps, 1))
  assert sampling.round_up_frames(17, 20) == 20
  assert sampling.round_up_frames(16, 16) == 16
