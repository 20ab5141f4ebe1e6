"""A process that does calls for us and can be killed when one hangs. Knows nothing of video.

Not `multiprocessing.Process`: its spawned children import the parent's `__main__` again (JAX and all), its
forked ones inherit the threads' locks of TensorFlow and JAX.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any


class WorkerTimeout(Exception):
  """The call took longer than allowed; its process was killed."""


class WorkerDied(Exception):
  """The process ended during the call, for instance by a segmentation fault."""


class Worker:
  """Runs functions in one child process, started at the first call and again after it was killed or died."""

  def __init__(self):
    self._process: subprocess.Popen | None = None
    self._pipe: Connection | None = None
    self._killed = False  # by `kill`, since the last call began

  def call(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
    """`function(*args)`, run in the child. Function, arguments and result are pickled.

    Args:
      function: importable by name (module level).
      timeout: seconds; starting the process does not count.

    Raises:
      WorkerTimeout, WorkerDied: the next call starts a new process.
      Whatever `function` raises.
    """
    self._killed = False
    try:
      pipe = self._sent((function, args, timeout))
      if not pipe.poll(timeout):
        self.close()
        raise WorkerTimeout(f"not done after {timeout:g} s")
      ok, value = pipe.recv()
    except (EOFError, OSError) as error:
      code = self.close()
      reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
      raise WorkerDied(f"the process died ({reason})") from error
    except BaseException:  # an interrupt: the answer still to come must not be taken for the next call's
      self.close()
      raise
    if not ok:
      raise value
    return value

  def _sent(self, call: tuple[Any, ...]) -> Connection:
    """Hands a call to the process, a new one where the last is gone: nobody's call may fail by what happened before it."""
    if self._process is not None and self._process.poll() is not None:
      self.close()
    try:
      pipe = self._pipe or self._start()
      pipe.send(call)
    except (EOFError, OSError):
      if self._killed:
        raise
      self.close()
      pipe = self._start()
      pipe.send(call)
    return pipe

  def _start(self) -> Connection:
    self._pipe, theirs = Pipe()
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p or os.getcwd() for p in sys.path))
    command = [sys.executable, "-m", "zsar_jax.data.worker", str(theirs.fileno())]
    self._process = subprocess.Popen(
      command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
    )
    theirs.close()
    if not self._pipe.poll(120) or self._pipe.recv() != "ready":
      self.close()
      raise RuntimeError(f"a worker process did not start within 120 s: {' '.join(command)}")
    return self._pipe

  def kill(self) -> None:
    """Makes a call that another thread is waiting for end with `WorkerDied`."""
    self._killed = True
    process = self._process
    if process is not None:
      process.kill()

  def close(self) -> int:
    """Ends the process, whatever it is doing; its exit code, 0 where there was none."""
    process, pipe = self._process, self._pipe
    self._process = self._pipe = None
    if pipe is not None:
      pipe.close()
    if process is None:
      return 0
    # A process that crashed is already on its way out: its own exit code says more than our kill.
    with contextlib.suppress(subprocess.TimeoutExpired):
      process.wait(0.05)
    process.kill()
    return process.wait()

  def __enter__(self) -> "Worker":
    return self

  def __exit__(self, *exc_info) -> None:
    self.close()


def serve(pipe: Connection) -> None:
  """The child's loop: answers calls until the parent closes the pipe or dies."""
  # Signals to the whole group are the parent's affair, which may want its calls finished; it ends us by SIGKILL or by closing the pipe.
  for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, signal.SIG_IGN)
  pipe.send("ready")
  with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
    while True:
      function, args, timeout = pipe.recv()
      # Ends a call that hangs after the parent itself was killed.
      signal.alarm(int(timeout) + 30)
      try:
        answer = (True, function(*args))
      except Exception as error:
        answer = (False, error)
      signal.alarm(0)
      pipe.send(answer)


if __name__ == "__main__":
  serve(Connection(int(sys.argv[1])))
