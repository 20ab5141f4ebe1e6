"""The index of a directory of records: memory-mapped columns, and single frames by row. Needs numpy only."""

import hashlib
import json
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Int64

from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.records import FRAME_COLUMNS, SCHEMA, VIDEO_COLUMNS, RecordOptions, ShardResult, ShardSpec
from zsar_jax.errors import InputError, raise_all

_MAX_OPEN_FILES = 256
# Columns of the merged index that shards do not have: which shard a video is in, where its frames and its
# id start.
_MERGED_COLUMNS = {
  "shard": np.int32,
  "first_frame": np.int64,
  "first_id_byte": np.int64,
  "id_bytes": np.uint8,
}


class RecordError(Exception):
  """Stored bytes are not what was written; names file and offset."""


class VideoIndex:
  """Columns of every video (V) and every frame, and the frames' bytes. Safe to share between threads.

  Attributes:
    class_names: of `label`, as the data set spells them.
    label, num_frames, height, width: int32 [V]; pixels.
    fps: float32 [V], frames a second.
  """

  def __init__(self, directory: str, description: dict[str, Any], columns: dict[str, np.ndarray]):
    self.directory = directory
    self.class_names: tuple[str, ...] = tuple(description["class_names"])
    self.options = RecordOptions(**description["options"])
    self.label = columns["label"]
    self.num_frames = columns["num_frames"]
    self.fps = columns["fps"]
    self.height = columns["height"]
    self.width = columns["width"]
    self._columns = columns
    self._files = [os.path.join(directory, shard["file"]) for shard in description["shards"]]
    self._open: OrderedDict[int, int] = OrderedDict()
    self._lock = threading.Lock()

  def __len__(self) -> int:
    return len(self.label)

  def video_id(self, row: int) -> str:
    """The name of a video, unique in the data set."""
    first = self._columns["first_id_byte"]
    return self._columns["id_bytes"][first[row] : first[row + 1]].tobytes().decode()

  def frame_bytes(self, rows: Int[np.ndarray, " B"], frames: Int[np.ndarray, "B F"]) -> list[bytes]:
    """The JPEGs of frames of videos, B·F of them, frames of the first video first.

    Only these frames are read, each once for every row, neighbours in one go.

    Raises:
      IndexError: a frame number outside its video.
      RecordError: a frame's CRC-32C differs from the index's; names file and offset.
    """
    frames = np.asarray(frames)
    unique: list[bytes] = []
    places: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    for row, wanted in zip(np.asarray(rows).tolist(), frames, strict=True):
      if wanted.min() < 0 or wanted.max() >= self.num_frames[row]:
        raise IndexError(f"video {self.video_id(row)} has {self.num_frames[row]} frames, asked for {wanted}")
      different, place = np.unique(wanted, return_inverse=True)
      places.append(place.reshape(-1) + len(unique))
      numbers.append(different + self._columns["first_frame"][row])
      unique += self._read(row, numbers[-1])
    if unique:
      self._check(unique, np.concatenate(numbers), np.asarray(rows), [len(n) for n in numbers])
    return [unique[i] for i in np.concatenate([*places, np.zeros(0, np.int64)]).astype(int).tolist()]

  def _read(self, row: int, numbers: Int64[np.ndarray, " F"]) -> list[bytes]:
    """Bytes of frames of one video, by their ascending numbers in the whole index."""
    starts = self._columns["frame_offset"][numbers].astype(np.int64) + self._columns["record_offset"][row]
    ends = starts + self._columns["frame_length"][numbers]
    # Neighbouring frames lie a tag and a length apart: a few bytes, not worth another read.
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > 16) + 1
    found: list[bytes] = []
    for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(starts)], strict=True):
      begin = int(starts[first])
      block = self._pread(int(self._columns["shard"][row]), int(ends[last - 1]) - begin, begin)
      cuts = zip((starts[first:last] - begin).tolist(), (ends[first:last] - begin).tolist(), strict=True)
      found += [block[start:end] for start, end in cuts]
    return found

  def _pread(self, shard: int, length: int, offset: int) -> bytes:
    with self._lock:
      if shard not in self._open:
        self._open[shard] = os.open(self._files[shard], os.O_RDONLY)
      self._open.move_to_end(shard)
      # dup: another thread may close the least recently used file while this one reads.
      handle = os.dup(self._open[shard])
      if len(self._open) > _MAX_OPEN_FILES:
        os.close(self._open.popitem(last=False)[1])
    try:
      return os.pread(handle, length, offset)
    finally:
      os.close(handle)

  def _check(self, found: list[bytes], numbers: np.ndarray, rows: np.ndarray, counts: list[int]) -> None:
    wrong = np.flatnonzero(crc32c(found) != self._columns["frame_crc32c"][numbers])
    if len(wrong):
      row = int(np.repeat(rows, counts)[wrong[0]])
      offset = int(self._columns["record_offset"][row]) + int(
        self._columns["frame_offset"][numbers[wrong[0]]]
      )
      frame = int(numbers[wrong[0]] - self._columns["first_frame"][row])
      raise RecordError(
        f"{self._files[self._columns['shard'][row]]}: {len(found[wrong[0]])} bytes at offset {offset} "
        f"(frame {frame} of video {self.video_id(row)}) do not have the CRC-32C of the index: "
        "the file was changed or the disk is failing. Delete the file and build it again"
      )

  def close(self) -> None:
    """Closes the record files; reading opens them again."""
    with self._lock:
      while self._open:
        os.close(self._open.popitem()[1])


