"""Checks that what a source lists can be opened, without storing anything."""

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from zsar_jax.data.decode import Decoder
from zsar_jax.data.feature_source import read_features
from zsar_jax.data.index import open_index
from zsar_jax.data.killable_pool import map_ahead
from zsar_jax.data.reader import RecordError
from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.data.video_source import VideoError, VideoSource, open_file


def verify_entries(
  entries: Sequence[Entry],
  kind: str,
  *,
  workers: int,
  timeout: float,
  progress: Callable[[int, int], None] | None = None,
) -> list[Quarantined]:
  """The entries that cannot be opened, with reasons. The first frame of each (of its segment) is decoded.

  What is damaged farther on is found by a build only.

  Args:
    entries: of a listing.
    kind: of the listing.
    workers: processes.
    timeout: seconds for each, after which its process is killed.
    progress: called with how many are done and how many of these are bad.
  """

  def check(decoder: Decoder, entry: Entry) -> str:
    try:
      decoder.call(open_entry, entry, kind, timeout=timeout)
      return ""
    except VideoError as error:
      return str(error)

  bad: list[Quarantined] = []
  with contextlib.closing(map_ahead(check, entries, Decoder, workers)) as reasons:
    for done, (entry, reason) in enumerate(zip(entries, reasons, strict=True), 1):
      if reason:
        bad.append(Quarantined(entry.path, reason))
      if progress is not None:
        progress(done, len(bad))
  return bad


def open_entry(entry: Entry, kind: str) -> None:
  """Opens one entry and reads its beginning; runs in a worker process.

  Raises:
    VideoError: it cannot be used.
  """
  if kind == "features":
    read_features(entry.path, entry.row)
  elif entry.row >= 0:
    try:
      open_index(entry.path, verify="off").frame_bytes(np.array([entry.row]), np.zeros((1, 1), int))
    except RecordError as error:
      raise VideoError(f"unreadable: {error}") from error
  elif kind == "image":
    with open_file(entry.path) as file, VideoSource(file, None, None) as source:
      source.check(sum(1 for _ in source.frames()))
  else:
    with VideoSource(entry.path, None, None, entry.start, entry.end) as source:
      if next(source.frames(), None) is None:
        source.check(0)
