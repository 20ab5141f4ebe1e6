"""Videos as TFRecords of `tf.train.Example`: a TFDS feature spec, and one shard at a time. TensorFlow is imported when first used."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zsar_jax.data.decode import Decoder, VideoError
from zsar_jax.data.schema import (
  DecodedVideo,
  Entry,
  Quarantined,
  RecordOptions,
  ShardResult,
  ShardSpec,
  make_columns,
)
from zsar_jax.data.tensorflow_import import tensorflow, tensorflow_datasets


def features(class_names: tuple[str, ...], kind: str) -> Any:
  """TFDS's description of a record of a kind (a `FeaturesDict`): `frames`, or `features` float32 [T,D]."""
  tfds = tensorflow_datasets()
  pictures = tfds.features.Sequence(tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"))
  # As bytes, one vector after another: each can be read alone.
  vectors = tfds.features.Tensor(shape=(None, None), dtype=np.float32, encoding="bytes")
  return tfds.features.FeaturesDict(
    {
      _main_feature(kind): vectors if kind == "features" else pictures,
      "label": tfds.features.ClassLabel(names=list(class_names)),
      "video_id": tfds.features.Text(),
      "fps": np.float32,
      "num_frames": np.int32,
      "height": np.int32,
      "width": np.int32,
      "source": tfds.features.Text(),
      "source_hash": tfds.features.Text(),
      "source_size": np.int64,
      "source_fps": np.float32,
      "source_frames": np.int32,
      "start": np.float32,
      "end": np.float32,
    }
  )


def _main_feature(kind: str) -> str:
  return "features" if kind == "features" else "frames"


def read_shard(spec: ShardSpec) -> ShardResult | None:
  """The result of a shard that is finished; None where it is still to be written."""
  try:
    # Opened here, since numpy leaves a broken archive open.
    with open(spec.columns_file, "rb") as file, np.load(file, allow_pickle=False) as columns:
      result = ShardResult(
        spec.file.name,
        int(columns["size"]),
        str(columns["sha256"]),
        len(columns["label"]),
        tuple(Quarantined(str(p), str(r)) for p, r in columns["quarantined"]),
      )
    return result if spec.file.stat().st_size == result.size else None
  except OSError as error:
    if isinstance(error, PermissionError):
      raise
    return None
  except Exception:  # whatever a damaged zip, packing or header makes zipfile, zlib and NumPy raise
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
  with _published(spec.file) as temporary:
    columns, quarantined = _write_records(spec, decoded, temporary)
    sha256, size = _force_to_disk(temporary)
  columns |= {"size": np.int64(size), "sha256": np.str_(sha256)}
  columns["quarantined"] = np.array(quarantined, np.str_).reshape(-1, 2)
  spec.columns_file.parent.mkdir(exist_ok=True)
  with _published(spec.columns_file) as temporary:
    with open(temporary, "wb") as file:
      np.savez(file, **columns)
    _force_to_disk(temporary)
  return ShardResult(spec.file.name, size, sha256, len(columns["label"]), tuple(quarantined))


def decode_entries(spec: ShardSpec, decoder: Decoder) -> Iterator[DecodedVideo | VideoError]:
  """What decoding each entry of a shard gives, in order."""
  return (decode_entry(entry, spec.options, spec.timeout, decoder) for entry in spec.entries)


def decode_entry(
  entry: Entry, options: RecordOptions, timeout: float, decoder: Decoder
) -> DecodedVideo | VideoError:
  """The decoded video, or the error that says why there is none."""
  side, quality = options.short_side, options.jpeg_quality
  try:
    if options.kind == "features":
      return decoder.features(entry.path, entry.row, timeout=timeout)
    if entry.row >= 0:
      return decoder.record(entry.path, entry.row, side, timeout=timeout, jpeg_quality=quality)
    if options.kind == "image":
      return decoder.image(entry.path, side, timeout=timeout, jpeg_quality=quality)
    return decoder.video(
      entry.path,
      side,
      timeout=timeout,
      fps=options.fps,
      jpeg_quality=quality,
      start=entry.start,
      end=entry.end,
    )
  except VideoError as error:
    return error


def _write_records(
  spec: ShardSpec, decoded: Iterable[DecodedVideo | VideoError], path: Path
) -> tuple[dict[str, Any], list[Quarantined]]:
  kind = spec.options.kind
  specification = features(spec.class_names, kind)
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
        values = _values(entry, video, kind)
        example = serializer.get_tf_example(specification.encode_example(values))
        record = example.SerializeToString(deterministic=True)  # the order of a map's keys is otherwise free
        writer.write(record)
        # A TFRecord is: length (8 bytes), its checksum (4), the payload, its checksum (4).
        rows.append(
          values
          | {
            _main_feature(kind): None,  # not to keep the pictures of a whole shard
            "record_offset": position + 12,
            "record_length": len(record),
            "video_id": entry.video_id.encode(),
          }
        )
        position += len(record) + 16
        frames.append(np.stack([*_locate(record, video.frames, kind), video.crcs], axis=1))
  except tensorflow().errors.OpError as error:
    raise OSError(f"{path}: {error.message}") from error
  return make_columns(rows, frames), quarantined


def _values(entry: Entry, video: DecodedVideo, kind: str) -> dict[str, Any]:
  main: Any = video.frames
  if kind == "features":
    main = np.frombuffer(b"".join(video.frames), "<f4").reshape(len(video.frames), -1)
  return {
    _main_feature(kind): main,
    "label": entry.label,
    "video_id": entry.video_id,
    "fps": video.fps,
    "num_frames": len(video.frames),
    "height": video.height,
    "width": video.width,
    "source": os.path.basename(entry.path),
    "source_hash": video.source_hash,
    "source_size": video.source_size,
    "source_fps": video.source_fps,
    "source_frames": video.source_frames,
    "start": video.start,
    "end": video.end,
  }


def _locate(record: bytes, frames: list[bytes], kind: str) -> tuple[np.ndarray, np.ndarray]:
  """Offset and length of every frame in a serialised example, in bytes.

  A list of byte strings is stored one after another, each behind a tag (one byte) and its length, seven
  bits a byte; an array without anything between.
  """
  lengths = np.array([len(frame) for frame in frames], np.int64)
  headers = 1 + np.maximum((np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64) // 7) + 1, 1)
  if kind == "features":
    headers[:] = 0
  first = record.index(frames[0] if kind != "features" else b"".join(frames))
  offsets = first + np.cumsum(lengths + headers) - lengths - headers[0]
  for offset, frame in zip(offsets.tolist(), frames, strict=True):
    if not record.startswith(frame, offset):
      raise AssertionError("a serialised example does not hold its frames one after another")
  return offsets, lengths


@contextlib.contextmanager
def _published(path: Path) -> Iterator[Path]:
  """A temporary name that becomes `path` where all went well, and else is removed: a full disk is not kept full."""
  temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}")
  try:
    yield temporary
    os.replace(temporary, path)
    _force_names_to_disk(path.parent)
  finally:
    temporary.unlink(missing_ok=True)


def _force_names_to_disk(directory: Path) -> None:
  handle = os.open(directory, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def _force_to_disk(path: Path) -> tuple[str, int]:
  """SHA-256 and size in bytes of a file that has reached the disk."""
  with open(path, "rb+") as file:
    os.fsync(file.fileno())
    return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
