"""Several processes, on one host or many, that work on one run: they start, agree and end together (`jax.distributed`).

`joined` surrounds the whole command and must come before JAX's first computation. Everything here is a plain return in a single process.
"""

import argparse
import atexit
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator

from zsar_jax.descriptors import dropped
from zsar_jax.train import signals
from zsar_jax.train.launch import Launch, add_arguments, launch
from zsar_jax.train.peers import Peers
from zsar_jax.train.rendezvous import meet

__all__ = [
  "add_arguments",
  "agree",
  "first_process_first",
  "is_alone",
  "is_first",
  "joined",
  "leave",
  "own_name",
  "tell_stuck",
]

START_SECONDS = 300.0  # hosts of a large job do not come up at the same moment
SHUTDOWN_SECONDS = 30  # all are done by then
FLUSH_SECONDS = 2.0
_peers: Peers | None = None


@contextlib.contextmanager
def joined(args: argparse.Namespace, heartbeat_seconds: float) -> Iterator[None]:
  """The command of one of several processes, if this is one (see `launch`); process 0 alone has a stdout.

  Inside, a process that dies, or gives no sign for `heartbeat_seconds`, ends all others with exit code 4 and a line that names it; one
  that fails ends them with its own code.
  Leaving waits for the others, but not after an exception: they are told, and `leave` is for the caller to call.

  Raises:
    InputError: a flag is wrong, or the processes did not find each other.
  """
  global _peers
  how = launch(args, os.environ, START_SECONDS)
  if how is None:
    yield
    return
  connections = meet(how.coordinator, how.num_processes, how.process, START_SECONDS)
  _peers = Peers(how.process, how.num_processes, connections, heartbeat_seconds)
  try:
    with contextlib.nullcontext() if is_first() else dropped(sys.stdout, 1):
      _start_jax(how, heartbeat_seconds)
      yield
  except signals.Stopped:
    _finish(_peers)
    raise
  except BaseException as error:
    if _may_be_a_peers_fault(error):
      _peers.await_news()
    _peers.leaving((str(error).splitlines() or [""])[0] or type(error).__name__)
    atexit.register(leave, 1)  # where nobody calls it: before JAX's own, which was there first
    raise
  _finish(_peers)


def is_first() -> bool:
  """Whether this is process 0, the one that writes files."""
  return _peers is None or not _peers.process


def is_alone() -> bool:
  """Whether the run has a single process."""
  return _peers is None


@contextlib.contextmanager
def first_process_first(name: str) -> Iterator[None]:
  """Process 0 runs the block before the others do, who run it even if it raised there: they meet the same error."""
  if _peers is None:
    yield
    return
  if _peers.process:
    _peers.share(name, 0)
    yield
    return
  try:
    yield
  finally:
    _peers.share(name, 0)


def agree(value: int) -> int:
  """Process 0's value, in every process; all must call it, in the same order. Waits for no device."""
  return value if _peers is None else _peers.share("agree", int(value))


def own_name() -> str:
  """`process 0 of 2 (host NAME, pid P)`, for messages."""
  which = "the process" if _peers is None else f"process {_peers.process} of {_peers.num_processes}"
  return f"{which} (host {socket.gethostname()}, pid {os.getpid()})"


def tell_stuck(text: str) -> None:
  """Says why this process makes no progress; when it leaves (with `GONE`), the others show their threads and leave too."""
  if _peers is not None:
    _peers.leaving(text)


def leave(code: int) -> None:
  """Ends this process at once after a failure, and the others with the same code. JAX's own way out would wait for processes that
  will not come."""
  if _peers is None:
    return
  _peers.fail(code)
  flush = threading.Thread(target=_flush, daemon=True)  # a thread that hangs may hold a stream's lock
  flush.start()
  flush.join(FLUSH_SECONDS)
  _peers.linger()
  os._exit(code)


def _flush() -> None:
  for stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(OSError, ValueError):
      stream.flush()


def _start_jax(how: Launch, heartbeat_seconds: float) -> None:
  import jax

  signals.put_off_aborts()
  jax.config.update("jax_enable_preemption_service", True)
  jax.distributed.initialize(
    how.coordinator,
    how.num_processes,
    how.process,
    local_device_ids=how.device,
    cluster_detection_method="deactivate",
    initialization_timeout=int(START_SECONDS),
    heartbeat_timeout_seconds=2 * int(heartbeat_seconds) + 60,  # `Peers` shall be the one that speaks
    shutdown_timeout_seconds=SHUTDOWN_SECONDS,
  )
  signals.take_over_sigterm()


def _finish(peers: Peers) -> None:
  global _peers
  import jax

  peers.finish()
  signals.give_back()
  _peers = None
  jax.distributed.shutdown()


def _may_be_a_peers_fault(error: BaseException) -> bool:
  """A collective operation that lost a process raises what it likes, a ValueError too; this project's own errors are not of that kind."""
  import jax

  link: BaseException | None = error
  while link is not None:
    if isinstance(link, jax.errors.JaxRuntimeError):
      return True
    link = link.__cause__ or link.__context__
  return isinstance(error, Exception) and not type(error).__module__.startswith("zsar_jax.")
