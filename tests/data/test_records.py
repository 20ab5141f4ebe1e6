import numpy as np
import pytest
from tiny_videos import CLASSES, frame_numbers

from zsar_jax.data.decode import Decoder, VideoError
from zsar_jax.data.records import read_shard, write_shard
from zsar_jax.data.schema import RecordOptions, ShardSpec


@pytest.fixture(scope="module")
def specification(entries, tmp_path_factory):
  out = tmp_path_factory.mktemp("shard")
  return ShardSpec(str(out), 0, 1, tuple(entries[-4:]), CLASSES, RecordOptions(24))


@pytest.fixture(scope="module")
def result(specification):
  return write_shard(specification)


def test_a_shard_is_a_file_and_its_columns(specification, result):
  assert result.num_videos == 3
  (bad,) = result.quarantined
  assert bad.path == specification.entries[-1].path
  assert bad.reason.startswith("unreadable")
  assert specification.file.stat().st_size == result.size
  assert read_shard(specification) == result
  assert not list(specification.file.parent.rglob("*.tmp-*"))


def test_columns_say_where_the_frames_are(specification, result):
  contents = specification.file.read_bytes()
  with np.load(specification.columns_file) as columns:
    starts = np.repeat(columns["record_offset"], columns["num_frames"]) + columns["frame_offset"]
    for start, length in zip(starts, columns["frame_length"], strict=True):
      jpeg = contents[start : start + length]
      assert jpeg[:2] == b"\xff\xd8"
      assert jpeg[-2:] == b"\xff\xd9"


def test_a_finished_shard_is_not_done_twice(specification, result):
  def never():
    raise AssertionError("decoded again")
    yield

  before = specification.file.stat().st_mtime_ns
  assert write_shard(specification, never()) == result
  assert specification.file.stat().st_mtime_ns == before


def test_a_cut_shard_is_done_again_with_the_same_bytes(specification, result):
  whole = specification.file.read_bytes()
  specification.file.write_bytes(whole[:-10])
  assert read_shard(specification) is None
  assert write_shard(specification) == result
  assert specification.file.read_bytes() == whole


def test_bytes_are_the_same_wherever_they_are_written(specification, result, tmp_path):
  again = specification._replace(directory=str(tmp_path))
  with Decoder() as decoder:
    videos = []
    for entry in again.entries:
      try:
        videos.append(decoder.video(entry.path, 24))
      except VideoError as error:
        videos.append(error)
    assert write_shard(again, iter(videos)).sha256 == result.sha256
  assert again.columns_file.read_bytes() == specification.columns_file.read_bytes()


def test_tfds_opens_them(records, entries):
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(str(records))
  assert builder.info.features["label"].names == list(CLASSES)
  assert builder.info.splits["videos"].num_examples == 10
  seen = {}
  for example in builder.as_dataset(split="videos").as_numpy_iterator():
    seen[example["video_id"].decode()] = example
    np.testing.assert_array_equal(frame_numbers(example["frames"]), np.arange(example["num_frames"]))
    assert example["fps"] == 10
    assert len(example["source_hash"]) == 64
  assert sorted(seen) == sorted(entry.video_id for entry in entries[:-1])
  for entry in entries[:-1]:
    assert seen[entry.video_id]["label"] == entry.label
    assert seen[entry.video_id]["source"].decode() == entry.path.rsplit("/")[-1]
