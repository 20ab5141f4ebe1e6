"""Makes the index of records that TensorFlow Datasets wrote, so that the pipeline reads them as they are.

python -m data_prep.index ~/tensorflow_datasets/ucf101/ucf101_1/2.0.0

DIR is a prepared version of a data set, the folder that holds dataset_info.json; the index goes to DIR/index. Its
frames must be a Video, a Sequence of Images, or one Image (JPEG or PNG), and it must have a class label.
"""

import argparse
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.tfds_features import Chosen, choose_features
from data_prep.tfds_rows import Rows
from data_prep.tfrecords import RecordFile
from zsar_jax.commands import guarded, parse
from zsar_jax.data.build import alone
from zsar_jax.data.hashing import byte_bar
from zsar_jax.data.index_writer import ShardColumns, merge_index
from zsar_jax.data.schema import RecordOptions, ShardResult
from zsar_jax.data.tensorflow_import import tensorflow_datasets
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.files import parse_json

_MAX_PROBLEMS = 50  # shown


class IndexSummary(NamedTuple):
  """What an index names."""

  num_videos: int
  num_frames: int
  num_classes: int
  num_files: int
  num_empty: int  # records without a frame, passed over
  encoding: str
  features: Chosen


def index_tfds(
  directory: str | Path,
  *,
  split: str | None = None,
  frames: str | None = None,
  label: str | None = None,
  video_id: str | None = None,
) -> IndexSummary:
  """Reads the record files of a prepared TFDS data set once and writes `directory/index`.

  Args:
    directory: holds TFDS's dataset_info.json and features.json.
    split: the one split to index; None: all of them, one after another.
    frames, label, video_id: names of features; None: the ones that fit. Without any feature that names videos,
      and with `video_id` "none", ids are file name, "#", number of the record.

  Raises:
    InputError: no such data set, no fitting features, damaged records (file and offset), labels outside the classes,
      ids that repeat or are not there, frames that are neither JPEG nor PNG or both; all that is wrong with the
      records at once. Another build or indexing at work there.
  """
  directory = Path(directory)
  builder = _open(directory)
  chosen = choose_features(builder.info.features, frames, label, video_id)
  files = _files(builder, split)
  with alone(directory):
    return _index(directory, chosen, files)


def _index(directory: Path, chosen: Chosen, files: list[tuple[Path, int | None]]) -> IndexSummary:
  rows = Rows(chosen)
  _remove_leftovers(directory)
  total = sum(path.stat().st_size for path, _ in files if path.is_file())
  with byte_bar("indexing", total) as advance:
    shards = _shards(files, rows, advance)
    begun = []
    for shard in shards:
      begun.append(shard)
      if rows.num_videos:
        break  # the encoding is known now
    options, made_by = _options(directory, chosen.kind)
    try:
      merge_index(
        directory,
        itertools.chain(begun, shards),
        class_names=chosen.class_names,
        options=options,
        encoding=rows.encoding,
        made_by=made_by,
      )
    except OSError as error:
      raise InputError(f"cannot write {directory / 'index'}: {error.strerror or error}") from None
  return IndexSummary(
    rows.num_videos,
    rows.num_frames,
    len(chosen.class_names),
    len(files),
    rows.num_empty,
    rows.encoding,
    chosen,
  )


def _open(directory: Path) -> Any:
  tfds = tensorflow_datasets()
  lacking = [name for name in ("dataset_info.json", "features.json") if not (directory / name).is_file()]
  if lacking:
    below = sorted(path.parent for path in directory.glob("*/dataset_info.json"))
    below += sorted(path.parent for path in directory.glob("*/*/dataset_info.json"))
    there = f" Did you mean {' or '.join(map(str, below[:3]))}?" if below else ""
    raise InputError(
      f"{directory} is no data set that TFDS prepared: it lacks {' and '.join(lacking)}. "
      f"Give the folder of one version, such as ~/tensorflow_datasets/NAME/CONFIG/1.0.0.{there}"
    )
  try:
    return tfds.builder_from_directory(str(directory))
  except Exception as error:  # whatever damaged metadata makes TFDS raise
    raise InputError(f"TFDS cannot open {directory}: {error}") from error


