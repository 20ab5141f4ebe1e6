"""The index of a directory of records: memory-mapped columns, and single frames by row. Needs numpy only."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Int64

from zsar_jax.data import storage
from zsar_jax.data.builders import build_command
from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.index_cache import local_columns
from zsar_jax.data.index_checks import (
  VERIFY,
  feature_problems,
  file_problems,
  hash_problems,
  open_columns,
  read_description,
  remedy,
  signature_problems,
  value_problems,
)
from zsar_jax.data.index_format import HASHED
from zsar_jax.data.reader import RangeReader, RecordError
from zsar_jax.data.schema import RecordOptions
from zsar_jax.errors import InputError, raise_all

__all__ = ["ReadPlan", "RecordError", "VideoIndex", "open_index", "validation_rows"]

# Names of videos that are Python strings at the same time: ten million are gigabytes.
_NAMES_AT_ONCE = 1_000_000


class ReadPlan(NamedTuple):
  """Where the bytes of some frames lie: U different ones, in the order of files and offsets."""

  numbers: Int64[np.ndarray, " U"]  # of the frames in the whole index, ascending
  rows: Int64[np.ndarray, " U"]  # of their videos
  files: Int64[np.ndarray, " U"]
  starts: Int64[np.ndarray, " U"]  # bytes in the file
  lengths: Int64[np.ndarray, " U"]  # bytes
  places: Int64[np.ndarray, " A"]  # for each frame asked for, which of the U it is


class VideoIndex:
  """Columns of every video (V) and every frame, and the frames' bytes. Safe to share between threads.

  Rows lie in the order of files and of offsets in them.

  Attributes:
    class_names: of `label`, as the data set spells them.
    options: how the records were made; `short_side` 0: sizes are what they are.
    kind: "video", "image" (one frame) or "features".
    encoding: of a frame: "jpeg", "png", or "float32": a vector of `width` little-endian numbers.
    label, num_frames, height, width: int32 [V]; pixels.
    fps: float32 [V], frames a second; 0 where nobody knows.
  """

  def __init__(self, directory: str, description: dict[str, Any], columns: dict[str, np.ndarray]):
    self.directory = directory
    self.class_names: tuple[str, ...] = tuple(description["class_names"])
    self.options = RecordOptions(**description["options"])
    self.kind = self.options.kind
    self.encoding: str = description["encoding"]
    self.label = columns["label"]
    self.num_frames = columns["num_frames"]
    self.fps = columns["fps"]
    self.height = columns["height"]
    self.width = columns["width"]
    # Plain arrays over the same mapping: indexing a memmap costs several times as much.
    self._columns = {name: column.view(np.ndarray) for name, column in columns.items()}
    self._paths = [storage.join(directory, shard["file"]) for shard in description["shards"]]
    self._sizes = np.array([shard["size"] for shard in description["shards"]], np.int64)
    # Columns that are not hashed before something read by them is wrong.
    self._unproven = {
      str(column.filename): description["columns"][name]["sha256"]
      for name, column in columns.items()
      if name not in HASHED and isinstance(column, np.memmap)
    }
    self._remedy = remedy(description, directory)
    self._reader = RangeReader(self._paths, self._remedy)

  def __len__(self) -> int:
    return len(self.label)

  def video_id(self, row: int) -> str:
    """The name of a video, unique in the data set."""
    first = self._columns["first_id_byte"]
    return self._columns["id_bytes"][first[row] : first[row + 1]].tobytes().decode()

  def video_ids(self, rows: Int[np.ndarray, " R"]) -> list[str]:
    """The names of videos; all of them cost little more than a few."""
    if not len(rows):
      return []
    starts, ends = (self._columns["first_id_byte"][np.asarray(rows, np.int64) + i] for i in (0, 1))
    begin = int(starts.min())
    letters = self._columns["id_bytes"][begin : int(ends.max())].tobytes()
    cuts = zip((starts - begin).tolist(), (ends - begin).tolist(), strict=True)
    return [letters[start:end].decode() for start, end in cuts]

  @property
  def bytes_read(self) -> int:
    """Bytes of the record files that were read so far."""
    return self._reader.bytes_read

  @property
  def num_reads(self) -> int:
    """Reads of the record files so far, each of neighbouring bytes."""
    return self._reader.num_reads

  def plan_reads(self, rows: Int[np.ndarray, " B"], frames: Int[np.ndarray, "B F"]) -> ReadPlan:
    """Where the bytes of frames of videos lie, each frame once. Reads nothing.

    Raises:
      IndexError: a frame number outside its video.
    """
    rows, frames = np.asarray(rows, np.int64), np.asarray(frames, np.int64)
    columns = self._columns
    outside = ((frames < 0) | (frames >= columns["num_frames"][rows][:, None])).any(axis=1)
    if outside.any():
      bad = int(np.argmax(outside))
      raise IndexError(
        f"video {self.video_id(rows[bad])} has {self.num_frames[rows[bad]]} frames, asked for {frames[bad]}"
      )
    asked = (columns["first_frame"][rows][:, None] + frames).reshape(-1)
    numbers, first, places = np.unique(asked, return_index=True, return_inverse=True)
    owners = rows[first // max(frames.shape[1], 1)]
    starts = columns["record_offset"][owners] + columns["frame_offset"][numbers]
    lengths = columns["frame_length"][numbers].astype(np.int64)
    return ReadPlan(numbers, owners, columns["shard"][owners].astype(np.int64), starts, lengths, places)

  def frame_bytes(self, rows: Int[np.ndarray, " B"], frames: Int[np.ndarray, "B F"]) -> list[bytes]:
    """The stored bytes of frames of videos, B·F of them, frames of the first video first.

    Only these frames are read, each once for the whole call, in the order of the files, neighbours in one go.

    Raises:
      IndexError: a frame number outside its video.
      RecordError: a file is gone or cut, a frame's CRC-32C differs from the index's; names file and offset.
    """
    plan = self.plan_reads(rows, frames)
    try:
      # Else as much memory would be taken as a wrong length says.
      outside = np.flatnonzero(plan.starts + plan.lengths > self._sizes[plan.files])
      if len(outside):
        raise RecordError(self._damaged(plan, int(outside[0])))
      found = self._reader.read(plan.files, plan.starts, plan.lengths)
      wrong = np.flatnonzero(crc32c(found) != self._columns["frame_crc32c"][plan.numbers])
      if len(wrong):
        raise RecordError(self._damaged(plan, int(wrong[0])))
    except RecordError as error:
      raise self._explained(error) from error
    return [found[place] for place in plan.places.tolist()]

  def _explained(self, error: RecordError) -> RecordError:
    """The error, or which column is to blame for it: then the records may be whole."""
    for path, written in self._unproven.items():
      with contextlib.suppress(OSError):
        if written and storage.sha256(path) != written:
          return RecordError(
            f"{path} was changed after it was written (SHA-256), and what was read by it is wrong: {error}. The file of records may "
            f"be whole: keep it, remove the folder of the index, and {self._remedy}"
          )
    return error

  def _damaged(self, plan: ReadPlan, bad: int) -> str:
    row = int(plan.rows[bad])
    frame = int(plan.numbers[bad] - self._columns["first_frame"][row])
    return (
      f"{self._paths[plan.files[bad]]}: {plan.lengths[bad]} bytes at offset {plan.starts[bad]} "
      f"(frame {frame} of video {self.video_id(row)}) do not have the CRC-32C of the index: "
      f"the file was changed or the disk is failing. Delete the file and {self._remedy}"
    )

  def close(self) -> None:
    """Closes the record files; reading opens them again."""
    self._reader.close()


def open_index(directory: str | Path, short_side: int | None = None, verify: str = "size") -> VideoIndex:
  """Opens the records in a directory, here or on any file system of TensorFlow (`gs://…`), after checking them.

  Schema, columns, and the features that TFDS's metadata names are always checked.

  Args:
    directory: holds the record files and `index/`.
    short_side: pixels that the stored frames must have; None: any. Records without a common size pass.
    verify: "size": number and size of every file, SHA-256 of the index's description, labels, names and numbers of frames;
      "full": SHA-256 of every file, which reads all of them; "off": no file is looked at.

  Raises:
    InputError: no such directory, no (complete) index, an index of another version, or whatever else is not
      as the index says, all of it at once; frames of another size than `short_side`.
  """
  directory = str(directory)
  if verify not in VERIFY:
    raise InputError(f"verify={verify!r}: expected one of {', '.join(map(repr, VERIFY))}")
  make = f"make it with: {build_command(directory, max(short_side or 0, 128))}"
  description, identity = read_description(directory, make)
  folder = local_columns(directory, description, identity)
  columns, problems = open_columns(folder, description)
  problems += feature_problems(directory, description)
  if verify != "off":
    problems += file_problems(directory, description)
    problems += signature_problems(directory, description)
  if verify == "full":
    problems += hash_problems(directory, folder, description)
  if verify == "size" and not problems:
    problems += value_problems(folder, description)
  raise_all(
    list(dict.fromkeys(problems)),
    f"the records at {directory} are not whole; {remedy(description, directory)} to mend them:",
  )
  index = VideoIndex(directory, description, columns)
  _check_short_side(index, short_side)
  return index


def _check_short_side(index: VideoIndex, short_side: int | None) -> None:
  stored = index.options.short_side
  if stored and short_side is not None and stored < short_side:
    raise InputError(
      f"the frames in {index.directory} are stored with a short side of {stored}, 'data.short_side' is {short_side}: they are "
      "not enlarged; "
      f"make the records anew with --short_side {short_side}, or set --config.data.short_side={stored}"
    )


def validation_rows(
  index: VideoIndex, rows: Int[np.ndarray, " R"], fraction: float = 0.02
) -> tuple[Int64[np.ndarray, " S"], Int64[np.ndarray, " U"]]:
  """Splits rows into training and validation: of each class `max(1, round(fraction · n))` of its n videos.

  Which ones is decided by the SHA-256 of the video id, whatever else the data set holds. A class of one
  video gives none, and no class gives all. Both parts keep the order of `rows`.
  """
  rows = np.asarray(rows, np.int64)
  parts = (rows[start : start + _NAMES_AT_ONCE] for start in range(0, len(rows), _NAMES_AT_ONCE))
  names = (name for part in parts for name in index.video_ids(part))
  digests = b"".join(hashlib.sha256(name.encode()).digest() for name in names)
  # Big-endian words sort as the digests do.
  words = np.frombuffer(digests, ">u8").reshape(-1, 4)
  labels = np.asarray(index.label[rows])
  order = np.lexsort((*words.T[::-1], labels))
  _, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
  wanted = np.minimum(np.maximum(1, np.rint(fraction * sizes)), sizes - 1)
  chosen = np.zeros(len(rows), bool)
  chosen[order] = np.arange(len(rows)) - np.repeat(first, sizes) < np.repeat(wanted, sizes)
  return rows[~chosen], rows[chosen]
