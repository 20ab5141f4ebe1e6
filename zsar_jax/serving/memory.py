"""A bound on memory that several tasks share."""

import asyncio


class Memory:
  """Bytes at use; who would go beyond `most` waits, unless nobody holds any.

  Args:
    most: bytes.
  """

  def __init__(self, most: int):
    self.held = 0
    self._most = most
    self._freed = asyncio.Event()

  async def take(self, num_bytes: int) -> None:
    """Counts them from now on, as soon as there is room."""
    while self.held and self.held + num_bytes > self._most:
      self._freed.clear()
      await self._freed.wait()
    self.held += num_bytes

  def give(self, num_bytes: int) -> None:
    """Counts them no longer."""
    self.held -= num_bytes
    self._freed.set()
