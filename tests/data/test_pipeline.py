import itertools
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tiny_videos import clips_of, frame_numbers

from zsar_jax.data import sampling
from zsar_jax.data.index import RecordError, open_index
from zsar_jax.data.pipeline import ClipSpec, eval_batches, train_batches, train_steps
from zsar_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]
SPEC = ClipSpec(num_frames=4, stride=2, crop=16)
WORDS = np.arange(6, dtype=np.int32).reshape(3, 2)
ROWS = np.array([9, 1, 2, 3, 4, 5, 7])


def train(index, rows=ROWS, *, steps=5, **options):
  options = {"batch_size": 4, "seed": 1, "workers": 2} | options
  batches = train_batches(index, rows, index.label[rows], WORDS, SPEC, **options)
  return list(itertools.islice(batches, steps))


def evaluate(index, rows=ROWS, spec=SPEC, **options):
  options = {"batch_size": 4, "num_clips": 3, "workers": 2} | options
  return list(eval_batches(index, rows, index.label[rows], spec, **options))


def assert_same(one, other):
  for a, b in zip(one, other, strict=True):
    for field, x, y in zip(a._fields, a, b, strict=True):
      np.testing.assert_array_equal(x, y, err_msg=field)


def test_train_batches_hold_what_they_should(index):
  for batch in train(index):
    assert batch.frames.shape == (4, 1, 4, 16, 16, 3)
    assert batch.frames.dtype == np.uint8
    assert batch.mask.all()
    assert {a.dtype for a in (batch.label, batch.words, batch.row)} == {np.dtype(np.int32)}
    np.testing.assert_array_equal(batch.label, index.label[batch.row])
    np.testing.assert_array_equal(batch.words, WORDS[batch.label])


def test_train_frames_are_the_sampled_ones(index):
  for step, batch in enumerate(train(index)):
    positions, clips = sampling.global_rows(len(ROWS), 1, step, 4)
    np.testing.assert_array_equal(batch.row, ROWS[positions])
    draws = sampling.clip_draws(1, clips, 3)
    expected = sampling.train_frames(index.num_frames[batch.row], 4, 2, draws[:, 0])
    np.testing.assert_array_equal(frame_numbers(batch.frames[:, 0]), expected)


def test_an_epoch_sees_every_row_once(index):
  seen = np.concatenate([batch.row for batch in train(index, steps=7)])
  assert sorted(seen[:7]) == sorted(ROWS)
  assert sorted(seen[7:14]) == sorted(ROWS)


def test_processes_share_the_global_batches(index):
  whole = train(index)
  parts = [train(index, process_index=p, process_count=2) for p in range(2)]
  joined = [
    type(a)(*(np.concatenate(f) for f in zip(a, b, strict=True))) for a, b in zip(*parts, strict=True)
  ]
  assert_same(joined, whole)


def test_a_later_start_gives_the_same_batches_and_reads_nothing_before(index, monkeypatch):
  whole = train(index, steps=8)
  rows_read = []
  read = index.frame_bytes
  monkeypatch.setattr(index, "frame_bytes", lambda rows, frames: rows_read.append(rows) or read(rows, frames))
  assert_same(train(index, steps=2, start_step=6), whole[6:])
  # Steps are read ahead, and two threads may read them in either order.
  read_now = [rows.tolist() for rows in rows_read]
  later = [batch.row.tolist() for batch in train(index, steps=6 + len(read_now) + 2)[6:]]
  assert whole[6].row.tolist() in read_now
  assert all(rows in later for rows in read_now)


def test_the_seed_matters_and_the_workers_do_not(index):
  one = train(index, workers=1)
  assert_same(one, train(index, workers=3))
  assert any((a.row != b.row).any() for a, b in zip(one, train(index, seed=2), strict=True))


