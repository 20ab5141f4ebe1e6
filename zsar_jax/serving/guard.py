"""Around the app: who may ask, what every answer carries, what is counted. Plain ASGI, so that bodies still stream."""

import time
from collections.abc import MutableMapping
from typing import Any

from zsar_jax.serving.metrics import Metrics
from zsar_jax.serving.problems import answer
from zsar_jax.serving.settings import LOOPBACK

_POLICY = (
  "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data: blob:; media-src blob:; "
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Guard:
  """Refuses foreign names and foreign pages, adds the headers that keep a browser strict, and counts.

  A server for this machine alone answers only to this machine's names: a page elsewhere may have its own name lead here.

  Args:
    app: the app inside.
    local: whether the server is for this machine alone.
    name: of a proxy in front of it.
  """

  def __init__(self, app: Any, metrics: Metrics, local: bool, name: str | None):
    self._app, self._metrics, self._local, self._own = app, metrics, local, name

  async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
      await self._app(scope, receive, send)
      return
    started, code = time.perf_counter(), 0

    async def send_marked(message: MutableMapping[str, Any]) -> None:
      nonlocal code
      if message["type"] == "http.response.start":
        code = message["status"]
        message["headers"] = [*message.get("headers", ()), *_headers(scope["path"])]
      await send(message)

    try:
      why = self._refusal(scope)
      if why:
        await answer(403, why)(scope, receive, send_marked)
      else:
        await self._app(scope, receive, send_marked)
    finally:
      route = getattr(scope.get("route"), "path", "other")
      self._metrics.requests.labels(route, code or "gone").inc()
      self._metrics.latency.labels(route).observe(time.perf_counter() - started)

  def _refusal(self, scope: dict[str, Any]) -> str:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "")
    if self._local and _name(host) not in (*LOOPBACK, self._own):
      return "this server answers only to localhost and 127.0.0.1"
    origin = headers.get(b"origin", f"http://{host}").partition("://")[2]
    if origin != host and (not origin or _name(origin) != self._own):
      return "this server answers only to its own page"
    return ""


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
