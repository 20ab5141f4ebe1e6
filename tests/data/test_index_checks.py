import json
import os
import shutil
import uuid

import numpy as np
import pytest
from damaging import change_description, flip

from zsar_jax.data.index import RecordError, open_index
from zsar_jax.data.index_format import COLUMNS
from zsar_jax.data.tensorflow_import import tensorflow
from zsar_jax.errors import InputError


@pytest.fixture
def copy(records, tmp_path):
  shutil.copytree(records, tmp_path / "copy")
  return tmp_path / "copy"


@pytest.fixture
def far(copy, tmp_path, monkeypatch):
  """The records on another file system of TensorFlow's, as on an object store."""
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  return upload(copy)


def upload(folder):
  gfile = tensorflow().io.gfile
  target = f"ram://{uuid.uuid4().hex}/records"
  for path in sorted(p for p in folder.rglob("*") if p.is_file()):
    name = f"{target}/{path.relative_to(folder)}"
    gfile.makedirs(name.rpartition("/")[0])
    gfile.copy(str(path), name)
  return target


@pytest.mark.parametrize("kind", ["absent", "empty", "no index"])
def test_absent_records_name_the_command(kind, copy, tmp_path):
  directory = {"absent": tmp_path / "nothing", "empty": tmp_path / "empty", "no index": copy}[kind]
  (tmp_path / "empty").mkdir()
  shutil.rmtree(copy / "index")
  with pytest.raises(InputError, match=rf"(?s){directory}.*python -m data_prep\.build"):
    open_index(directory)


def test_files_cut_lengthened_missing_and_too_many_are_all_listed(copy):
  first, second, third = sorted(copy.glob("*.tfrecord-*"))
  size, next_size = first.stat().st_size, third.stat().st_size
  os.truncate(first, size - 7)  # inside a record
  second.unlink()
  with open(third, "ab") as file:
    file.write(b"more")
  stray = copy / "zsar_videos-videos.tfrecord-00003-of-00004"
  stray.write_bytes(b"")
  (copy / f"{first.name}.tmp-1-2").write_bytes(b"what an interrupted build leaves")
  (copy / "index" / "label.npy").write_bytes(b"")
  with pytest.raises(InputError, match=r"run the same data_prep\.build again") as error:
    open_index(copy)
  assert str(error.value).splitlines()[1:] == [
    f"  - {copy / 'index' / 'label.npy'} cannot be read (No data left in file)",
    f"  - {first} has {size - 7} bytes, expected {size} bytes",
    f"  - {second} is missing, expected {second_size(copy)} bytes",
    f"  - {third} has {next_size + 4} bytes, expected {next_size} bytes",
    f"  - {stray} is not one of the 3 files of the index",
  ]


def second_size(folder):
  return json.loads((folder / "index" / "index.json").read_text())["shards"][1]["size"]


def test_a_cut_on_the_boundary_of_a_record_is_found(copy, index):
  file = min(copy.glob("*.tfrecord-*"))
  last = int(np.flatnonzero(np.load(copy / "index" / "shard.npy") == 0)[-1])
  boundary = int(np.load(copy / "index" / "record_offset.npy")[last]) - 12
  os.truncate(file, boundary)
  with pytest.raises(InputError, match=f"{file} has {boundary} bytes"):
    open_index(copy)
  # Unlooked at, it is found where it is read.
  reader = open_index(copy, verify="off")
  assert len(reader.frame_bytes(np.array([last - 1]), np.array([[0, 1]]))) == 2
  with pytest.raises(RecordError, match=rf"{file}: 0 bytes at offset \d+, expected \d+: the file was cut"):
    reader.frame_bytes(np.array([last]), np.array([[0, 1]]))


