"""Videos as TFRecords of `tf.train.Example`: a TFDS feature spec, and one shard at a time.

A directory of records holds the shards `zsar_videos-videos.tfrecord-SSSSS-of-NNNNN`, their columns
`shards/SSSSS.npz`, the merged `index/` (see `index.py`), TFDS's metadata and `quarantine.jsonl`. TensorFlow
is imported when first used.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.data.decode import DecodedVideo, Decoder, VideoError
from zsar_jax.data.tensorflow_import import tensorflow, tensorflow_datasets

SCHEMA = 1
DATASET, SPLIT = "zsar_videos", "videos"

# One value a video, one a frame. Offsets are in bytes: of a record's payload in its file, of a frame in its
# record.
VIDEO_COLUMNS = {
  "label": np.int32,
  "num_frames": np.int32,
  "fps": np.float32,
  "height": np.int32,
  "width": np.int32,
  "record_offset": np.int64,
  "record_length": np.int64,
}
FRAME_COLUMNS = {"frame_offset": np.uint32, "frame_length": np.uint32, "frame_crc32c": np.uint32}


class Entry(NamedTuple):
  """A video to store."""

  path: str
  label: int  # row of the class names
  video_id: str  # unique in the data set


class Quarantined(NamedTuple):
  """A video that could not be stored, and why, in words."""

  path: str
  reason: str


class RecordOptions(NamedTuple):
  """What decides the bytes of the records, besides the videos."""

  short_side: int  # pixels
  fps: float | None = None  # at most so many frames a second; None keeps all
  jpeg_quality: int = 95


class ShardSpec(NamedTuple):
  """All that `write_shard` needs to know."""

  directory: str
  number: int  # of this shard, from 0
  num_shards: int
  entries: tuple[Entry, ...]
  class_names: tuple[str, ...]
  options: RecordOptions
  timeout: float = 60.0  # seconds for each video

  @property
  def file(self) -> Path:
    name = f"{DATASET}-{SPLIT}.tfrecord-{self.number:05d}-of-{self.num_shards:05d}"
    return Path(self.directory) / name

  @property
  def columns_file(self) -> Path:
    return Path(self.directory) / "shards" / f"{self.number:05d}.npz"


class ShardResult(NamedTuple):
  """A finished shard."""

  file: str  # name in the directory
  size: int  # bytes
  sha256: str  # hexadecimal
  num_videos: int
  quarantined: tuple[Quarantined, ...]


def features(class_names: tuple[str, ...]) -> Any:
  """TFDS's description of a record (a `FeaturesDict`)."""
  tfds = tensorflow_datasets()
  return tfds.features.FeaturesDict(
    {
      "frames": tfds.features.Sequence(tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")),
      "label": tfds.features.ClassLabel(names=list(class_names)),
      "video_id": tfds.features.Text(),
      "fps": np.float32,
      "num_frames": np.int32,
      "height": np.int32,
      "width": np.int32,
      "source": tfds.features.Text(),
      "source_hash": tfds.features.Text(),
    }
  )


def read_shard(spec: ShardSpec) -> ShardResult | None:
  """The result of a shard that is finished; None where it is still to be written."""
  try:
    with np.load(spec.columns_file, allow_pickle=False) as columns:
      result = ShardResult(
        spec.file.name,
        int(columns["size"]),
        str(columns["sha256"]),
        len(columns["label"]),
        tuple(Quarantined(str(p), str(r)) for p, r in columns["quarantined"]),
      )
    return result if spec.file.stat().st_size == result.size else None
  except (FileNotFoundError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
    return None


def write_shard(spec: ShardSpec, decoded: Iterable[DecodedVideo | VideoError] | None = None) -> ShardResult:
  """Stores a list of videos as one TFRecord file and its columns, unless that is done already.

  Both files appear under their names only when complete, the columns last; their bytes depend on `spec` and
  the videos alone, whoever writes them.

  Args:
    spec: what to write where.
    decoded: for each entry, in order, what decoding it gave. Decoded here, in a killable process, where None.

  Raises:
    OSError: the disk is full, the directory cannot be written to.
  """
  finished = read_shard(spec)
  if finished is not None:
    return finished
  if decoded is None:
    with Decoder() as decoder:
      return write_shard(spec, decode_entries(spec, decoder))
  temporary = _temporary(spec.file)
  columns, quarantined = _write_records(spec, decoded, temporary)
  sha256, size = _publish(temporary, spec.file)
  columns |= {"size": np.int64(size), "sha256": np.str_(sha256)}
  columns["quarantined"] = np.array(quarantined, np.str_).reshape(-1, 2)
  spec.columns_file.parent.mkdir(exist_ok=True)
  temporary = _temporary(spec.columns_file)
  with open(temporary, "wb") as file:
    np.savez(file, **columns)
  _publish(temporary, spec.columns_file)
  return ShardResult(spec.file.name, size, sha256, len(columns["label"]), tuple(quarantined))


def decode_entries(spec: ShardSpec, decoder: Decoder) -> Iterator[DecodedVideo | VideoError]:
  """What decoding each entry of a shard gives, in order."""
  return (decode_entry(entry, spec.options, spec.timeout, decoder) for entry in spec.entries)


def decode_entry(
  entry: Entry, options: RecordOptions, timeout: float, decoder: Decoder
) -> DecodedVideo | VideoError:
  """The decoded video, or the error that says why there is none."""
  try:
    return decoder.video(
      entry.path, options.short_side, timeout=timeout, fps=options.fps, jpeg_quality=options.jpeg_quality
    )
  except VideoError as error:
    return error


def _write_records(
  spec: ShardSpec, decoded: Iterable[DecodedVideo | VideoError], path: Path
) -> tuple[dict[str, Any], list[Quarantined]]:
  specification = features(spec.class_names)
  serializer = tensorflow_datasets().core.example_serializer.ExampleSerializer(
    specification.get_serialized_info()
  )
  rows: list[dict[str, Any]] = []
  frames: list[np.ndarray] = []
  quarantined: list[Quarantined] = []
  position = 0
  try:
    with tensorflow().io.TFRecordWriter(str(path)) as writer:
      for entry, video in zip(spec.entries, decoded, strict=True):
        if isinstance(video, VideoError):
          quarantined.append(Quarantined(entry.path, str(video)))
          continue
        values = _values(entry, video)
        example = serializer.get_tf_example(specification.encode_example(values))
        record = example.SerializeToString(deterministic=True)  # the order of a map's keys is otherwise free
        writer.write(record)
        # A TFRecord is: length (8 bytes), its checksum (4), the payload, its checksum (4).
        rows.append(values | {"frames": None, "record_offset": position + 12, "record_length": len(record)})
        position += len(record) + 16
        frames.append(np.stack([*_locate(record, video.jpegs), video.crcs], axis=1))
  except tensorflow().errors.OpError as error:
    raise OSError(f"{path}: {error.message}") from error
  columns: dict[str, Any] = {name: np.array([r[name] for r in rows], t) for name, t in VIDEO_COLUMNS.items()}
  flat = np.concatenate([*frames, np.zeros((0, 3), np.int64)])
  columns |= {name: flat[:, i].astype(t) for i, (name, t) in enumerate(FRAME_COLUMNS.items())}
  columns["video_id"] = np.array([r["video_id"].encode() for r in rows], np.bytes_)
  return columns, quarantined


def _values(entry: Entry, video: DecodedVideo) -> dict[str, Any]:
  return {
    "frames": video.jpegs,
    "label": entry.label,
    "video_id": entry.video_id,
    "fps": video.fps,
    "num_frames": len(video.jpegs),
    "height": video.height,
    "width": video.width,
    "source": os.path.basename(entry.path),
    "source_hash": video.source_hash,
  }


def _locate(record: bytes, jpegs: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
  """Offset and length of every frame in a serialised example, in bytes.

  A list of byte strings is stored one after another, each behind a tag (one byte) and its length, seven
  bits a byte.
  """
  lengths = np.array([len(jpeg) for jpeg in jpegs], np.int64)
  headers = 1 + np.maximum((np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64) // 7) + 1, 1)
  first = record.index(jpegs[0])
  offsets = first + np.cumsum(lengths + headers) - lengths - headers[0]
  for offset, jpeg in zip(offsets.tolist(), jpegs, strict=True):
    if not record.startswith(jpeg, offset):
      raise AssertionError("a serialised example does not hold its frames one after another")
  return offsets, lengths


def _temporary(path: Path) -> Path:
  return path.with_name(f"{path.name}.tmp-{os.getpid()}")


def _publish(temporary: Path, path: Path) -> tuple[str, int]:
  """Forces a file to disk, then gives it its name; its SHA-256 and size in bytes."""
  with open(temporary, "rb+") as file:
    os.fsync(file.fileno())
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
  os.replace(temporary, path)
  return sha256, size
