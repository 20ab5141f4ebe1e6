import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tfds_sets import write_tfds
from tiny_videos import CLASSES, ramp_frames, write_video

from data_prep.index import index_tfds, main
from data_prep.tfds_features import Chosen
from data_prep.tfds_rows import Rows
from data_prep.tfrecords import locate_bytes
from zsar_jax.data.build import alone, build_records
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry
from zsar_jax.data.tensorflow_import import tensorflow, tensorflow_datasets
from zsar_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


def pixels(picture: bytes) -> np.ndarray:
  return np.asarray(Image.open(io.BytesIO(picture)))


def noise(*shape: int) -> np.ndarray:
  return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


@pytest.fixture(scope="module")
def kinds():
  return tensorflow_datasets().features


@pytest.fixture(scope="module")
def videos():
  return [noise(frames, 24, 24, 3) for frames in (3, 6, 1, 4, 2)]


@pytest.fixture(scope="module")
def ucf(kinds, videos, tmp_path_factory):
  """In the shape of TFDS's ucf101: five videos in two splits, two a file, without ids."""
  examples = [{"video": video, "label": i % 3} for i, video in enumerate(videos)]
  features = {"video": kinds.Video(shape=(None, 24, 24, 3)), "label": kinds.ClassLabel(names=CLASSES)}
  return write_tfds(tmp_path_factory.mktemp("ucf"), features, {"train": examples[:3], "test": examples[3:]})


@pytest.fixture
def copy(ucf, tmp_path):
  shutil.copytree(ucf, tmp_path / "copy")
  return tmp_path / "copy"


def test_videos_of_tfds_are_read_as_they_were_written(copy, videos, capsys):
  assert main([str(copy)]) == 0
  assert "5 videos of 3 classes in 3 files, 16 png frames" in capsys.readouterr().out
  index = open_index(copy, short_side=128, verify="full")  # sizes are what they are
  assert (index.kind, index.encoding, index.options.short_side) == ("video", "png", 0)
  assert index.class_names == CLASSES
  assert index.num_frames.tolist() == [3, 6, 1, 4, 2]
  assert index.label.tolist() == [0, 1, 2, 0, 1]
  assert index.fps.tolist() == [0] * 5
  assert index.video_ids(np.arange(5)) == [
    "tiny-train.tfrecord-00000#0",
    "tiny-train.tfrecord-00000#1",
    "tiny-train.tfrecord-00001#0",
    "tiny-test.tfrecord-00000#0",
    "tiny-test.tfrecord-00000#1",
  ]
  for row, video in enumerate(videos):
    assert (index.height[row], index.width[row]) == (24, 24)
    stored = index.frame_bytes(np.array([row]), np.arange(len(video))[None])
    np.testing.assert_array_equal([pixels(frame) for frame in stored], video)


def test_one_split_alone(copy, videos):
  summary = index_tfds(copy, split="test")
  assert (summary.num_videos, summary.num_files) == (2, 1)
  index = open_index(copy)
  assert index.num_frames.tolist() == [4, 2]
  (frame,) = index.frame_bytes(np.array([1]), np.array([[1]]))
  np.testing.assert_array_equal(pixels(frame), videos[4][1])
  with pytest.raises(InputError, match=r"no split 'tests': it has .*did you mean 'test'"):
    index_tfds(copy, split="tests")


def test_stills_of_tfds_are_images_named_by_their_files(kinds, tmp_path):
  pictures = [noise(20 + i, 30, 3) for i in range(5)]
  examples = [
    {"image": picture, "label": i % 2, "file_name": f"/a/abbey/sun_{i}é.jpg"}
    for i, picture in enumerate(pictures)
  ]
  features = {
    "image": kinds.Image(shape=(None, None, 3), encoding_format="jpeg"),
    "label": kinds.ClassLabel(names=["/a/abbey", "/a/airport"]),
    "file_name": kinds.Text(),
  }
  folder = write_tfds(tmp_path, features, {"train": examples})
  assert main([str(folder)]) == 0
  index = open_index(folder, verify="full")
  assert (index.kind, index.encoding) == ("image", "jpeg")
  assert index.video_ids(np.arange(5)) == [example["file_name"] for example in examples]
  assert index.height.tolist() == [20, 21, 22, 23, 24]
  assert set(index.width.tolist()) == {30}
  stored = index.frame_bytes(np.arange(5), np.zeros((5, 1), int))
  written = tensorflow_datasets().builder_from_directory(str(folder)).as_dataset(split="train")
  for picture, example in zip(stored, written.as_numpy_iterator(), strict=True):
    np.testing.assert_array_equal(tensorflow().io.decode_jpeg(picture).numpy(), example["image"])
  assert main([str(folder), "--id", "none"]) == 0
  assert open_index(folder).video_id(2) == "tiny-train.tfrecord-00001#0"


