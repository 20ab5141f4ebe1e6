"""Writing an index: the columns of shards, one after another, into one file a column."""

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from zsar_jax.data import storage
from zsar_jax.data.index_format import COLUMNS, feature_shapes
from zsar_jax.data.schema import FRAME_COLUMNS, SCHEMA, VIDEO_COLUMNS, RecordOptions, ShardResult, ShardSpec
from zsar_jax.files import json_digest

# A shard's columns (`VIDEO_COLUMNS`, `FRAME_COLUMNS` and `video_id`, bytes), rows in the order of their offsets.
ShardColumns = Mapping[str, np.ndarray]


def write_index(directory: str | Path, specs: Sequence[ShardSpec], results: Sequence[ShardResult]) -> None:
  """Merges the columns of finished shards into `directory/index`, replacing one that is there.

  TFDS's metadata must lie beside the shards already. Memory is that of one shard.

  Raises:
    OSError: the disk is full, TFDS's `features.json` is missing.
  """
  options = specs[0].options
  merge_index(
    directory,
    ((result, _load(spec)) for spec, result in zip(specs, results, strict=True)),
    class_names=specs[0].class_names,
    options=options,
    encoding="float32" if options.kind == "features" else "jpeg",
    made_by="data_prep.build",
  )


def _load(spec: ShardSpec) -> ShardColumns:
  with np.load(spec.columns_file, allow_pickle=False) as columns:
    return {name: columns[name] for name in [*VIDEO_COLUMNS, *FRAME_COLUMNS, "video_id"]}


def merge_index(
  directory: str | Path,
  shards: Iterable[tuple[ShardResult, ShardColumns]],
  *,
  class_names: Sequence[str],
  options: RecordOptions,
  encoding: str,
  made_by: str,
) -> None:
  """Writes `directory/index` from finished record files and their columns, which are taken one at a time.

  The index appears under its name when it is whole; what goes wrong, in `shards` too, leaves none of it, and the
  index that was there where it was. Where several write at once, the last one's stays.

  Args:
    encoding: of a frame: "jpeg", "png" or "float32".
    made_by: the command to run again, as error messages will name it.

  Raises:
    OSError: as `write_index`.
  """
  target = Path(directory) / "index"
  temporary = _beside(target)
  temporary.mkdir(parents=True)
  try:
    files, lengths = _write_columns(temporary, shards)
    description = {
      "schema": SCHEMA,
      "class_names": list(class_names),
      "options": options._asdict(),
      "encoding": encoding,
      "made_by": made_by,
      "features": feature_shapes(str(directory)),
      "columns": {
        name: {"length": length, "sha256": storage.sha256(str(temporary / f"{name}.npy"))}
        for name, length in lengths.items()
      },
      "shards": files,
    }
    description["sha256"] = json_digest(description)
    (temporary / "index.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    _replace(temporary, target)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def _beside(target: Path) -> Path:
  """A name that no other process and no other call takes."""
  return target.with_name(f"{target.name}.tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def _replace(folder: Path, target: Path) -> None:
  """Renames a folder to `target`, whatever folder is there; that one is deleted once it is replaced."""
  replaced = False
  while not replaced:
    aside = _beside(target)
    with contextlib.suppress(FileNotFoundError):
      os.rename(target, aside)
    try:
      # Where another writer's came in between, that one gives way in turn.
      replaced = _renamed(folder, target)
    except BaseException:
      if aside.exists():
        _renamed(aside, target)
      raise
    shutil.rmtree(aside, ignore_errors=True)


def _renamed(folder: Path, name: Path) -> bool:
  """Renames a folder; False where another one has the name."""
  try:
    os.rename(folder, name)
  except OSError as error:
    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
      raise
    return False
  return True


def _write_columns(
  folder: Path, shards: Iterable[tuple[ShardResult, ShardColumns]]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
  """Writes every column; what index.json says of the record files, and the length of each column."""
  files: list[dict[str, Any]] = []
  lengths = dict.fromkeys(COLUMNS, 0)
  with ExitStack() as stack:
    opened = {name: stack.enter_context(open(folder / f"{name}.npy", "wb")) for name in COLUMNS}
    for name, file in opened.items():
      _write_header(file, name, 0)
    for result, columns in shards:
      for name, values in _merged_values(columns, len(files), lengths):
        opened[name].write(np.ascontiguousarray(values, COLUMNS[name]).data)
        lengths[name] += len(values)
      described = result._asdict()
      del described["quarantined"]
      files.append(described)
    # Where the last video's frames and id end.
    for name, total in (("first_frame", "frame_length"), ("first_id_byte", "id_bytes")):
      opened[name].write(np.array([lengths[total]], COLUMNS[name]).data)
      lengths[name] += 1
    for name, file in opened.items():
      file.seek(0)
      _write_header(file, name, lengths[name])
      file.flush()
      os.fsync(file.fileno())
  return files, lengths


def _write_header(file: IO[bytes], name: str, length: int) -> None:
  # NumPy pads it, so that one written again with another length takes the same bytes.
  described = np.lib.format.header_data_from_array_1_0(np.zeros(0, COLUMNS[name]))
  np.lib.format.write_array_header_1_0(file, described | {"shape": (length,)})


def _merged_values(
  columns: ShardColumns, number: int, lengths: Mapping[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
  """Columns of the whole index for shard `number`, which begins after `lengths`."""
  ids = np.asarray(columns["video_id"], np.bytes_)
  frames, letters = columns["num_frames"].astype(np.int64), np.char.str_len(ids).astype(np.int64)
  # Before the columns that they count are made longer.
  starts = lengths["frame_length"] + np.cumsum(frames) - frames
  first_bytes = lengths["id_bytes"] + np.cumsum(letters) - letters
  yield from ((name, columns[name]) for name in [*VIDEO_COLUMNS, *FRAME_COLUMNS])
  yield "shard", np.full(len(ids), number)
  yield "first_frame", starts
  yield "first_id_byte", first_bytes
  yield "id_bytes", np.frombuffer(b"".join(ids.tolist()), np.uint8)
