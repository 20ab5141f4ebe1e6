"""Around the app: who may ask, what every answer carries, what is counted. Plain ASGI, so that bodies still stream."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from zsar_jax.serving.metrics import Metrics
from zsar_jax.serving.problems import answer
from zsar_jax.serving.settings import LINGER_BYTES, LINGER_SECONDS, Settings

_LOG = logging.getLogger("uvicorn.error")
_POLICY = (
  "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data: blob:; media-src blob:; "
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DEFECT = "the server has a defect; its log says more"
ENDING = "the server is shutting down"


class Guard:
  """Refuses foreign names and foreign pages, adds the headers that keep a browser strict, and counts.

  Args:
    app: the app inside.
    stopping: whether the server was asked to end.
  """

  def __init__(self, app: Any, metrics: Metrics, settings: Settings, stopping: Callable[[], bool]):
    self._app, self._metrics, self._settings, self._stopping = app, metrics, settings, stopping

  async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
      await self._app(scope, receive, send)
      return
    started = time.perf_counter()
    talk = _Talk(scope, receive, send)
    try:
      await self._answered(scope, talk)
    finally:
      route = getattr(scope.get("route"), "path", "other")
      self._metrics.requests.labels(route, talk.code or "gone").inc()
      self._metrics.latency.labels(route).observe(time.perf_counter() - started)

  async def _answered(self, scope: dict[str, Any], talk: "_Talk") -> None:
    try:
      why = self._refusal(scope)
      app = answer(403, why) if why else self._app
      await app(scope, talk.receive, talk.send)
    except asyncio.CancelledError:  # by the server, which waits no longer
      if talk.code or not self._stopping():
        raise
      await answer(503, ENDING)(scope, talk.receive, talk.send)
    except Exception as error:
      if talk.code:
        raise
      _LOG.error("a request failed by a defect", exc_info=error)
      await answer(500, DEFECT)(scope, talk.receive, talk.send)

  def _refusal(self, scope: dict[str, Any]) -> str:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    if not self._settings.answers_to(_name(host)):
      names = ["localhost", self._settings.host, *([self._settings.name] if self._settings.name else ())]
      return f"this server answers only to the names {', '.join(dict.fromkeys(names))}"
    origin = headers.get(b"origin", f"http://{host}").partition("://")[2]
    if origin != host and (not origin or _name(origin) != self._settings.name):
      return "this server answers only to its own page"
    return ""


class _Talk:
  """A request's messages, as they pass."""

  def __init__(self, scope: dict[str, Any], receive: Any, send: Any):
    self._receive, self._send, self._path = receive, send, scope["path"]
    self.code = 0  # of the answer
    headers = dict(scope["headers"])
    self._unread = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    self._waits = b"expect" in headers  # for a word that the body is wanted

  async def receive(self) -> MutableMapping[str, Any]:
    message = await self._receive()
    self._waits = False
    if message["type"] == "http.disconnect" or not message.get("more_body", False):
      self._unread = False
    return message

  async def send(self, message: MutableMapping[str, Any]) -> None:
    if message["type"] == "http.response.start":
      self.code = message["status"]
      close = self._unread
      if close and not self._waits:
        await self._linger()
      message["headers"] = [
        *message.get("headers", ()), *_headers(self._path), *([(b"connection", b"close")] if close else ()),
      ]  # fmt: skip
    await self._send(message)

  async def _linger(self) -> None:
    """Reads on, for a moment, what is not wanted; keeps nothing."""
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
      async with asyncio.timeout(LINGER_SECONDS):
        while self._unread and left > 0:
          left -= len((await self.receive()).get("body", b""))


def _name(host: str) -> str:
  """A Host header without its port."""
  if host.startswith("["):
    return host[1:].partition("]")[0]
  return host.partition(":")[0].lower()


def _headers(path: str) -> list[tuple[bytes, bytes]]:
  # What draws the API's page writes styles into its elements.
  policy = _POLICY.format(style=" 'unsafe-inline'" if path == "/docs" else "")
  return [
    (b"content-security-policy", policy.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache" if path.startswith(("/static", "/docs")) or path == "/" else b"no-store"),
  ]
