"""How long an upload may take."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from fastapi import Request

from zsar_jax.serving.problems import Refused
from zsar_jax.serving.settings import HURRY_SECONDS, SLOWEST, STALLED_SECONDS


class Patience:
  """Uploads may neither stall nor trickle, and have a moment left once the server is to end."""

  def __init__(self) -> None:
    self._end = math.inf  # in the loop's time
    self._waiting: set[asyncio.Timeout] = set()

  def hurry(self) -> None:
    """From now on little time is left, for what is being waited for too."""
    self._end = asyncio.get_running_loop().time() + HURRY_SECONDS
    for limit in self._waiting:
      when = limit.when()
      limit.reschedule(self._end if when is None else min(when, self._end))

  async def chunks(self, request: Request) -> AsyncIterator[bytes]:
    """The body, as it comes.

    Raises:
      Refused: 408, 503.
      starlette.requests.ClientDisconnect: the client is gone.
    """
    clock, stream = asyncio.get_running_loop().time, aiter(request.stream())
    started, total = clock(), 0
    while True:
      slowest = started + STALLED_SECONDS + total / SLOWEST
      try:
        async with self._until(min(clock() + STALLED_SECONDS, slowest)):
          chunk = await anext(stream)
      except TimeoutError:
        if clock() >= self._end:
          raise Refused(503, "the server is shutting down") from None
        told = (
          f"nothing for {STALLED_SECONDS:g} s" if clock() < slowest else f"less than {SLOWEST / 1000:g} kB/s"
        )
        raise Refused(408, f"the upload stalled: it sent {told}") from None
      except StopAsyncIteration:
        return
      total += len(chunk)
      yield chunk

  @contextlib.asynccontextmanager
  async def _until(self, when: float) -> AsyncIterator[None]:
    async with asyncio.timeout_at(min(when, self._end)) as limit:
      self._waiting.add(limit)
      try:
        yield
      finally:
        self._waiting.discard(limit)