def test_sequences_of_jpegs_without_a_frame_are_passed_over(kinds, tmp_path):
  features = {
    "frames": kinds.Sequence(kinds.Image(shape=(None, None, 3), encoding_format="jpeg")),
    "label": kinds.ClassLabel(num_classes=2),
    "fps": np.float32,
  }
  examples = [{"frames": list(noise(n, 8, 9, 3)), "label": 1, "fps": 25} for n in (2, 0, 3)]
  folder = write_tfds(tmp_path, features, {"train": examples})
  summary = index_tfds(folder)
  assert (summary.num_videos, summary.num_empty, summary.encoding) == (2, 1, "jpeg")
  index = open_index(folder)
  assert index.num_frames.tolist() == [2, 3]
  assert index.fps.tolist() == [25, 25]
  assert index.class_names == ("0", "1")


def test_our_own_records_get_the_index_that_the_build_gave_them(tmp_path):
  entries = []
  for i in range(5):
    path = write_video(tmp_path / "videos" / f"v{i}é.mp4", ramp_frames(4 + 3 * i, 24 + 2 * i, 40))
    entries.append(Entry(str(path), i % 3, f"{CLASSES[i % 3]}/v{i}é.mp4"))
  out = tmp_path / "records"
  build_records(entries, CLASSES, out, short_side=24, fps=5, workers=1, videos_per_shard=2)
  shutil.copytree(out / "index", tmp_path / "built")
  shutil.rmtree(out / "index")
  assert main([str(out)]) == 0
  for file in (tmp_path / "built").iterdir():
    assert (out / "index" / file.name).read_bytes() == file.read_bytes(), file.name


def test_damaged_files_are_all_named_and_leave_the_index_that_was_there(copy):
  index_tfds(copy)
  before = {file.name: file.read_bytes() for file in (copy / "index").iterdir()}
  offset = int(np.load(copy / "index" / "record_offset.npy")[1])
  names = ("train.tfrecord-00000", "train.tfrecord-00001", "test.tfrecord-00000")
  first, second, third = (copy / f"tiny-{name}" for name in names)
  contents = bytearray(first.read_bytes())
  contents[offset + 50] ^= 1
  first.write_bytes(contents)
  second.unlink()
  os.truncate(third, third.stat().st_size - 9)
  cut = int(np.load(copy / "index" / "record_offset.npy")[4]) - 12
  with pytest.raises(InputError) as error:
    index_tfds(copy)
  assert [line.partition(" - ")[2] for line in str(error.value).splitlines()[1:]] == [
    f"{first}, offset {offset}: the record's {len(contents) - offset - 4} bytes do not have their CRC-32C",
    f"{second} cannot be read (No such file or directory)",
    f"{third}, offset {cut}: the record is cut: the file ends at {third.stat().st_size}, inside it",
  ]
  assert {file.name: file.read_bytes() for file in (copy / "index").iterdir()} == before
  assert not list(copy.glob("index.tmp-*"))


def test_a_file_cut_between_records_and_a_broken_length_are_found(copy):
  index_tfds(copy)
  boundary = int(np.load(copy / "index" / "record_offset.npy")[1]) - 12
  os.truncate(copy / "tiny-train.tfrecord-00000", boundary)
  file = copy / "tiny-test.tfrecord-00000"
  contents = bytearray(file.read_bytes())
  contents[3] ^= 1
  file.write_bytes(contents)
  with pytest.raises(InputError) as error:
    index_tfds(copy)
  assert f"00000 holds 1 records up to its end at offset {boundary}, dataset_info.json says 2" in str(
    error.value
  )
  assert f"{file}, offset 0: the length of the record does not have its CRC-32C" in str(error.value)


def test_features_that_do_not_fit_are_all_named(kinds, tmp_path):
  features = {"a": kinds.ClassLabel(names=["x"]), "b": kinds.ClassLabel(names=["y"]), "sound": kinds.Text()}
  folder = write_tfds(tmp_path, features, {"train": [{"a": 0, "b": 0, "sound": "hum"}]})
  with pytest.raises(InputError) as error:
    index_tfds(folder, video_id="sond")
  assert "none is a Video, Sequence of Images or Image, uint8; there are: a (ClassLabel)" in str(error.value)
  assert "a ClassLabel is what several are, a, b: choose with --label" in str(error.value)
  assert "--id sond: there is no such feature; did you mean 'sound'?" in str(error.value)
  with pytest.raises(InputError, match="--frames a: it is a ClassLabel, expected a Video"):
    index_tfds(folder, frames="a", label="a")


