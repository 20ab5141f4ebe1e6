"""What a server is told, and the bounds that nobody needs to change."""

import os
from typing import NamedTuple

MOST_NAMES = 1000
MOST_LETTERS = 200  # of a name
MOST_CLIPS = 100  # per video
FIELD_BYTES = 1 << 20  # of everything in a form that is not the video
STALLED_SECONDS = 30.0  # an upload that sends nothing for so long is given up
LINGER_SECONDS = (
  3.0  # a refused upload is read on for so long: a browser shows no answer while it still sends
)
HELD_BYTES = 1 << 30  # decoded clips that wait for the device; decoding pauses above
GRACE_SECONDS = 60.0  # after SIGTERM, for what was accepted
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
  def is_local(self) -> bool:
    """Whether only this machine can connect."""
    return self.host in LOOPBACK or self.host.startswith("127.")
