"""Decoding processes that live on between calls: starting one takes longer than most videos."""

import os
import threading
from collections.abc import Generator, Iterable
from pathlib import Path

from zsar_jax.data.decode import Decoder
from zsar_jax.data.killable_pool import map_ahead
from zsar_jax.data.video_clips import ClipOptions, VideoClips
from zsar_jax.data.video_source import VideoError
from zsar_jax.data.worker import WorkerDied

MOST_IDLE = 4  # each holds some 100 MB


class Decoders:
  """Lends decoders, and keeps the processes of a few that came back. May be used from several threads."""

  def __init__(self) -> None:
    self._idle: list[Decoder] = []
    self._out: set[Decoder] = (
      set()
    )  # or the garbage collector might end one whose borrower is about to give it back
    self._ended = False
    self._lock = threading.Lock()

  def lend(self) -> "Lent":
    """A decoder; one whose process runs already where there is one."""
    with self._lock:
      rested = bool(self._idle)
      decoder = self._idle.pop(0) if rested else Decoder()
      self._out.add(decoder)
    return Lent(self, decoder, rested)

  def take_back(self, decoder: Decoder, keep: bool) -> None:
    """Keeps the decoder if wanted, or ends its process; where enough are kept too."""
    with self._lock:
      self._out.discard(decoder)
      if keep and not self._ended and len(self._idle) < MOST_IDLE:
        self._idle.append(decoder)
        return
    decoder.close()

  def close(self) -> None:
    """Ends the processes that wait here; those that are lent come back later."""
    with self._lock:
      idle, self._idle = self._idle, []
    for decoder in idle:
      decoder.close()

  def end(self) -> None:
    """The same, and keeps none any more."""
    self._ended = True
    self.close()


class Lent:
  """A decoder of one borrower, who calls `close` in the end."""

  def __init__(self, owner: Decoders, decoder: Decoder, rested: bool) -> None:
    self._owner, self._decoder = owner, decoder
    self._rested = rested  # its process may have died since
    self._used = rested
    self._at_work = self._killed = False
    self._spoilt = False  # perhaps killed just after its call was done
    self._lock = threading.Lock()

  def clips(self, path: str, options: ClipOptions, *, timeout: float) -> VideoClips:
    """As `Decoder.clips`."""
    with self._lock:
      if self._killed:
        raise VideoError("not read: it was given up")
      self._at_work = self._used = True
    try:
      return self._decoder.clips(path, options, timeout=timeout)
    except VideoError as error:
      if not self._rested or self._killed or not isinstance(error.__cause__, WorkerDied):
        raise
      return self._decoder.clips(path, options, timeout=timeout)
    finally:
      self._rested = self._at_work = False

  def kill(self) -> None:
    """Ends a call that another thread is waiting for; an idle process is left alone."""
    with self._lock:
      self._killed = True
      if self._at_work:
        self._spoilt = True
        self._decoder.kill()

  def close(self) -> None:
    """Gives the decoder back."""
    self._owner.take_back(self._decoder, keep=self._used and not self._spoilt)


def read_ahead(
  decoders: Decoders, videos: Iterable[str | Path], options: ClipOptions, timeout: float
) -> Generator[tuple[str, VideoClips | str], None, None]:
  """(video, its clips, or why it cannot be read) in order, decoded ahead by as many processes as there are cores."""

  def read(decoder: Lent, video: str | Path) -> tuple[str, VideoClips | str]:
    try:
      return str(video), decoder.clips(str(video), options, timeout=timeout)
    except VideoError as error:
      return str(video), str(error)

  return map_ahead(read, videos, decoders.lend, os.cpu_count() or 1, _num_bytes)


def _num_bytes(found: tuple[str, VideoClips | str]) -> int:
  return 0 if isinstance(found[1], str) else found[1].frames.nbytes
