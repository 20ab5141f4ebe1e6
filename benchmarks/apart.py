"""An object in a process of its own, so that JAX's memory and PyTorch's do not mix, and neither takes the other down."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

# JAX's RESOURCE_EXHAUSTED; torch.OutOfMemoryError; cuDNN and cuBLAS; Python.
_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory", "OutOfMemory", "ALLOC_FAILED", "MemoryError")


class SideError(Exception):
  """What went wrong over there, as text; `out_of_memory` where a smaller batch might do."""

  def __init__(self, text: str, out_of_memory: bool = False):
    super().__init__(text)
    self.text, self.out_of_memory = text, out_of_memory


class Apart:
  """`make(*args)` in a fresh process; `call("name", *args)` calls its methods there. `close` ends the process.

  What passes through must be picklable. `make` begins at once; the first `call` waits for it.
  """

  def __init__(self, make: Callable[..., Any], *args: Any, environment: Mapping[str, str] | None = None):
    """environment: what the process's says besides this one's."""
    context = multiprocessing.get_context("spawn")
    self._pipe, other = context.Pipe()
    self._process = context.Process(target=_serve, args=(other, make, args))
    with mock.patch.dict(os.environ, environment or {}):
      self._process.start()
    other.close()  # the process alone holds that end, so its death ends our waiting
    self._made = False

  def call(self, method: str, *args: Any) -> Any:
    """Raises SideError: the object could not be made, the method failed, or the process died."""
    if not self._made:
      self._result()
      self._made = True
    try:
      self._pipe.send((method, args))
    except BrokenPipeError:
      raise self._died() from None
    return self._result()

  def close(self) -> None:
    self._pipe.close()  # it stops at its next wait
    self._process.join()

  def __enter__(self) -> "Apart":
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  def _result(self) -> Any:
    try:
      ok, value, out_of_memory = self._pipe.recv()
    except (EOFError, ConnectionResetError):
      raise self._died() from None
    if not ok:
      raise SideError(value, out_of_memory)
    return value

  def _died(self) -> SideError:
    self._process.join()
    code = self._process.exitcode
    if code == -signal.SIGKILL:
      return SideError("its process was killed, as systems do when memory runs out", True)
    return SideError(f"its process ended by itself, with exit code {code}")


def is_out_of_memory(text: str) -> bool:
  """Whether an error's type and message speak of memory."""
  return any(word in text for word in _OUT_OF_MEMORY)


def _serve(pipe: Connection, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
  """Answers (True, result, False) or (False, error as text, whether memory ran out): its types may be unknown at the other end."""
  held: list[Any] = []
  try:
    pipe.send(_guarded(lambda: held.append(make(*args))))
    while held:
      method, arguments = pipe.recv()
      pipe.send(_guarded(lambda m=method, a=arguments: getattr(held[0], m)(*a)))
  except (EOFError, BrokenPipeError, ConnectionResetError):
    return  # nobody waits any more


def _guarded(function: Callable[[], Any]) -> tuple[bool, Any, bool]:
  try:
    return True, function(), False
  except Exception as error:
    text = f"{type(error).__name__}: {error}"
    return False, text[:2000], is_out_of_memory(text)