def _files(builder: Any, split: str | None) -> list[tuple[Path, int | None]]:
  """Record files, and how many records each should hold, of one split or of all."""
  splits = builder.info.splits
  if split is not None and split not in splits:
    raise InputError(
      f"{builder.data_dir} has no split {split!r}: it has {', '.join(splits)}{did_you_mean(split, splits)}"
    )
  file_format = builder.info.file_format
  if file_format is not None and file_format.value != "tfrecord":
    raise InputError(
      f"{builder.data_dir} holds {file_format.value} files: prepare the data set with file_format='tfrecord'"
    )
  files: list[tuple[Path, int | None]] = []
  for name in [split] if split is not None else list(splits):
    lengths = splits[name].shard_lengths
    paths = [Path(path) for path in splits[name].filepaths]
    files += zip(paths, lengths or [None] * len(paths), strict=True)
  return files


def _shards(
  files: list[tuple[Path, int | None]], rows: Rows, advance: Callable[[int], None]
) -> Iterator[tuple[ShardResult, ShardColumns]]:
  """Each file and its columns; after the last, raises what was wrong with any of them."""
  problems: list[str] = []
  for path, expected in files:
    file, number, begin = RecordFile(path), 0, 0
    for number, (offset, record) in enumerate(file.records(), start=1):
      rows.add(path, number - 1, offset, record)
      advance(offset - begin)
      begin = offset
    columns = rows.take()
    problems += file.problems
    if expected is not None and number != expected and not file.problems:
      problems.append(
        f"{path} holds {number} records up to its end at offset {file.size}, dataset_info.json says {expected}: "
        "it was cut or lengthened between two records"
      )
    yield ShardResult(path.name, file.size, file.sha256, len(columns["label"]), ()), columns
  problems += rows.problems()
  if len(problems) > _MAX_PROBLEMS:
    problems = [*problems[:_MAX_PROBLEMS], f"and {len(problems) - _MAX_PROBLEMS} more"]
  raise_all(problems, "these records cannot be indexed (where they are damaged, prepare the data set again):")


def _options(directory: Path, kind: str) -> tuple[RecordOptions, str]:
  """How the records were made, and by what: known where `data_prep.build` made them."""
  try:
    described = parse_json((directory / "build.json").read_text(encoding="utf-8"))
    return RecordOptions(**{name: described[name] for name in RecordOptions._fields}), "data_prep.build"
  except (OSError, ValueError, KeyError, TypeError):
    return RecordOptions(short_side=0, fps=None, jpeg_quality=0, kind=kind), "data_prep.index"


def _remove_leftovers(directory: Path) -> None:
  """Removes what interrupted runs left half written."""
  for path in directory.glob("index.tmp-*"):
    shutil.rmtree(path, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
  """Runs the command; its exit status."""

  def run() -> None:
    options = parse(_parser(), sys.argv[1:] if arguments is None else arguments)
    summary = index_tfds(
      options.directory,
      split=options.split,
      frames=options.frames,
      label=options.label,
      video_id=options.id,
    )
    _print_summary(summary, options.directory)

  return guarded(run)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="python -m data_prep.index",
    description=__doc__,
    formatter_class=argparse.RawTextHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument("directory", metavar="DIR", help="a prepared version of a TFDS data set")
  parser.add_argument("--split", metavar="NAME", help="only this split (default: all)")
  parser.add_argument("--frames", metavar="FEATURE", help="the frames (default: the one that fits)")
  parser.add_argument("--label", metavar="FEATURE", help="the class label (default: the one there is)")
  parser.add_argument(
    "--id", metavar="FEATURE", help="names each video; 'none': file name and number (default: one that fits)"
  )
  return parser


def _print_summary(summary: IndexSummary, directory: str) -> None:
  chosen = summary.features
  print(
    f"{directory}/index: {summary.num_videos} videos of {summary.num_classes} classes in {summary.num_files} files, "
    f"{summary.num_frames} {summary.encoding} frames\n"
    f"  frames from {chosen.frames!r} ({chosen.kind}), labels from {chosen.label!r}, "
    f"ids from {chosen.video_id or 'file name and number'!r}"
  )
  if summary.num_empty:
    print(f"  passed over {summary.num_empty} records without a frame")


if __name__ == "__main__":
  sys.exit(main())
