import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_videos import CLASSES, frame_numbers

from zsar_jax.data.index import RecordError, open_index, validation_rows
from zsar_jax.errors import InputError


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


def test_only_the_frames_bytes_are_read_and_neighbours_at_once(index, monkeypatch):
  reads = []
  pread = os.pread
  monkeypatch.setattr(os, "pread", lambda *a: reads.append(a[1]) or pread(*a))
  found = index.frame_bytes(np.array([1]), np.array([[0, 1, 2, 4, 4]]))
  assert len(reads) == 2
  assert sum(reads) <= sum(map(len, found[:4])) + 2 * 8  # two neighbours' headers besides
  assert found[3] == found[4]


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


@pytest.mark.parametrize("kind", ["absent", "empty", "no index"])
def test_absent_records_name_the_command(kind, copy, tmp_path):
  directory = {"absent": tmp_path / "nothing", "empty": tmp_path / "empty", "no index": copy}[kind]
  (tmp_path / "empty").mkdir()
  shutil.rmtree(copy / "index")
  with pytest.raises(InputError, match=rf"(?s){directory}.*python -m data_prep\.build"):
    open_index(directory)


def test_cut_and_missing_files_are_all_listed(copy):
  first, second, third = sorted(copy.glob("*.tfrecord-*"))
  size = first.stat().st_size
  os.truncate(first, size - 7)
  second.unlink()
  (copy / "index" / "label.npy").write_bytes(b"")
  with pytest.raises(InputError) as error:
    open_index(copy)
  assert f"{first} has {size - 7} bytes, expected {size} bytes" in str(error.value)
  assert f"{second} is missing" in str(error.value)
  assert "label.npy cannot be read" in str(error.value)
  assert third.name not in str(error.value)


def test_another_schema_is_refused(copy):
  file = copy / "index" / "index.json"
  file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 99}))
  with pytest.raises(InputError, match="schema 99, this version reads schema 1"):
    open_index(copy)


def test_a_cut_column_is_refused(copy):
  np.save(copy / "index" / "label.npy", np.zeros(3, np.int32))
  with pytest.raises(InputError, match=r"label\.npy holds int32 \(3,\)"):
    open_index(copy)


def test_reading_needs_no_tensorflow(records):
  code = (
    "import sys; sys.modules['tensorflow'] = sys.modules['av'] = None\n"
    "import numpy as np; from zsar_jax.data.index import open_index\n"
    f"index = open_index({str(records)!r})\n"
    "assert len(index.frame_bytes(np.array([0]), np.array([[0, 1]]))) == 2"
  )
  subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=120), st.sampled_from([0.02, 0.1, 0.5, 1.0]))
def test_validation_takes_some_of_each_class_and_never_all(labels, fraction):
  labels = np.array(labels)
  index = SimpleNamespace(label=labels, video_id=lambda row: f"video {row}")
  train, validation = validation_rows(index, np.arange(len(labels)), fraction)
  assert sorted([*train, *validation]) == list(range(len(labels)))
  for label in set(labels.tolist()):
    n = int((labels == label).sum())
    expected = min(max(1, round(fraction * n)), n - 1)
    assert (labels[validation] == label).sum() == expected


def test_validation_is_by_the_hash_of_the_id():
  index = SimpleNamespace(label=np.zeros(100, int), video_id=lambda row: f"id{row}")
  _, validation = validation_rows(index, np.arange(100), 0.05)
  by_hash = sorted(range(100), key=lambda r: hashlib.sha256(f"id{r}".encode()).hexdigest())
  assert set(validation) == set(by_hash[:5])