def test_a_flipped_byte_needs_the_full_check_or_a_read(copy):
  index = open_index(copy)
  plan = index.plan_reads(np.array([2]), np.array([[3]]))
  file = copy / json.loads((copy / "index" / "index.json").read_text())["shards"][plan.files[0]]["file"]
  flip(file, int(plan.starts[0]) + 40)
  index = open_index(copy)
  flip(copy / "index" / "fps.npy", -1)
  with pytest.raises(InputError, match=r"fps\.npy was changed after it was written"):
    open_index(copy)
  with pytest.raises(InputError) as error:
    open_index(copy, verify="full")
  assert f"{file} has SHA-256" in str(error.value)
  assert f"{copy / 'index' / 'fps.npy'} has SHA-256" in str(error.value)
  assert len(str(error.value).splitlines()) == 3
  where = rf"{file}: \d+ bytes at offset {plan.starts[0]} \(frame 3 of video {index.video_id(2)}\)"
  with pytest.raises(RecordError, match=where):
    index.frame_bytes(np.array([2]), np.array([[3]]))


def test_records_of_another_writer_have_another_remedy(copy):
  change_description(copy, made_by="data_prep.index")
  file = min(copy.glob("*.tfrecord-*"))
  os.truncate(file, 30)
  again = f"prepare the data set again, run python -m data_prep.index {copy}"
  with pytest.raises(InputError, match=again):
    open_index(copy)
  with pytest.raises(RecordError, match=f"Delete it and {again}"):
    open_index(copy, verify="off").frame_bytes(np.array([0]), np.array([[0]]))


def test_a_full_check_of_whole_records_passes(copy):
  assert len(open_index(copy, verify="full")) == 10


def test_the_check_must_be_one_of_three(copy):
  with pytest.raises(InputError, match="verify='none': expected one of 'off', 'size', 'full'"):
    open_index(copy, verify="none")


def test_without_checks_no_file_is_looked_at(copy):
  for file in copy.glob("*.tfrecord-*"):
    file.unlink()
  index = open_index(copy, verify="off")
  assert len(index) == 10
  with pytest.raises(RecordError, match=r"tfrecord-00000-of-00003 cannot be read"):
    index.frame_bytes(np.array([0]), np.array([[0]]))


def test_another_schema_is_refused(copy):
  change_description(copy, schema=99)
  with pytest.raises(InputError, match="schema 99, this version reads schema 2"):
    open_index(copy)


@pytest.mark.parametrize(
  "contents", ["", "{", "[1]", '{"schema": 2}', '{"schema": 2, "columns": {"label": {}}}']
)
def test_a_damaged_description_is_refused(contents, copy):
  file = copy / "index" / "index.json"
  file.write_text(contents)
  with pytest.raises(InputError, match=rf"{file} is damaged .*data_prep\.build again"):
    open_index(copy)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_cut_column_is_refused(name, copy):
  file = copy / "index" / f"{name}.npy"
  os.truncate(file, file.stat().st_size - 1)
  with pytest.raises(InputError, match=rf"{name}\.npy cannot be read"):
    open_index(copy, verify="off")


def test_columns_of_another_length_and_labels_of_no_class_are_refused(copy):
  np.save(copy / "index" / "width.npy", np.zeros(3, np.int32))
  np.save(copy / "index" / "label.npy", np.full(10, 3, np.int32))
  with pytest.raises(InputError) as error:
    open_index(copy)
  assert r"width.npy holds int32 (3,), expected int32 (10,)" in str(error.value)
  assert r"label.npy holds labels 3 to 3, expected 0 to 2" in str(error.value)


