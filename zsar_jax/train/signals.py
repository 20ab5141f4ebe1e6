"""SIGTERM and SIGINT: finish the step, save, leave with 143 or 130. A second signal leaves at once.

Several processes stop after the same step: the first signal of any of them is handed to JAX's preemption service, which settles a step
that none has passed yet. Outside of training a signal does what it always does.
"""

import ctypes
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import numpy as np

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
_libc = ctypes.CDLL(None)  # Python's signal module cannot name a handler that it did not install
_libc.signal.restype, _libc.signal.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
_notify_all: Callable[[int], None] | None = None  # JAX's own handler of SIGTERM; None in a single process
_handler_of_aborts: int | None = None


class Stopped(Exception):
  """Training was asked to stop, and everything up to `step` is saved."""

  def __init__(self, exit_code: int, step: int):
    super().__init__(f"stopped after step {step}; start the same command again to go on")
    self.exit_code = exit_code


def take_over_sigterm() -> None:
  """Keeps the handler that JAX's preemption service has just installed, for `StopSignal`, and gives SIGTERM its default back.

  Raises:
    RuntimeError: the service installed none.
  """
  global _notify_all
  handler = _libc.signal(signal.SIGTERM, None)
  if handler is None or handler == 1:  # SIG_DFL, SIG_IGN
    raise RuntimeError(
      "JAX's preemption service does not listen to SIGTERM, so that processes could not stop together"
    )
  _notify_all = _Handler(handler)


def put_off_aborts() -> None:
  """From now on an abort of this process waits six seconds, in which `peers` can say what happened.

  JAX aborts within milliseconds of the end of process 0, with a page of addresses and no name. The handler is libc's own `sleep`, called
  with the signal's number for seconds: it is safe wherever the abort comes from and needs no Python.
  """
  global _handler_of_aborts
  _handler_of_aborts = _libc.signal(signal.SIGABRT, ctypes.cast(_libc.sleep, ctypes.c_void_p))


def give_back() -> None:
  """Undoes both: this process is alone again."""
  global _notify_all
  _notify_all = None
  _libc.signal(signal.SIGABRT, _handler_of_aborts)


class StopSignal:
  """A context in which the first signal is only remembered; of several processes, each is in one at the same steps."""

  def __init__(self) -> None:
    self._signal = 0
    self._step = 0
    self._previous: dict[int, object] = {}

  def requested_at(self, step: int) -> bool:
    """Whether to save and `leave` now. Called once a step with the number of finished steps; true at one step in all processes."""
    self._step = step
    if _notify_all is None:
      return bool(self._signal)
    from jax.experimental import multihost_utils

    return multihost_utils.reached_preemption_sync_point(step)

  def leave(self, step: int) -> NoReturn:
    raise Stopped(128 + (self._signal or signal.SIGTERM), step)

  def __enter__(self) -> "StopSignal":
    self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
    return self

  def __exit__(self, error: object, *_: object) -> None:
    try:
      if error is None and self._came_too_late():
        self.leave(self._step)
    finally:
      for number, handler in self._previous.items():
        signal.signal(number, handler)  # type: ignore[arg-type]

  def _came_too_late(self) -> bool:
    """Whether a signal of any process found no step any more at which all could stop: training has ended, the command has not."""
    if _notify_all is None:
      return bool(self._signal)
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.int32(self._signal))))

  def _receive(self, number: int, _frame: FrameType | None) -> None:
    if self._signal:
      os._exit(128 + number)
    self._signal = number
    if _notify_all is not None:
      _notify_all(signal.SIGTERM)
