"""Many ranges of bytes of many files at once: by `pread` on this machine, through TensorFlow elsewhere."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int64

from zsar_jax.data.storage import is_remote
from zsar_jax.data.tensorflow_import import tensorflow

_MAX_OPEN_FILES = 256
# Bytes between two ranges that are read along rather than apart. In one record neighbouring frames lie a tag and a
# length apart; a request to an object store takes as long as tens of kilobytes do.
_LOCAL_GAP, _REMOTE_GAP = 16, 1 << 16
_REMOTE_REQUESTS = 16  # at once


class RecordError(Exception):
  """Stored bytes are not what was written; names file and offset."""


class _Files(Protocol):
  max_gap: int

  def fetch(self, blocks: list[tuple[int, int, int]]) -> list[bytes]: ...

  def close(self) -> None: ...


class RangeReader:
  """Reads ranges of a fixed list of files. Safe to share between threads.

  Attributes:
    bytes_read: bytes asked of the files so far.
    num_reads: reads so far.
  """

  def __init__(self, paths: Sequence[str], remedy: str = "run the same data_prep.build again"):
    """`remedy` is what error messages tell to do about a damaged file, after deleting it."""
    remote = bool(paths) and is_remote(paths[0])
    self._files: _Files = _RemoteFiles(paths, remedy) if remote else _LocalFiles(paths, remedy)
    self._lock = threading.Lock()
    self.bytes_read = 0
    self.num_reads = 0

  def read(
    self, files: Int64[np.ndarray, " R"], starts: Int64[np.ndarray, " R"], lengths: Int64[np.ndarray, " R"]
  ) -> list[bytes]:
    """The bytes of R ranges that ascend by (file, start); neighbours are read in one go.

    Args:
      files: numbers of the paths.
      starts: offsets in bytes.
      lengths: bytes, at least 1.

    Raises:
      RecordError: a file is gone, cannot be read or ends too early; names file and offset.
    """
    if not len(starts):
      return []
    ends = starts + lengths
    gaps = starts[1:] - ends[:-1]
    apart = (files[1:] != files[:-1]) | (gaps > self._files.max_gap) | (gaps < 0)
    block = np.concatenate([[0], np.cumsum(apart)])
    first = np.concatenate([[0], np.flatnonzero(apart) + 1])
    last = np.concatenate([first[1:], [len(starts)]]) - 1
    sizes = ends[last] - starts[first]
    blocks = list(zip(files[first].tolist(), starts[first].tolist(), sizes.tolist(), strict=True))
    found = self._files.fetch(blocks)
    with self._lock:
      self.num_reads += len(blocks)
      self.bytes_read += int(sizes.sum())
    begins = starts - starts[first][block]
    cuts = zip(block.tolist(), begins.tolist(), (begins + lengths).tolist(), strict=True)
    return [found[number][begin:end] for number, begin, end in cuts]

  def close(self) -> None:
    """Closes the files; reading opens them again."""
    self._files.close()


class _Descriptor:
  """A file open for reading, closed when nobody holds it any more."""

  def __init__(self, path: str):
    self.number = os.open(path, os.O_RDONLY)

  def __del__(self):
    if hasattr(self, "number"):
      os.close(self.number)


class _LocalFiles:
  """Ranges of files of this machine."""

  max_gap = _LOCAL_GAP

  def __init__(self, paths: Sequence[str], remedy: str):
    self._paths = paths
    self._remedy = remedy
    self._open: OrderedDict[int, _Descriptor] = OrderedDict()  # least recently used first
    self._lock = threading.Lock()

  def fetch(self, blocks: list[tuple[int, int, int]]) -> list[bytes]:
    held = {file: self._descriptor(file) for file in dict.fromkeys(file for file, _, _ in blocks)}
    if hasattr(os, "posix_fadvise"):
      # The disk hears of all of them before the first is waited for.
      for file, start, length in blocks:
        with contextlib.suppress(OSError):  # a hint: what is wrong shows where the bytes are read
          os.posix_fadvise(held[file].number, start, length, os.POSIX_FADV_WILLNEED)
    return [self._read(held[file].number, file, start, length) for file, start, length in blocks]

  def _descriptor(self, file: int) -> _Descriptor:
    with self._lock:
      if file not in self._open:
        try:
          self._open[file] = _Descriptor(self._paths[file])
        except OSError as error:
          raise RecordError(_unreadable(self._paths[file], self._remedy, error.strerror)) from error
      self._open.move_to_end(file)
      found = self._open[file]
      if len(self._open) > _MAX_OPEN_FILES:
        self._open.popitem(last=False)
      return found

  def _read(self, descriptor: int, file: int, start: int, length: int) -> bytes:
    try:
      block = os.pread(descriptor, length, start)
      # One call gives at most 2 GiB, and some network file systems give less than was asked.
      while len(block) < length and (more := os.pread(descriptor, length - len(block), start + len(block))):
        block += more
    except OSError as error:
      raise RecordError(_unreadable(self._paths[file], self._remedy, error.strerror, start)) from error
    if len(block) < length:
      raise RecordError(_cut(self._paths[file], self._remedy, start, length, len(block)))
    return block

  def close(self) -> None:
    with self._lock:
      self._open.clear()


class _RemoteFiles:
  """Ranges of files that TensorFlow reads, several at once: each request of an object store takes long."""

  max_gap = _REMOTE_GAP

  def __init__(self, paths: Sequence[str], remedy: str):
    self._paths = paths
    self._remedy = remedy
    self._idle: OrderedDict[int, list[Any]] = OrderedDict()  # open files that nobody reads just now
    self._lock = threading.Lock()
    self._pool: ThreadPoolExecutor | None = None

  def fetch(self, blocks: list[tuple[int, int, int]]) -> list[bytes]:
    with self._lock:
      if self._pool is None:
        self._pool = ThreadPoolExecutor(_REMOTE_REQUESTS, thread_name_prefix="records")
      pool = self._pool
    return list(pool.map(lambda block: self._read(*block), blocks))

  def _read(self, file: int, start: int, length: int) -> bytes:
    handle = self._take(file)
    try:
      handle.seek(start)
      block = handle.read(length)
    except tensorflow().errors.OutOfRangeError:
      block = b""
    except tensorflow().errors.OpError as error:
      raise RecordError(_unreadable(self._paths[file], self._remedy, error.message, start)) from error
    if len(block) < length:
      raise RecordError(_cut(self._paths[file], self._remedy, start, length, len(block)))
    self._give(file, handle)
    return block

  def _take(self, file: int) -> Any:
    with self._lock:
      idle = self._idle.get(file)
      if idle:
        return idle.pop()
    return tensorflow().io.gfile.GFile(self._paths[file], "rb")

  def _give(self, file: int, handle: Any) -> None:
    with self._lock:
      self._idle.setdefault(file, []).append(handle)
      self._idle.move_to_end(file)
      if len(self._idle) > _MAX_OPEN_FILES:
        self._idle.popitem(last=False)

  def close(self) -> None:
    with self._lock:
      self._idle.clear()
      pool, self._pool = self._pool, None
    if pool is not None:
      pool.shutdown(wait=False)


def _unreadable(path: str, remedy: str, reason: str | None, offset: int | None = None) -> str:
  place = "" if offset is None else f" at offset {offset}"
  return f"{path} cannot be read{place} ({reason}). Where it is gone or broken, {remedy}"


def _cut(path: str, remedy: str, offset: int, expected: int, found: int) -> str:
  return (
    f"{path}: {found} bytes at offset {offset}, expected {expected}: the file was cut after it was written. "
    f"Delete it and {remedy}"
  )