def write_index(
  directory: str | Path,
  specs: Sequence[ShardSpec],
  results: Sequence[ShardResult],
) -> None:
  """Merges the columns of finished shards into `directory/index`, replacing one that is there.

  Memory is that of one shard. `index.json`, written last, makes the index complete.
  """
  target = Path(directory) / "index"
  temporary = target.with_name(f"index.tmp-{os.getpid()}")
  shutil.rmtree(temporary, ignore_errors=True)
  temporary.mkdir(parents=True)
  totals = _totals(specs)
  sizes = dict.fromkeys([*VIDEO_COLUMNS, "shard"], totals["label"])
  sizes |= dict.fromkeys(FRAME_COLUMNS, totals["frame_length"])
  sizes |= {
    "first_frame": totals["label"] + 1,
    "first_id_byte": totals["label"] + 1,
    "id_bytes": totals["id"],
  }
  types = VIDEO_COLUMNS | FRAME_COLUMNS | _MERGED_COLUMNS
  merged = {
    name: np.lib.format.open_memmap(temporary / f"{name}.npy", "w+", dtype=types[name], shape=(size,))
    for name, size in sizes.items()
    if size  # an empty file cannot be mapped
  }
  filled = dict.fromkeys(merged, 0)
  for number, spec in enumerate(specs):
    for name, values in _merged_values(spec, number, filled).items():
      if name in merged:
        merged[name][filled[name] : filled[name] + len(values)] = values
        filled[name] += len(values)
  for name, total in (("first_frame", "frame_length"), ("first_id_byte", "id_bytes")):
    merged[name][-1] = filled.get(total, 0)
  for array in merged.values():
    array.flush()
  description = {
    "schema": SCHEMA,
    "class_names": list(specs[0].class_names),
    "options": specs[0].options._asdict(),
    "columns": sizes,
    "shards": [
      {"file": r.file, "size": r.size, "sha256": r.sha256, "num_videos": r.num_videos} for r in results
    ],
  }
  (temporary / "index.json").write_text(json.dumps(description, indent=1) + "\n")
  shutil.rmtree(target, ignore_errors=True)
  os.replace(temporary, target)


def _totals(specs: Sequence[ShardSpec]) -> dict[str, int]:
  totals = {"label": 0, "frame_length": 0, "id": 0}
  for spec in specs:
    with np.load(spec.columns_file) as columns:
      totals["label"] += len(columns["label"])
      totals["frame_length"] += len(columns["frame_length"])
      totals["id"] += int(np.char.str_len(columns["video_id"]).sum())
  return totals


def _merged_values(spec: ShardSpec, number: int, filled: dict[str, int]) -> dict[str, np.ndarray]:
  with np.load(spec.columns_file) as columns:
    values = {name: columns[name] for name in [*VIDEO_COLUMNS, *FRAME_COLUMNS]}
    ids = columns["video_id"]
  values["shard"] = np.full(len(ids), number)
  counts = values["num_frames"].astype(np.int64)
  values["first_frame"] = filled.get("frame_length", 0) + np.cumsum(counts) - counts
  lengths = np.char.str_len(ids).astype(np.int64)
  values["first_id_byte"] = filled.get("id_bytes", 0) + np.cumsum(lengths) - lengths
  values["id_bytes"] = np.frombuffer(b"".join(ids.tolist()), np.uint8)
  return values


