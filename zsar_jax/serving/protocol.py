"""HTTP as uvicorn speaks it, with bounds on what a connection may take before the app sees a request."""

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from zsar_jax.serving.settings import HEAD_SECONDS


def make_protocol(most: int) -> type[H11Protocol]:
  """A protocol whose connections are at most `most` at a time; another is closed at once."""

  class Bounded(BoundedProtocol):
    most_connections = most

  return Bounded


class BoundedProtocol(H11Protocol):
  """Closes a connection whose next request's head takes too long, and answers what is no HTTP in our shape."""

  most_connections = 64
  _late: asyncio.TimerHandle | None = None

  def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
    super().connection_made(transport)
    if len(self.connections) > self.most_connections:
      transport.abort()
      return
    self._late = self.loop.call_later(HEAD_SECONDS, transport.abort)

  def data_received(self, data: bytes) -> None:
    super().data_received(data)
    if self.conn.their_state is not h11.IDLE:
      self._in_time()
    elif self._late is None and not self.transport.is_closing():
      self._late = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

  def connection_lost(self, exc: Exception | None) -> None:
    self._in_time()
    super().connection_lost(exc)

  def send_400_response(self, msg: str) -> None:
    body = json.dumps({"error": msg.rstrip("."), "problems": []}).encode()
    headers = [
      (b"content-type", b"application/json"),
      (b"content-length", str(len(body)).encode()),
      (b"connection", b"close"),
    ]
    try:
      for event in (
        h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
        h11.Data(data=body),
        h11.EndOfMessage(),
      ):
        self.transport.write(self.conn.send(event) or b"")
    except h11.LocalProtocolError:  # an answer had begun
      pass
    self.transport.close()

  def _in_time(self) -> None:
    if self._late is not None:
      self._late.cancel()
      self._late = None
