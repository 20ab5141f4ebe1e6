"""SIGTERM and SIGINT: finish the step, save, leave with 143 or 130. A second signal leaves at once."""

import os
import signal
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):
  """Training was asked to stop, and everything up to `step` is saved."""

  def __init__(self, exit_code: int, step: int):
    super().__init__(f"stopped after step {step}; start the same command again to go on")
    self.exit_code = exit_code


class StopSignal:
  """A context in which the first signal only sets `requested`."""

  def __init__(self) -> None:
    self._signal = 0
    self._previous: dict[int, object] = {}

  @property
  def requested(self) -> bool:
    return bool(self._signal)

  def leave(self, step: int) -> NoReturn:
    raise Stopped(128 + self._signal, step)

  def __enter__(self) -> "StopSignal":
    self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
    return self

  def __exit__(self, *_: object) -> None:
    for number, handler in self._previous.items():
      signal.signal(number, handler)  # type: ignore[arg-type]

  def _receive(self, number: int, _frame: FrameType | None) -> None:
    if self._signal:
      os._exit(128 + number)
    self._signal = number
