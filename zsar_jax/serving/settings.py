"""What a server is told, and the bounds that nobody needs to change."""

import contextlib
import os
import re
from typing import NamedTuple

MOST_NAMES = 1000
MOST_LETTERS = 200  # of a name
MOST_WORDS = 20  # of a name
MOST_SUGGESTED = 20  # words without a vector, for which others are looked for
MOST_TOLD = 20  # problems of one kind in an answer
MOST_CHECKS = 16  # lists of names that wait to be looked at
MOST_CLIPS = 100  # per video
FIELD_BYTES = 1 << 20  # of everything in a form that is not the video
STALLED_SECONDS = 30.0  # an upload that sends nothing for so long is given up
SLOWEST = 50_000.0  # bytes a second; an upload that is slower, after as many seconds, is given up too
HURRY_SECONDS = 10.0  # for uploads that are still coming when the server is asked to end
# A refused upload is read on for a while: a browser shows no answer while it still sends.
LINGER_SECONDS = 3.0
LINGER_BYTES = 8_000_000
HEAD_SECONDS = 15.0  # a connection that has sent no complete head by then is closed
HELD_BYTES = 1 << 30  # decoded clips, and those being decoded; decoding waits above
DECODER_BYTES = (
  1 << 30
)  # memory of a decoding process, beyond what it has when it starts and what the clips take
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Settings(NamedTuple):
  """Limits of a server."""

  host: str = "127.0.0.1"
  port: int = 8000  # 0: a free one
  name: str | None = None  # by which a proxy in front of it is called
  max_mb: float = 100.0  # megabytes (10^6 bytes) of a video
  max_seconds: float = 300.0  # length of a video
  max_pixels: int = 4096 * 2304  # of a frame
  max_waiting: int = 64  # requests at work or waiting
  vectors: str | None = None  # as `--vectors` of predict
  decode_timeout: float = 120.0  # seconds a video may take to decode
  workers: int = os.cpu_count() or 1  # decoding processes

  @property
  def max_bytes(self) -> int:
    """The largest video, in bytes."""
    return round(self.max_mb * 1e6)

  @property
  def grace(self) -> float:
    """Seconds after SIGTERM for what was accepted: any upload that is whole by then can be decoded."""
    return self.decode_timeout + 30

  @property
  def max_connections(self) -> int:
    """Open at a time; always fewer than the system lets this process have."""
    most = 4 * self.max_waiting + 64
    with contextlib.suppress(ImportError):  # not on every system
      import resource

      most = min(most, max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
    return most

  @property
  def is_local(self) -> bool:
    """Whether only this machine can connect."""
    return is_loopback(self.host)

  def answers_to(self, host: str) -> bool:
    """Whether a request may call the server so. A page elsewhere may have its own name lead here."""
    if not self.is_local and self.name is None:
      return True
    return is_loopback(host) or host in (self.host, self.name)


def is_loopback(host: str) -> bool:
  """Whether it is this machine, seen from itself; 127.example.org is not."""
  return host in LOOPBACK or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