def test_crops_are_windows_of_the_decoded_frames(records, index):
  """A picture with a pattern, cropped by the pipeline, equals the window of the whole picture."""
  import tensorflow as tf

  (batch,) = train(index, steps=1)
  _, clips = sampling.global_rows(len(ROWS), 1, 0, 4)
  corners = sampling.random_crops(
    index.height[batch.row], index.width[batch.row], 16, sampling.clip_draws(1, clips, 3)[:, 1:]
  )
  assert len({tuple(c) for c in corners}) > 1
  numbers = frame_numbers(batch.frames[:, 0])
  jpegs = np.array(index.frame_bytes(batch.row, numbers), object).reshape(4, 4)
  for i, (y, x) in enumerate(corners):
    for t in range(4):
      whole = tf.io.decode_jpeg(jpegs[i, t], fancy_upscaling=False).numpy()
      window = whole[y : y + 16, x : x + 16].astype(int)
      np.testing.assert_allclose(batch.frames[i, 0, t], window, atol=3)


def test_eval_visits_each_row_once_in_order_and_pads(index):
  batches = evaluate(index)
  assert [batch.mask.tolist() for batch in batches] == [[True] * 4, [True] * 3 + [False]]
  kept = np.concatenate([batch.row[batch.mask] for batch in batches])
  np.testing.assert_array_equal(kept, ROWS)
  frames = np.concatenate([clips_of(batch)[batch.mask] for batch in batches])
  assert frames.shape == (7, 3, 4, 16, 16, 3)
  expected = sampling.even_clips(index.num_frames[ROWS], 3, 4, 2)
  np.testing.assert_array_equal(frame_numbers(frames), expected)


def test_eval_processes_share_and_stay_in_step(index):
  rows = ROWS[:5]
  parts = [evaluate(index, rows, process_index=p, process_count=2) for p in range(2)]
  assert [len(part) for part in parts] == [2, 2]
  for part in parts:  # labels are of the whole batch, frames of the process's share
    assert [batch.row[batch.mask].tolist() for batch in part] == [[9, 1, 2, 3], [4]]
    assert [len(batch.frames) for batch in part] == [2, 2]


def test_released_clips(index):
  spec = SPEC._replace(stride=1)
  (first, _) = evaluate(index, spec=spec, clips="released")
  expected = sampling.released_clips(index.num_frames[ROWS[:4]], 3, 4)
  np.testing.assert_array_equal(frame_numbers(clips_of(first)), expected)


def test_random_clips_are_the_same_every_time(index):
  one, again = evaluate(index, clips="random", seed=5), evaluate(index, clips="random", seed=5, batch_size=2)
  frames = [np.concatenate([clips_of(batch)[batch.mask] for batch in side]) for side in (one, again)]
  np.testing.assert_array_equal(*frames)
  draws = sampling.eval_draws(5, ROWS, 3, 1)[..., 0]
  expected = sampling.random_clips(index.num_frames[ROWS], 4, 2, draws)
  np.testing.assert_array_equal(frame_numbers(frames[0]), expected)
  assert any(
    (clips_of(a) != clips_of(b)).any()
    for a, b in zip(one, evaluate(index, clips="random", seed=6), strict=True)
  )


def test_a_frame_that_several_clips_show_is_decoded_once(index):
  """Seven videos of 8 to 24 frames, 25 clips of 4: many more clip frames than frames."""
  from zsar_jax.data.plans import evaluation_plan, video_geometry

  plan = evaluation_plan(index, ROWS, 25, "even", SPEC, 0, video_geometry(index, ROWS, SPEC))
  assert plan.positions.size == 700
  assert plan.places.shape == (7, 24)  # the longest video
  assert plan.take.size < index.num_frames[ROWS].sum() + 16
  frames = np.concatenate([clips_of(batch)[batch.mask] for batch in evaluate(index, num_clips=25)])
  expected = sampling.even_clips(index.num_frames[ROWS], 25, 4, 2)
  np.testing.assert_array_equal(frame_numbers(frames), expected)


