"""What a caller refuses to read."""

from typing import NamedTuple


class Limits(NamedTuple):
  """Videos beyond these are failures; None: any are read."""

  seconds: float | None = None  # of a video
  pixels: int | None = None  # of a frame, height x width


NO_LIMITS = Limits()