def test_features_must_be_those_of_the_index(copy):
  file = copy / "features.json"
  described = json.loads(file.read_text())
  features = described["featuresDict"]["features"]
  features["frames"]["sequence"]["feature"]["image"]["shape"]["dimensions"] = ["-1", "-1", "1"]
  features["label"]["classLabel"]["numClasses"] = "4"
  features["sound"] = features.pop("fps")
  file.write_text(json.dumps(described))
  with pytest.raises(InputError) as error:
    open_index(copy, verify="off")
  assert [line.partition(": ")[2] for line in str(error.value).splitlines()[1:]] == [
    "feature 'fps' is absent, expected float32 []",
    "feature 'frames' is uint8 [any, any, any, 1], expected uint8 [any, any, any, 3]",
    "feature 'label' is int64 [] of 4 classes, expected int64 [] of 3 classes",
    "feature 'sound' is float32 [], expected absent",
  ]
  file.unlink()
  with pytest.raises(InputError, match=r"features\.json is missing"):
    open_index(copy)
  file.write_text("[]")
  with pytest.raises(InputError, match=r"features\.json cannot be read"):
    open_index(copy)


def test_sizes_that_are_what_they_are_pass(copy):
  with pytest.raises(InputError, match=r"short side of 24, 'data\.short_side' is 32"):
    open_index(copy, 32)
  description = json.loads((copy / "index" / "index.json").read_text())
  change_description(copy, options=description["options"] | {"short_side": 0})
  assert len(open_index(copy, 32)) == 10


def test_far_records_are_read_as_near_ones(far, copy, tmp_path):
  near, index = open_index(copy), open_index(far, 24, verify="full")
  rows, frames = np.array([7, 0, 9]), np.array([[0, 4, 5], [1, 1, 0], [2, 3, 2]])
  assert index.frame_bytes(rows, frames) == near.frame_bytes(rows, frames)
  assert index.video_ids(np.arange(10)) == near.video_ids(np.arange(10))
  assert isinstance(index.label, np.memmap)
  (folder,) = (tmp_path / "cache" / "zsar_jax").iterdir()
  made = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
  assert len(open_index(far)) == 10  # copied once
  assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == made


def test_far_records_are_checked_as_near_ones(copy, tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  first, second, _ = sorted(copy.glob("*.tfrecord-*"))
  size = first.stat().st_size
  index = open_index(copy)
  plan = index.plan_reads(np.array([0]), np.array([[1]]))
  flip(first, int(plan.starts[0]) + 5)
  far = upload(copy)
  with pytest.raises(
    RecordError, match=rf"{far}/{first.name}: \d+ bytes at offset {plan.starts[0]} \(frame 1"
  ):
    open_index(far).frame_bytes(np.array([0]), np.array([[1]]))
  with pytest.raises(InputError, match=f"{far}/{first.name} has SHA-256"):
    open_index(far, verify="full")
  os.truncate(first, size - 7)
  second.unlink()
  far = upload(copy)
  with pytest.raises(InputError) as error:
    open_index(far)
  assert f"{far}/{first.name} has {size - 7} bytes, expected {size} bytes" in str(error.value)
  assert f"{far}/{second.name} is missing" in str(error.value)


def test_a_far_index_that_is_not_whole_is_not_kept(copy, tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  flip(copy / "index" / "label.npy", -1)
  (copy / "index" / "fps.npy").unlink()
  far = upload(copy)
  with pytest.raises(InputError) as error:
    open_index(far)
  assert f"{far}/index/label.npy is not what was written" in str(error.value)
  assert f"{far}/index/fps.npy is missing" in str(error.value)
  assert not list((tmp_path / "cache" / "zsar_jax").iterdir())
  with pytest.raises(
    InputError, match=r"no records at ram://nowhere: ram://nowhere/index/index\.json is missing"
  ):
    open_index("ram://nowhere")


def test_a_copy_that_lacks_a_column_is_made_again(far, tmp_path):
  open_index(far)
  (folder,) = (tmp_path / "cache" / "zsar_jax").iterdir()
  (folder / "label.npy").unlink()
  assert len(open_index(far)) == 10


def test_a_cache_without_room_is_named(far, tmp_path, monkeypatch):
  (tmp_path / "file").write_text("")
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
  with pytest.raises(InputError, match="Set XDG_CACHE_HOME to a folder with room"):
    open_index(far)
