"""Calls spread over several killable processes, answers in order."""

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar


class Killable(Protocol):
  """What does the work, such as `worker.Worker` or `decode.Decoder`."""

  def kill(self) -> None:
    """Makes a call that another thread is waiting for fail."""
    ...

  def close(self) -> object: ...


Item = TypeVar("Item")
Answer = TypeVar("Answer")
Process = TypeVar("Process", bound=Killable)


def map_ahead(
  function: Callable[[Process, Item], Answer],
  items: Iterable[Item],
  make: Callable[[], Process],
  workers: int,
) -> Generator[Answer, None, None]:
  """`function(process, item)` of every item, in order, by `workers` processes; a few items ahead of the reader.

  Closing the generator, or an error, ends all processes, whatever they are doing.
  """
  everyone = [make() for _ in range(workers)]
  idle: queue.SimpleQueue[Process] = queue.SimpleQueue()
  for process in everyone:
    idle.put(process)

  def call(item: Item) -> Answer:
    process = idle.get()
    try:
      return function(process, item)
    finally:
      idle.put(process)

  pool = ThreadPoolExecutor(workers)
  pending: deque[Future[Answer]] = deque()
  try:
    for item in items:
      pending.append(pool.submit(call, item))
      if len(pending) > 2 * workers:
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    pool.shutdown(wait=False, cancel_futures=True)
    for process in everyone:
      process.kill()  # ends the calls that threads are waiting for
    pool.shutdown(wait=True)
    for process in everyone:
      process.close()