def test_repeated_ids_labels_of_no_class_and_mixed_encodings_are_named(kinds, tmp_path):
  for suffix in ("png", "jpg"):
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"picture.{suffix}")
  features = {
    "image": kinds.Image(shape=(None, None, 3)),
    "label": kinds.ClassLabel(names=["x"]),
    "name": kinds.Text(),
  }
  pairs = [("png", 0), ("jpg", 0), ("png", -1)]
  examples = [{"image": str(tmp_path / f"picture.{s}"), "label": n, "name": "same"} for s, n in pairs]
  folder = write_tfds(tmp_path, features, {"train": examples})
  with pytest.raises(InputError) as error:
    index_tfds(folder)
  assert "label -1, expected 0 to 0" in str(error.value)
  assert "1 ids of 'name' repeat, such as 'same': name another feature with --id" in str(error.value)
  assert "frames are encoded differently, png (" in str(error.value)


def test_records_that_lack_a_value(tmp_path):
  picture = io.BytesIO()
  Image.fromarray(noise(8, 8, 3)).save(picture, "PNG")
  rows = Rows(Chosen("image", "label", "name", "fps", "image", ("x",)))
  for number, name in enumerate(([], [b""], [b"a"])):
    feature = {
      "image": train_feature(bytes_list=[picture.getvalue()]),
      "label": train_feature(int64_list=[0]),
      "name": train_feature(bytes_list=name),
    }
    train = tensorflow().train
    record = train.Example(features=train.Features(feature=feature)).SerializeToString()
    rows.add(tmp_path / "f", number, 10 * number, record)
  columns = rows.take()
  assert columns["video_id"].tolist() == [b"a"]
  assert columns["fps"].tolist() == [0.0]
  assert [line.split(":")[0] for line in rows.problems()] == [f"{tmp_path}/f, offset {n}" for n in (0, 10)]
  assert "'name', which names the videos, is empty" in rows.problems()[0]


def train_feature(**lists):
  train = tensorflow().train
  kinds = {"bytes_list": train.BytesList, "int64_list": train.Int64List}
  return train.Feature(**{kind: kinds[kind](value=values) for kind, values in lists.items()})


def test_two_at_once_are_refused(copy, capsys):
  with alone(copy):
    assert main([str(copy)]) == 2
    assert "another build is writing to" in capsys.readouterr().err
  assert not (copy / "index").exists()
  assert main([str(copy)]) == 0


def test_options_are_not_abbreviated(copy, capsys):
  assert main([str(copy), "--spl", "test"]) == 2
  assert "'--spl'; did you mean '--split'" in capsys.readouterr().err


def test_a_folder_that_tfds_did_not_prepare(ucf, tmp_path, capsys):
  assert main([str(ucf.parent)]) == 2
  assert (
    "it lacks dataset_info.json and features.json. Give the folder of one version, such as "
    in capsys.readouterr().err
  )
  with pytest.raises(InputError, match=rf"Did you mean {ucf}\?"):
    index_tfds(ucf.parent)
  with pytest.raises(InputError, match="is no data set that TFDS prepared"):
    index_tfds(tmp_path / "nothing")
  shutil.copytree(ucf, tmp_path / "damaged")
  (tmp_path / "damaged" / "features.json").write_text("{")
  with pytest.raises(InputError, match="TFDS cannot open"):
    index_tfds(tmp_path / "damaged")


def test_the_command_runs_and_clears_what_a_killed_one_left(copy):
  (copy / "index.tmp-1").mkdir()
  done = subprocess.run(
    [sys.executable, "-m", "data_prep.index", str(copy)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  assert not list(copy.glob("index.tmp-*"))
  assert json.loads((copy / "index" / "index.json").read_text())["made_by"] == "data_prep.index"


names = st.text(max_size=4)
values = st.lists(st.binary(max_size=300), max_size=5)


@settings(max_examples=150, deadline=None)
@given(
  st.dictionaries(names, st.one_of(values, st.lists(st.integers(-9, 9)), st.lists(st.floats(width=32)))),
  names,
)
def test_values_are_found_in_any_example(contents, asked):
  train = tensorflow().train
  features = {}
  for name, listed in contents.items():
    kinds = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
    lists = {"bytes_list": train.BytesList, "int64_list": train.Int64List, "float_list": train.FloatList}
    kind = kinds[type(listed[0])] if listed else "bytes_list"
    features[name] = train.Feature(**{kind: lists[kind](value=listed)})
  record = train.Example(features=train.Features(feature=features)).SerializeToString()
  for name in {*contents, asked}:
    found = [record[begin:end] for begin, end in locate_bytes(record, name)]
    assert found == [value for value in contents.get(name, []) if isinstance(value, bytes)]


@given(st.binary(max_size=60))
def test_other_bytes_end_in_a_value_error_or_nothing(record):
  with contextlib.suppress(ValueError):
    locate_bytes(record, "frames")
