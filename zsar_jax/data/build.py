"""Builds a directory of records from any list of videos, on the cores of one machine."""

import contextlib
import hashlib
import json
import os
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from zsar_jax.data.decode import DecodedVideo, Decoder, VideoError
from zsar_jax.data.index import write_index
from zsar_jax.data.records import (
  DATASET,
  SCHEMA,
  SPLIT,
  Entry,
  Quarantined,
  RecordOptions,
  ShardResult,
  ShardSpec,
  decode_entry,
  features,
  read_shard,
  write_shard,
)
from zsar_jax.data.tensorflow_import import tensorflow_datasets
from zsar_jax.errors import InputError, raise_all

# What is written under a temporary name first.
_OURS = ("build.json", "index", f"{DATASET}-*", "shards/*.npz")


class BuildSummary(NamedTuple):
  """What a build left in its directory."""

  num_videos: int  # stored
  quarantined: tuple[Quarantined, ...]
  num_bytes: int  # of the record files
  num_resumed: int  # videos that an earlier run had done, stored or quarantined
  seconds: float


def build_records(
  entries: Sequence[Entry],
  class_names: Sequence[str],
  out: str | Path,
  *,
  short_side: int,
  workers: int | None = None,
  fps: float | None = None,
  jpeg_quality: int = 95,
  timeout: float = 60.0,
  videos_per_shard: int = 256,
  progress: Callable[[int, int], None] | None = None,
) -> BuildSummary:
  """Decodes videos in killable processes and stores them as indexed records; run again, it resumes.

  Videos are spread over the shards by a hash of their ids, so that shards mix classes. The bytes do not
  depend on `workers` or on interruptions.

  Args:
    entries: the videos; ids must differ.
    class_names: of the entries' labels.
    out: directory to make or to finish.
    short_side: pixels of the shorter side of stored frames.
    workers: processes that decode; None uses every core.
    fps: store at most so many frames a second; None keeps all.
    jpeg_quality: 1 to 100.
    timeout: seconds a video may take to decode.
    progress: called after each video with how many are done and how many of these were bad.

  Raises:
    InputError: wrong options, repeated ids, `out` unwritable or holding records of other videos or options,
      or no readable video at all.
  """
  began = time.monotonic()
  options = RecordOptions(short_side, fps, jpeg_quality)
  _check(entries, class_names, options, timeout, videos_per_shard)
  ordered = sorted(entries, key=lambda e: hashlib.sha256(e.video_id.encode()).digest())
  _claim(Path(out), _description(ordered, class_names, options, videos_per_shard))
  num_shards = -(-len(ordered) // videos_per_shard)
  specs = [
    ShardSpec(
      str(out),
      number,
      num_shards,
      tuple(ordered[number * videos_per_shard : (number + 1) * videos_per_shard]),
      tuple(class_names),
      options,
      timeout,
    )
    for number in range(num_shards)
  ]
  results, num_resumed = _write_shards(specs, workers or os.cpu_count() or 1, progress)
  quarantined = tuple(bad for result in results for bad in result.quarantined)
  _write_quarantine(Path(out), quarantined)
  num_videos = sum(result.num_videos for result in results)
  if not num_videos:
    shown = "\n".join(f"  - {bad.path}: {bad.reason}" for bad in quarantined[:10])
    raise InputError(f"none of {len(entries)} videos could be read (all in {out}/quarantine.jsonl):\n{shown}")
  _write_tfds_metadata(Path(out), class_names, results)
  write_index(out, specs, results)
  _remove_leftovers(Path(out))
  num_bytes = sum(result.size for result in results)
  return BuildSummary(num_videos, quarantined, num_bytes, num_resumed, time.monotonic() - began)


def _check(entries, class_names, options: RecordOptions, timeout: float, videos_per_shard: int) -> None:
  problems = []
  if not entries:
    problems.append("there are no videos to build records from")
  ids = [entry.video_id for entry in entries]
  if len(set(ids)) < len(ids):
    repeated = sorted({i for i in ids if ids.count(i) > 1})[:10] if len(ids) < 10_000 else "some"
    problems.append(f"video ids must differ; repeated: {repeated}")
  if any(not 0 <= entry.label < len(class_names) for entry in entries):
    problems.append(f"labels must lie in 0..{len(class_names) - 1}, the rows of the class names")
  if len(set(class_names)) < len(class_names):
    problems.append("class names must differ")
  if options.short_side < 1:
    problems.append(f"short_side {options.short_side}: expected pixels, at least 1")
  if options.fps is not None and options.fps <= 0:
    problems.append(f"fps {options.fps}: expected frames a second, above 0")
  if not 1 <= options.jpeg_quality <= 100:
    problems.append(f"jpeg_quality {options.jpeg_quality}: expected 1 to 100")
  if timeout <= 0:
    problems.append(f"timeout {timeout}: expected seconds, above 0")
  if videos_per_shard < 1:
    problems.append(f"videos_per_shard {videos_per_shard}: expected at least 1")
  raise_all(problems)


def _description(ordered, class_names, options: RecordOptions, videos_per_shard: int) -> dict:
  listing = json.dumps([[e.video_id, e.label, os.path.basename(e.path)] for e in ordered])
  return {
    "schema": SCHEMA,
    **options._asdict(),
    "videos_per_shard": videos_per_shard,
    "class_names": list(class_names),
    "num_videos": len(ordered),
    "videos_sha256": hashlib.sha256(listing.encode()).hexdigest(),
  }


def _claim(out: Path, description: dict) -> None:
  """Makes the directory, or makes sure that what is there was begun with the same videos and options."""
  file = out / "build.json"
  try:
    out.mkdir(parents=True, exist_ok=True)
    if file.exists():
      there = json.loads(file.read_text())
      differing = [key for key in description if there.get(key) != description[key]]
      problems = [f"{k}: {_short(there.get(k))} there, {_short(description[k])} asked for" for k in differing]
      raise_all(problems, f"{out} holds records made otherwise; choose another --out or delete it:")
    else:
      temporary = out / f"build.json.tmp-{os.getpid()}"
      temporary.write_text(json.dumps(description, indent=1) + "\n")
      os.replace(temporary, file)
  except json.JSONDecodeError:
    raise InputError(f"{file} is damaged (not JSON): delete {out} and build again") from None
  except OSError as error:
    raise InputError(f"cannot write to {out}: {error.strerror or error}") from None


def _short(value) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:57] + "..."


