"""Made-up records for measuring the index and the reader: no video is decoded, no TensorFlow is needed."""

import hashlib
import json
import pathlib
from collections.abc import Iterator

import numpy as np

from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.index_format import COLUMNS, feature_shapes
from zsar_jax.data.index_writer import ShardColumns, merge_index
from zsar_jax.data.schema import FRAME_COLUMNS, SCHEMA, RecordOptions, ShardResult

_FRAME_GAP = 4  # bytes of a tag and a length before each frame
_PER_SHARD = 256


def random_records(directory: pathlib.Path, num_videos: int, num_frames: int, frame_bytes: int) -> None:
  """Indexed records whose frames are random bytes, `frame_bytes` long on average, laid out as real ones."""
  directory.mkdir(parents=True, exist_ok=True)
  _write_features(directory, 2)
  random = np.random.default_rng(0)

  def shards() -> Iterator[tuple[ShardResult, ShardColumns]]:
    for number, first in enumerate(range(0, num_videos, 16)):
      count = min(16, num_videos - first)
      lengths = random.integers(frame_bytes // 2, 3 * frame_bytes // 2, (count, num_frames))
      ends = np.cumsum(lengths + _FRAME_GAP, axis=1)
      record_lengths = ends[:, -1] + 100
      offsets = np.cumsum(record_lengths + 16) - record_lengths - 4
      contents = random.bytes(int(offsets[-1] + record_lengths[-1] + 4))
      starts = (offsets[:, None] + ends - lengths).reshape(-1).tolist()
      frames = [contents[s : s + n] for s, n in zip(starts, lengths.reshape(-1).tolist(), strict=True)]
      name = f"made_up.tfrecord-{number:05d}"
      (directory / name).write_bytes(contents)
      columns = {
        "label": np.zeros(count),
        "num_frames": np.full(count, num_frames),
        "fps": np.full(count, 30),
        "height": np.full(count, 128),
        "width": np.full(count, 170),
        "record_offset": offsets,
        "record_length": record_lengths,
        "frame_offset": (ends - lengths).reshape(-1),
        "frame_length": lengths.reshape(-1),
        "frame_crc32c": crc32c(frames),
        "video_id": np.array([f"video{first + i}".encode() for i in range(count)]),
      }
      yield ShardResult(name, len(contents), hashlib.sha256(contents).hexdigest(), count, ()), columns

  merge_index(
    directory,
    shards(),
    class_names=["a", "b"],
    options=RecordOptions(128),
    encoding="jpeg",
    made_by="benchmark",
  )


def sparse_index(directory: pathlib.Path, num_videos: int, num_frames: int, num_classes: int) -> None:
  """An index of many videos of `num_frames` frames; frame columns and record files are holes, which take no disk."""
  folder = directory / "index"
  folder.mkdir(parents=True)
  _write_features(directory, num_classes)
  rows = np.arange(num_videos)
  names, name_lengths = _names(num_videos)
  record_length = num_frames * 5000
  values = {
    "label": rows * 7919 % num_classes,
    "num_frames": np.full(num_videos, num_frames),
    "fps": np.full(num_videos, 30),
    "height": np.full(num_videos, 128),
    "width": np.full(num_videos, 170),
    "record_offset": rows % _PER_SHARD * (record_length + 16) + 12,
    "record_length": np.full(num_videos, record_length),
    "shard": rows // _PER_SHARD,
    "first_frame": np.arange(num_videos + 1) * num_frames,
    "first_id_byte": np.concatenate([[0], np.cumsum(name_lengths)]),
    "id_bytes": names,
  }
  shapes = {name: len(values[name]) if name in values else num_videos * num_frames for name in COLUMNS}
  for name, length in shapes.items():
    column = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=COLUMNS[name], shape=(length,))
    if name not in FRAME_COLUMNS:
      column[:] = values[name]
  shards = []
  for number in range(-(-num_videos // _PER_SHARD)):
    count = min(_PER_SHARD, num_videos - number * _PER_SHARD)
    name, size = f"made_up.tfrecord-{number:05d}", count * (record_length + 16)
    with open(directory / name, "wb") as file:
      file.truncate(size)
    shards.append({"file": name, "size": size, "sha256": "", "num_videos": count})
  description = {
    "schema": SCHEMA,
    "class_names": [f"class {label}" for label in range(num_classes)],
    "options": RecordOptions(128)._asdict(),
    "encoding": "jpeg",
    "made_by": "benchmark",
    "features": feature_shapes(str(directory)),
    "columns": {name: {"length": length, "sha256": ""} for name, length in shapes.items()},
    "shards": shards,
  }
  (folder / "index.json").write_text(json.dumps(description))


def _names(num_videos: int) -> tuple[np.ndarray, np.ndarray]:
  """The letters of all names and the length of each; made in pieces, for millions of small objects take gigabytes."""
  letters, lengths = [], []
  for first in range(0, num_videos, 100_000):
    rows = range(first, min(first + 100_000, num_videos))
    names = [f"{hashlib.sha256(str(row).encode()).hexdigest()[:11]}_{row:06d}".encode() for row in rows]
    letters.append(np.frombuffer(b"".join(names), np.uint8))
    lengths.append(np.array([len(name) for name in names]))
  return np.concatenate(letters), np.concatenate(lengths)


def _write_features(directory: pathlib.Path, num_classes: int) -> None:
  label = {"classLabel": {"numClasses": str(num_classes)}}
  (directory / "features.json").write_text(json.dumps({"featuresDict": {"features": {"label": label}}}))
