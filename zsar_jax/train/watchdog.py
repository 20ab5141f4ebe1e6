"""A run that makes no step any more, whatever the reason, shows where it stands and ends, so that a scheduler starts it again."""

import faulthandler
import os
import threading
import time
from typing import NoReturn

from zsar_jax.train import distributed
from zsar_jax.train.peers import ADVICE, GONE


class Watchdog:
  """A context in which `alive` must be called at least every `seconds` (0: no watch).

  Otherwise: one line on stderr that says where and for how long, every thread's stack, exit code 4. A thread does it, so the main thread
  may be anywhere, inside XLA too. A process that was itself frozen for that long starts anew: if others went on without it, it will learn
  so from them (`peers`).
  """

  def __init__(self, seconds: float):
    self.seconds = seconds
    self._finished = 0.0  # when the last step was
    self._end = threading.Event()
    self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

  def alive(self) -> None:
    """A step was finished."""
    self._finished = time.monotonic()

  def __enter__(self) -> "Watchdog":
    self.alive()
    if self.seconds:
      self._thread.start()
    return self

  def __exit__(self, *_: object) -> None:
    self._end.set()
    if self.seconds:
      self._thread.join()

  def _watch(self) -> None:
    pause = min(self.seconds / 10, 5.0)
    looked = time.monotonic()
    while not self._end.wait(pause):
      now = time.monotonic()
      frozen, looked = now - looked > self.seconds, now
      if frozen and distributed.is_alone():
        self.alive()
      elif now - self._finished > self.seconds:
        self._leave(now - self._finished)

  def _leave(self, silent: float) -> NoReturn:
    text = f"no step was finished for {silent:.0f} s"
    # Past Python's own stderr: a thread that hangs may hold its lock.
    os.write(
      2,
      f"error: {text} in {distributed.own_name()}; {ADVICE}. Where its threads are:\n".encode(
        errors="replace"
      ),
    )
    faulthandler.dump_traceback(file=2, all_threads=True)
    distributed.tell_stuck(text)
    distributed.leave(GONE)
    os._exit(GONE)