def open_index(directory: str | Path, short_side: int | None = None) -> VideoIndex:
  """Opens the records in a directory, after checking the count and size of every file.

  `short_side` is the size in pixels that the stored frames must have; None: any.

  Raises:
    InputError: no such directory, no (complete) index, an index of another version, or files that are
      missing or have another size than was written, all of these at once; frames of another size than `short_side`.
  """
  path = Path(directory) / "index"
  make = f"make it with: python -m data_prep.build folder --videos VIDEOS --out {directory} --short_side {short_side or 128}"
  if not Path(directory).is_dir():
    raise InputError(f"no records at {directory}: there is no such directory; {make}")
  try:
    description = json.loads((path / "index.json").read_text())
  except FileNotFoundError:
    raise InputError(f"no records at {directory}: {path / 'index.json'} is missing; {make}") from None
  except ValueError:
    raise InputError(
      f"{path / 'index.json'} is damaged (not JSON). Run the same data_prep.build again"
    ) from None
  if description.get("schema") != SCHEMA:
    raise InputError(
      f"{directory} holds records of schema {description.get('schema')}, this version reads schema {SCHEMA}: "
      "build them again into another directory"
    )
  columns, problems = _open_columns(path, description["columns"])
  for shard in description["shards"]:
    file = Path(directory) / shard["file"]
    size = file.stat().st_size if file.exists() else None
    if size != shard["size"]:
      found = "is missing" if size is None else f"has {size} bytes"
      problems.append(f"{file} {found}, expected {shard['size']} bytes")
  heading = f"the records at {directory} are not whole; run the same data_prep.build again to mend them:"
  raise_all(problems, heading)
  index = VideoIndex(str(directory), description, columns)
  _check_short_side(index, short_side)
  return index


def _check_short_side(index: VideoIndex, short_side: int | None) -> None:
  stored = index.options.short_side
  if short_side not in (None, stored):
    raise InputError(
      f"the frames in {index.directory} are stored with a short side of {stored}, 'data.short_side' is {short_side}; "
      f"make the records anew with --short_side {short_side}, or set --config.data.short_side={stored}"
    )


def _open_columns(path: Path, sizes: dict[str, int]) -> tuple[dict[str, np.ndarray], list[str]]:
  types = VIDEO_COLUMNS | FRAME_COLUMNS | _MERGED_COLUMNS
  columns: dict[str, np.ndarray] = {}
  problems: list[str] = []
  for name, size in sizes.items():
    file = path / f"{name}.npy"
    try:
      columns[name] = np.load(file, mmap_mode="r") if size else np.zeros(0, types[name])
    except (OSError, ValueError, EOFError) as error:
      problems.append(f"{file} cannot be read ({error})")
      continue
    if columns[name].shape != (size,) or columns[name].dtype != types[name]:
      problems.append(
        f"{file} holds {columns[name].dtype} {columns[name].shape}, expected {types[name]} ({size},)"
      )
  return columns, problems


def validation_rows(
  index: VideoIndex, rows: Int[np.ndarray, " R"], fraction: float = 0.02
) -> tuple[Int64[np.ndarray, " S"], Int64[np.ndarray, " U"]]:
  """Splits rows into training and validation: of each class `max(1, round(fraction · n))` of its n videos.

  Which ones is decided by the SHA-256 of the video id, whatever else the data set holds. A class of one
  video gives none, and no class gives all. Both parts keep the order of `rows`.
  """
  rows = np.asarray(rows, np.int64)
  keys = np.array(
    [hashlib.sha256(index.video_id(row).encode()).hexdigest() for row in rows.tolist()], np.str_
  )
  labels = index.label[rows]
  chosen = np.zeros(len(rows), bool)
  for label in np.unique(labels):
    members = np.flatnonzero(labels == label)
    count = min(max(1, round(fraction * len(members))), len(members) - 1)
    chosen[members[np.argsort(keys[members], kind="stable")[:count]]] = True
  return rows[~chosen], rows[chosen]