def _write_shards(
  specs: Sequence[ShardSpec], workers: int, progress: Callable[[int, int], None] | None
) -> tuple[list[ShardResult], int]:
  """Results of all shards in order, and how many videos were in shards already finished."""
  results = {spec.number: result for spec in specs if (result := read_shard(spec)) is not None}
  todo = [spec for spec in specs if spec.number not in results]
  resumed = sum(r.num_videos + len(r.quarantined) for r in results.values())
  counts = [resumed, sum(len(r.quarantined) for r in results.values())]

  def counted(videos: Iterable[DecodedVideo | VideoError]) -> Iterator[DecodedVideo | VideoError]:
    for video in videos:
      counts[0] += 1
      counts[1] += isinstance(video, VideoError)
      if progress is not None:
        progress(*counts)
      yield video

  if progress is not None:
    progress(*counts)
  with contextlib.closing(_decode_ahead(todo, workers)) as decoded:
    for spec in todo:
      results[spec.number] = write_shard(spec, counted(islice(decoded, len(spec.entries))))
  return [results[spec.number] for spec in specs], resumed


def _decode_ahead(
  specs: Sequence[ShardSpec], workers: int
) -> Generator[DecodedVideo | VideoError, None, None]:
  """Every entry of every shard, decoded by `workers` processes, in order; a few ahead of the reader."""
  decoders: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
  everyone = [Decoder() for _ in range(workers)]
  for decoder in everyone:
    decoders.put(decoder)

  def decode(entry: Entry, spec: ShardSpec) -> DecodedVideo | VideoError:
    decoder = decoders.get()
    try:
      return decode_entry(entry, spec.options, spec.timeout, decoder)
    finally:
      decoders.put(decoder)

  pool = ThreadPoolExecutor(workers)
  pending: deque[Future] = deque()
  try:
    for spec in specs:
      for entry in spec.entries:
        pending.append(pool.submit(decode, entry, spec))
        if len(pending) > 2 * workers:
          yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    pool.shutdown(wait=False, cancel_futures=True)
    for decoder in everyone:
      decoder.kill()  # ends the calls that threads are waiting for
    pool.shutdown(wait=True)
    for decoder in everyone:
      decoder.close()


def _write_quarantine(out: Path, quarantined: Sequence[Quarantined]) -> None:
  lines = [json.dumps(bad._asdict(), ensure_ascii=False) + "\n" for bad in quarantined]
  (out / "quarantine.jsonl").write_text("".join(lines), encoding="utf-8")


def _write_tfds_metadata(out: Path, class_names: Sequence[str], results: Sequence[ShardResult]) -> None:
  """What lets `tfds.builder_from_directory(out)` open the records."""
  tfds = tensorflow_datasets()
  template = tfds.core.ShardedFileTemplate(
    data_dir=out, dataset_name=DATASET, split=SPLIT, filetype_suffix="tfrecord"
  )
  split = tfds.core.SplitInfo(
    name=SPLIT,
    shard_lengths=[result.num_videos for result in results],
    num_bytes=sum(result.size for result in results),
    filename_template=template,
  )
  tfds.folder_dataset.write_metadata(
    data_dir=out,
    features=features(tuple(class_names)),
    split_infos=[split],
    filename_template=template,
    check_data=False,  # it would decode a record
    description="Videos as JPEG frames, one record a video.",
  )


def _remove_leftovers(out: Path) -> None:
  """Removes what interrupted runs left half written."""
  for path in [p for name in _OURS for p in out.glob(f"{name}.tmp-*")]:
    if path.is_dir():
      shutil.rmtree(path)
    else:
      path.unlink()
