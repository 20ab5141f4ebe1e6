"""How much room records will take: from a few videos that are really decoded."""

import hashlib
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from zsar_jax.data.decode import Decoder
from zsar_jax.data.records import decode_entry
from zsar_jax.data.schema import DATASET, DecodedVideo, Entry, RecordOptions

_SAMPLES = 16
_SECONDS = 15.0
_SIZES = 1000  # files whose size stands for all


class Estimate(NamedTuple):
  """Bytes that all records will take, from a few videos."""

  num_bytes: int
  error: float  # two standard errors, as a share of num_bytes; NaN for a single video
  num_decoded: int  # videos it is measured on; 0: none could be decoded, and nothing is known


def estimate_bytes(entries: Sequence[Entry], options: RecordOptions, timeout: float) -> Estimate:
  """Decodes some of the entries, up to 16 and about 15 seconds, and scales their bytes up.

  By seconds where every entry is a segment, by the size of the files where none is, else by their number. Which
  ones is decided by their ids. `timeout`: seconds for each.
  """
  chosen = sorted(entries, key=lambda e: hashlib.sha256(e.video_id.encode()).digest())
  by = _measure(entries)
  sizes: list[float] = []
  weights: list[float] = []
  began = time.monotonic()
  with Decoder() as decoder:
    for entry in chosen[:_SAMPLES]:
      decoded = decode_entry(entry, options, timeout, decoder)
      if isinstance(decoded, DecodedVideo):
        sizes.append(sum(map(len, decoded.frames)))
        weights.append(_weight(entry, by))
      if time.monotonic() - began > _SECONDS:
        break
  if not sum(weights):
    return Estimate(0, math.nan, 0)
  some = chosen[:_SIZES]
  total = sum(_weight(entry, by) for entry in some) / len(some) * len(entries)
  return Estimate(round(sum(sizes) / sum(weights) * total), _error(sizes, weights, len(entries)), len(sizes))


def _error(sizes: list[float], weights: list[float], num_entries: int) -> float:
  """Two standard errors of the ratio of the sums, relative to it."""
  count, ratio = len(sizes), sum(sizes) / sum(weights)
  if count < 2:
    return 0.0 if num_entries == 1 else math.nan
  spread = sum((size - ratio * weight) ** 2 for size, weight in zip(sizes, weights, strict=True)) / (
    count - 1
  )
  return 2 * math.sqrt(spread / count * max(1 - count / num_entries, 0.0)) / (sum(sizes) / count)


def _measure(entries: Sequence[Entry]) -> str:
  if all(entry.end is not None for entry in entries):
    return "seconds"
  whole = all(entry.end is None and not entry.start and entry.row < 0 for entry in entries)
  return "size" if whole else "number"


def _weight(entry: Entry, by: str) -> float:
  if by == "seconds" and entry.end is not None:
    return entry.end - entry.start
  if by == "size":
    return float(os.path.getsize(entry.path)) if os.path.exists(entry.path) else 0.0
  return 1.0


def free_bytes(out: str | Path) -> int:
  """Room for records at `out`: what is free on its disk, and what records already there take."""
  folder = Path(out).absolute()
  there = sum(path.stat().st_size for path in folder.glob(f"{DATASET}-*")) if folder.is_dir() else 0
  while not folder.exists():
    folder = folder.parent
  return shutil.disk_usage(folder).free + there


def readable_size(num_bytes: float) -> str:
  """Such as `1.2 GB`; powers of 1000."""
  for unit in ("B", "kB", "MB", "GB"):
    if num_bytes < 999.5:
      return f"{num_bytes:.3g} {unit}"
    num_bytes /= 1000
  return f"{num_bytes:,.1f} TB"
