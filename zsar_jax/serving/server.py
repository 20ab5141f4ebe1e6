"""The process: binds, says where it listens, and ends as it is asked to."""

import asyncio
import contextlib
import errno
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from zsar_jax.errors import InputError
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving.app import make_app
from zsar_jax.serving.protocol import make_protocol
from zsar_jax.serving.settings import Settings
from zsar_jax.serving.work import Work

QUIT = 130
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def serve(recognizer: Recognizer, settings: Settings) -> None:
  """Serves until SIGTERM or SIGINT, then finishes what was accepted. A second signal ends the process at once.

  Raises:
    InputError: the address cannot be had.
    Exception: whatever kept the model from warming up.
  """
  with bound(settings) as listening:
    app, work = make_app(recognizer, settings)
    server = Server(app, work)
    address = _address(settings.host, listening.getsockname()[1])
    asyncio.run(_run(server, work, listening, address))
  if work.is_warming and work.stopping:
    # Everything is put away; the interpreter's own end would pull the ground from under the compiler's thread.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
  if work.failed is not None:
    raise work.failed


async def _run(server: "Server", work: Work, listening: socket.socket, address: str) -> None:
  asyncio.get_running_loop().set_exception_handler(_Quiet())
  telling = asyncio.create_task(_tell(server, work, address))
  try:
    await server.serve([listening])
  finally:
    telling.cancel()


async def _tell(server: "Server", work: Work, address: str) -> None:
  """Says where it listens once videos are taken; ends it where they never will be."""
  while not work.ready:
    if work.failed is not None:
      server.should_exit = True
      return
    await asyncio.sleep(0.05)
  name = work.recognizer.bundle.facts.name
  print(f"{name} is served at {address} (API: {address}/docs). Ctrl-C ends it.", flush=True)
  if not work.settings.is_local:
    told = "anybody who reaches it may use it: there is no login and no encryption; put a proxy that has both in front of it"
    print(f"warning: {work.settings.host} is not this machine alone, and {told}", file=sys.stderr, flush=True)


class _Quiet:
  """The loop's handler of errors that nobody catches, which says that connections cannot be had once a minute, not a thousand times."""

  def __init__(self) -> None:
    self._told = -math.inf

  def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if not isinstance(error, OSError) or error.errno not in _FULL:
      loop.default_exception_handler(context)
    elif loop.time() > self._told + 60:
      self._told = loop.time()
      print(f"warning: no more connections can be taken: {error.strerror}", file=sys.stderr, flush=True)


class Server(uvicorn.Server):
  """uvicorn's, with an exit code of its own: theirs ends by the signal that was sent."""

  def __init__(self, app: FastAPI, work: Work):
    # No log_config: setting logging up anew would close the handlers of everybody else in the process.
    config = uvicorn.Config(
      app, log_config=None, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="on",
      timeout_graceful_shutdown=round(work.settings.grace), http=make_protocol(work.settings.max_connections),
    )  # fmt: skip
    super().__init__(config)
    self._work = work

  @contextlib.contextmanager
  def capture_signals(self) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
      yield
      return
    before = {one: signal.signal(one, self._asked) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
      yield
    finally:
      for one, handler in before.items():
        signal.signal(one, handler)

  def _asked(self, *_) -> None:
    if self._work.stopping:
      self._work.abandon()
      os._exit(QUIT)
    self._work.stop()
    self.should_exit = True
    print("finishing what was accepted; once more to quit at once", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bound(settings: Settings) -> Iterator[socket.socket]:
  """A socket at the address. Raises InputError where it cannot be had."""
  family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
  with socket.socket(family, socket.SOCK_STREAM) as listening:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      listening.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
      told = getattr(error, "strerror", None) or str(error)
      raise InputError(
        f"{settings.host}, port {settings.port}: {told.lower()}; give another --host or --port (0: a free one)"
      ) from None
    yield listening


def _address(host: str, port: int) -> str:
  return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
