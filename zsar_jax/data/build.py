"""Builds a directory of records from any list of videos, on the cores of one machine."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zsar_jax.data.index_writer import write_index
from zsar_jax.data.jpeg import MOST_PIXELS
from zsar_jax.data.local_runner import write_shards
from zsar_jax.data.records import read_shard
from zsar_jax.data.schema import (
  DATASET,
  JPEG_QUALITY,
  KINDS,
  SCHEMA,
  Entry,
  Quarantined,
  RecordOptions,
  ShardResult,
  ShardSpec,
)
from zsar_jax.data.tfds_metadata import write_tfds_metadata
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json
from zsar_jax.lock import exclusive

LONGEST = 86400  # seconds for a video
# What is written under a temporary name first.
_OURS = ("build.json", "index", f"{DATASET}-*", "shards/*.npz")


Progress = Callable[[int, int], None]  # how many videos are done, how many of these were bad
# Writes the shards, in order, and calls its second argument after each video with whether that was bad.
Runner = Callable[[Sequence[ShardSpec], Callable[[bool], None]], Sequence[ShardResult]]


class BuildSummary(NamedTuple):
  """What a build left in its directory."""

  num_videos: int  # stored
  quarantined: tuple[Quarantined, ...]
  num_bytes: int  # of the record files
  num_resumed: int  # videos that an earlier run had done, stored or quarantined
  num_one_frame: int  # stored videos of one frame: clips of them repeat it
  seconds: float


def build_records(
  entries: Sequence[Entry],
  class_names: Sequence[str],
  out: str | Path,
  *,
  short_side: int,
  kind: str = "video",
  quarantined: Sequence[Quarantined] = (),
  workers: int | None = None,
  runner: Runner | None = None,
  fps: float | None = None,
  jpeg_quality: int = JPEG_QUALITY,
  timeout: float = 60.0,
  videos_per_shard: int = 256,
  retry: bool = False,
  progress: Progress | None = None,
) -> BuildSummary:
  """Decodes videos in killable processes and stores them as indexed records; run again, it resumes.

  Videos are spread over the shards by a hash of their ids, so that shards mix classes. The bytes do not
  depend on `workers` or on interruptions.

  Args:
    entries: the videos; ids must differ.
    class_names: of the entries' labels.
    out: directory to make or to finish.
    short_side: pixels of the shorter side of stored frames; 0 for features.
    kind: what the entries are: "video", "image" or "features".
    quarantined: what the source itself found unusable; listed with the rest.
    workers: processes that decode; None uses every core.
    runner: writes the shards instead, elsewhere (see `data_prep.beam`).
    fps: store at most so many frames a second; None keeps all.
    jpeg_quality: 1 to 100.
    timeout: seconds a video may take to decode.
    retry: decode again what an earlier run had quarantined: mended since, or given a longer `timeout`.
    progress: called after each video with how many are done and how many of these were bad.

  Raises:
    InputError: wrong options, repeated ids, `out` unwritable or holding records of other videos or options,
      another build at work there, features of different widths, or no readable video at all.
    OSError: the disk is full.
  """
  began = time.monotonic()
  options = RecordOptions(short_side, fps, jpeg_quality, kind)
  _check(entries, class_names, options, timeout, videos_per_shard)
  ordered = sorted(entries, key=lambda e: hashlib.sha256(e.video_id.encode()).digest())
  run = runner or functools.partial(write_shards, workers=workers or os.cpu_count() or 1)
  out = Path(out)
  _make(out)
  with alone(out):
    _claim(out, _description(ordered, class_names, options, videos_per_shard))
    _remove_leftovers(out)
    specs = _specs(out, ordered, class_names, options, timeout, videos_per_shard)
    if retry:
      _forget_quarantined(specs)
    results, num_resumed = _run(specs, run, progress)
    bad = (*quarantined, *(one for result in results for one in result.quarantined))
    _write_quarantine(out, bad)
    if not any(result.num_videos for result in results):
      shown = "\n".join(f"  - {one.path}: {one.reason}" for one in bad[:10])
      raise InputError(
        f"none of {len(entries)} videos could be read (all in {out}/quarantine.jsonl; once they are mended, run again with "
        f"--retry):\n{shown}"
      )
    num_one_frame = _check_columns(specs, kind)
    write_tfds_metadata(out, class_names, kind, results)
    write_index(out, specs, results)
  return BuildSummary(
    sum(result.num_videos for result in results),
    bad,
    sum(result.size for result in results),
    num_resumed,
    num_one_frame,
    time.monotonic() - began,
  )


def _specs(
  out: Path,
  ordered: Sequence[Entry],
  class_names: Sequence[str],
  options: RecordOptions,
  timeout: float,
  videos_per_shard: int,
) -> list[ShardSpec]:
  num_shards = -(-len(ordered) // videos_per_shard)
  return [
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


def _check_columns(specs: Sequence[ShardSpec], kind: str) -> int:
  """How many stored videos have one frame. Raises InputError where features are not all of one width."""
  lengths, widths = Counter[int](), Counter[int]()
  for spec in specs:
    with np.load(spec.columns_file) as columns:
      lengths.update(columns["num_frames"].tolist())
      widths.update(columns["width"].tolist())
  if kind == "features" and len(widths) > 1:
    told = ", ".join(f"{width} ({count} videos)" for width, count in sorted(widths.items()))
    raise InputError(f"features must all be of one width; found {told}: leave out those of another model")
  return lengths[1]


def _check(entries, class_names, options: RecordOptions, timeout: float, videos_per_shard: int) -> None:
  problems = []
  if not entries:
    problems.append("there are no videos to build records from")
  ids = [entry.video_id for entry in entries]
  if len(set(ids)) < len(ids):
    repeated = [i for i, count in Counter(ids).items() if count > 1]
    more = f" and {len(repeated) - 10} more" if len(repeated) > 10 else ""
    problems.append(f"video ids must differ; repeated: {', '.join(map(repr, sorted(repeated)[:10]))}{more}")
  if any(not 0 <= entry.label < len(class_names) for entry in entries):
    problems.append(f"labels must lie in 0..{len(class_names) - 1}, the rows of the class names")
  if len(set(class_names)) < len(class_names):
    problems.append("class names must differ")
  if options.kind not in KINDS:
    problems.append(f"kind {options.kind!r}: expected one of {', '.join(KINDS)}")
  if (options.short_side < 1) != (options.kind == "features") or options.short_side > MOST_PIXELS:
    problems.append(f"short_side {options.short_side}: expected pixels, 1 to {MOST_PIXELS} (0 for features)")
  if options.fps is not None and options.fps <= 0:
    problems.append(f"fps {options.fps}: expected frames a second, above 0")
  if not 1 <= options.jpeg_quality <= 100:
    problems.append(f"jpeg_quality {options.jpeg_quality}: expected 1 to 100")
  if not 0 < timeout <= LONGEST:
    problems.append(f"timeout {timeout}: expected seconds, above 0, at most {LONGEST}")
  if videos_per_shard < 1:
    problems.append(f"videos_per_shard {videos_per_shard}: expected at least 1")
  raise_all(problems)


def _description(ordered, class_names, options: RecordOptions, videos_per_shard: int) -> dict:
  listing = json.dumps([[e.video_id, e.label, os.path.basename(e.path), *e[3:]] for e in ordered])
  return {
    "schema": SCHEMA,
    **options._asdict(),
    "videos_per_shard": videos_per_shard,
    "class_names": list(class_names),
    "num_videos": len(ordered),
    "videos_sha256": hashlib.sha256(listing.encode()).hexdigest(),
  }


def _make(out: Path) -> None:
  try:
    out.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(f"cannot write to {out}: {error.strerror or error}") from None


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
  """Keeps a second build out of the same directory; the lock goes with the process, however that ends.

  Raises:
    InputError: another build is at work there, or it cannot be written to.
  """
  with contextlib.ExitStack() as stack:
    taken = f"another build is writing to {out}: wait for it, or write elsewhere"
    try:
      stack.enter_context(exclusive(out / ".lock", taken))
    except OSError as error:
      raise InputError(f"cannot write to {out}: {error.strerror or error}") from None
    yield


def _claim(out: Path, description: dict) -> None:
  """Makes sure that what is in the directory was begun with the same videos and options."""
  file = out / "build.json"
  try:
    if file.exists():
      there = parse_json(file.read_text())
      if not isinstance(there, dict):
        raise InputError(f"{file} is damaged (not an object): delete {out} and build again")
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


def _forget_quarantined(specs: Sequence[ShardSpec]) -> None:
  """Makes the shards that lack a video unfinished."""
  for spec in specs:
    result = read_shard(spec)
    if result is not None and result.quarantined:
      spec.columns_file.unlink()


def _run(specs: Sequence[ShardSpec], run: Runner, progress: Progress | None) -> tuple[list[ShardResult], int]:
  """Results of all shards in order, and how many videos were in shards already finished."""
  results = {spec.number: result for spec in specs if (result := read_shard(spec)) is not None}
  todo = [spec for spec in specs if spec.number not in results]
  resumed = sum(r.num_videos + len(r.quarantined) for r in results.values())
  counts = [resumed, sum(len(r.quarantined) for r in results.values())]

  def count(bad: bool) -> None:
    counts[0] += 1
    counts[1] += bad
    if progress is not None:
      progress(*counts)

  if progress is not None:
    progress(*counts)
  for spec, result in zip(todo, run(todo, count) if todo else [], strict=True):
    results[spec.number] = result
  return [results[spec.number] for spec in specs], resumed


def _write_quarantine(out: Path, quarantined: Sequence[Quarantined]) -> None:
  lines = [json.dumps(bad._asdict(), ensure_ascii=False) + "\n" for bad in quarantined]
  (out / "quarantine.jsonl").write_text("".join(lines), encoding="utf-8")


def _remove_leftovers(out: Path) -> None:
  """Removes what interrupted runs left half written."""
  for path in [p for name in _OURS for p in out.glob(f"{name}.tmp-*")]:
    if path.is_dir():
      shutil.rmtree(path)
    else:
      path.unlink()
