import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_videos import CLASSES, frame_numbers

from zsar_jax.data.index import RecordError, open_index, validation_rows

ROOT = pathlib.Path(__file__).parents[2]


def decoded(jpegs: list[bytes]) -> np.ndarray:
  frames = []
  for jpeg in jpegs:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
      frames += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
  return np.stack(frames)


@pytest.fixture
def copy(records, tmp_path):
  shutil.copytree(records, tmp_path / "copy")
  return tmp_path / "copy"


def test_columns(index, entries):
  assert len(index) == 10
  assert index.class_names == CLASSES
  by_id = {entry.video_id: (i, entry) for i, entry in enumerate(entries)}
  for row in range(len(index)):
    number, entry = by_id[index.video_id(row)]
    assert index.label[row] == entry.label
    assert index.num_frames[row] == 6 + 2 * number
    assert (index.height[row], index.width[row], index.fps[row]) == (24, 32, 10)
  assert isinstance(index.label, np.memmap)
  assert [index.label.dtype, index.num_frames.dtype, index.fps.dtype] == [np.int32, np.int32, np.float32]


def test_frames_are_the_asked_ones_in_order(index):
  rows = np.array([3, 0, 3])
  frames = np.array([[5, 0, 1, 2], [0, 0, 4, 3], [2, 5, 2, 1]])
  np.testing.assert_array_equal(frame_numbers(decoded(index.frame_bytes(rows, frames))), frames.reshape(-1))


def test_only_the_frames_bytes_are_read_and_neighbours_at_once(records):
  index = open_index(records)
  found = index.frame_bytes(
    np.array([1, 3, 1]), np.array([[0, 1, 2, 4, 4], [3, 3, 3, 3, 3], [5, 1, 0, 0, 0]])
  )
  different = [*found[:4], found[5], found[10]]
  assert index.num_reads == 3  # of video 1 the frames 0 to 2 and 4 to 5, of video 3 one
  assert (
    sum(map(len, different)) <= index.bytes_read <= sum(map(len, different)) + 3 * 8
  )  # neighbours' headers
  assert found[3] == found[4]
  assert found[11:] == [found[1], *found[:1] * 3]


def test_a_plan_is_in_the_order_of_files_and_offsets_and_reads_nothing(records):
  index = open_index(records)
  rows = np.random.default_rng(0).integers(len(index), size=40)
  frames = np.random.default_rng(1).integers(6, size=(40, 5))
  plan = index.plan_reads(rows, frames)
  places = list(zip(plan.files, plan.starts, strict=True))
  assert places == sorted(set(places))
  assert (plan.rows[plan.places].reshape(40, 5) == rows[:, None]).all()
  assert index.num_reads == 0
  assert index.frame_bytes(rows[:0], frames[:0]) == []


def test_ids_one_by_one_are_those_of_many(index):
  rows = np.array([4, 0, 9, 4])
  assert index.video_ids(rows) == [index.video_id(row) for row in rows]
  assert index.video_ids(rows[:0]) == []


def test_attributes_say_what_a_frame_is(index):
  assert (index.kind, index.encoding, index.options.short_side) == ("video", "jpeg", 24)


@pytest.mark.parametrize("frame", [-1, 1000])
def test_frames_outside_the_video(index, frame):
  with pytest.raises(IndexError, match=f"video {index.video_id(2)} has"):
    index.frame_bytes(np.array([2]), np.array([[0, frame]]))


def test_a_flipped_byte_is_named(copy):
  index = open_index(copy)
  row = len(index) - 1
  (jpeg,) = index.frame_bytes(np.array([row]), np.array([[3]]))
  file = max(copy.glob("*.tfrecord-*"))
  contents = bytearray(file.read_bytes())
  offset = contents.rindex(jpeg)  # frames of equal pictures have equal bytes
  contents[offset + len(jpeg) // 2] ^= 1
  file.write_bytes(contents)
  message = rf"{file.name}: {len(jpeg)} bytes at offset {offset} \(frame 3 of video {index.video_id(row)}\)"
  with pytest.raises(RecordError, match=message):
    index.frame_bytes(np.array([0, row]), np.array([[0, 1], [2, 3]]))
  assert index.frame_bytes(np.array([row]), np.array([[2]]))  # its neighbours are whole


def test_reading_needs_no_tensorflow(records):
  code = (
    "import sys; sys.modules['tensorflow'] = sys.modules['av'] = None\n"
    "import numpy as np; from zsar_jax.data.index import open_index\n"
    f"index = open_index({str(records)!r})\n"
    "assert len(index.frame_bytes(np.array([0]), np.array([[0, 1]]))) == 2"
  )
  subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def named(labels):
  """What `validation_rows` needs of an index."""
  return SimpleNamespace(label=labels, video_ids=lambda rows: [f"video {row}" for row in rows])


@given(
  st.lists(st.integers(0, 4), min_size=1, max_size=120),
  st.sampled_from([0.02, 0.1, 0.5, 1.0]),
  st.sampled_from([1, 7, 1000]),
)
def test_validation_takes_some_of_each_class_and_never_all(labels, fraction, names_at_once):
  labels = np.array(labels)
  with mock.patch("zsar_jax.data.index._NAMES_AT_ONCE", names_at_once):
    train, validation = validation_rows(named(labels), np.arange(len(labels)), fraction)
  assert sorted([*train, *validation]) == list(range(len(labels)))
  for label in set(labels.tolist()):
    members = np.flatnonzero(labels == label)
    expected = min(max(1, round(fraction * len(members))), len(members) - 1)
    by_hash = sorted(members, key=lambda row: hashlib.sha256(f"video {row}".encode()).hexdigest())
    assert set(validation[labels[validation] == label]) == set(by_hash[:expected])


def test_validation_keeps_the_order_of_rows_and_may_be_of_none():
  index = named(np.zeros(100, int))
  rows = np.random.default_rng(0).permutation(100)
  train, validation = validation_rows(index, rows, 0.05)
  assert [row for row in rows if row in set(validation)] == validation.tolist()
  assert [row for row in rows if row in set(train)] == train.tolist()
  assert len(validation) == 5
  assert [len(part) for part in validation_rows(index, rows[:0])] == [0, 0]


def test_650000_videos_fit_in_a_gigabyte(tmp_path):
  """Opening, filtering, splitting, permuting, seeking; in a process of its own that tells its peak memory."""
  command = [
    sys.executable,
    "benchmarks/index_scale.py",
    "--json",
    "--frames",
    "4",
    "--folder",
    str(tmp_path),
  ]
  environment = os.environ | {"PYTHONPATH": str(ROOT)}
  done = subprocess.run(
    command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout)
  assert result["videos"] == 650_000
  assert result["peak_memory_mb"] < 1000
  assert result["kept_classes"] == 664
  assert not list(tmp_path.iterdir())