def test_a_resumed_run_reads_no_more_bytes_than_its_own_clips_need(records):
  index = open_index(records)
  steps = train_steps(index, ROWS, SPEC, batch_size=4, seed=1, start_step=1000)
  train(index, steps=1, start_step=1000)
  read = index.bytes_read
  needed = 0
  for step in range(1000, 1010):  # what is read ahead is some batches, never a thousand
    before = index.bytes_read
    plan = steps.plan(step)
    index.frame_bytes(plan.rows, plan.frames)
    needed += index.bytes_read - before
  assert 0 < read <= needed


PROCESS = """
import itertools, sys, numpy as np
from zsar_jax.data.index import open_index
from zsar_jax.data.pipeline import ClipSpec, eval_batches, train_batches
index, process, out = open_index(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rows, words, spec = np.array([9, 1, 2, 3, 4, 5, 7]), np.zeros((3, 2), np.int32), ClipSpec(4, 2, 16)
options = dict(batch_size=4, process_index=process, process_count=2, workers=1)

def train(start, steps):
  batches = train_batches(index, rows, index.label[rows], words, spec, seed=1, start_step=start, **options)
  return list(itertools.islice(batches, steps))

def clips(batches):
  return [b.frames[np.arange(len(b.frames))[:, None, None], b.positions] for b in batches]

whole, resumed = train(0, 6), train(4, 2)
test = list(eval_batches(index, rows, index.label[rows], spec, num_clips=3, **options))
np.savez(out, train=[b.frames for b in whole], rows=[b.row for b in whole], test=clips(test),
         mask=[b.mask for b in test], resumed=[b.frames for b in resumed])
"""


def test_two_real_processes_share_what_one_reads(records, index, tmp_path):
  files = [tmp_path / f"{process}.npz" for process in range(2)]
  commands = [[sys.executable, "-c", PROCESS, str(records), str(p), str(f)] for p, f in enumerate(files)]
  running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
  one, test = train(index, steps=6), evaluate(index)
  assert [process.wait(timeout=200) for process in running] == [0, 0]
  shares = [np.load(file) for file in files]
  both = {key: np.concatenate([share[key] for share in shares], axis=1) for key in shares[0].files}
  np.testing.assert_array_equal(both["rows"], [batch.row for batch in one])
  np.testing.assert_array_equal(both["train"], [batch.frames for batch in one])
  np.testing.assert_array_equal(both["resumed"], [batch.frames for batch in one[4:]])
  np.testing.assert_array_equal(both["test"], [clips_of(batch) for batch in test])
  for share in shares:
    np.testing.assert_array_equal(share["mask"], [batch.mask for batch in test])


def test_evaluation_refuses_a_batch_that_processes_cannot_share(index):
  with pytest.raises(InputError, match="batch_size 4 is not a multiple of the 3 processes"):
    evaluate(index, process_index=0, process_count=3)


def test_wrong_arguments_are_all_named(index):
  with pytest.raises(InputError) as error:
    train_batches(
      index, ROWS, np.full(7, 5), WORDS, SPEC._replace(crop=64), batch_size=5, seed=0, process_count=2
    )
  message = str(error.value)
  assert "labels from 5 to 5, but words for 3 classes" in message
  assert "crop 64 is larger than the short side, 24 pixels" in message
  assert "batch_size 5 is not a multiple of the 2 processes" in message
  with pytest.raises(InputError, match="no videos to read"):
    evaluate(index, ROWS[:0])
  with pytest.raises(InputError, match="expected one of 'even', 'random', 'released'"):
    evaluate(index, clips="center")
  with pytest.raises(InputError, match="stride 2 cannot"):
    evaluate(index, clips="released")


def test_damaged_bytes_reach_the_caller_as_themselves(records, tmp_path):
  shutil.copytree(records, tmp_path / "copy")
  for file in (tmp_path / "copy").glob("*.tfrecord-*"):
    contents = bytearray(file.read_bytes())
    contents[100::50] = bytes(255 - b for b in contents[100::50])
    file.write_bytes(contents)
  index = open_index(tmp_path / "copy")
  with pytest.raises(RecordError, match="at offset"):
    train(index)
