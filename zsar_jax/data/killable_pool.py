"""Calls spread over several killable processes, answers in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

# How far ahead of the reader: far enough for the others to have work while one item hangs until its timeout, unless the
# answers that wait take too much memory.
MOST_AHEAD = 64  # items a worker
MOST_BYTES = 1_000_000_000


class Killable(Protocol):
  """What does the work, such as `worker.Worker` or `decode.Decoder`."""

  def kill(self) -> None:
    """Makes a call that another thread is waiting for fail."""
    ...

  def close(self) -> object: ...


Item = TypeVar("Item")
Answer = TypeVar("Answer")
Process = TypeVar("Process", bound=Killable)


def _nothing(answer: object) -> int:
  return 0


def map_ahead(
  function: Callable[[Process, Item], Answer],
  items: Iterable[Item],
  make: Callable[[], Process],
  workers: int,
  size: Callable[[Answer], int] = _nothing,
) -> Generator[Answer, None, None]:
  """`function(process, item)` of every item, in order, by `workers` processes ahead of the reader.

  Closing the generator, or an error, ends all processes, whatever they are doing.

  Args:
    function: called in a thread, with a process that nobody else is using.
    items: taken one by one, as there is room.
    make: starts a process.
    workers: how many.
    size: bytes of an answer.
  """
  everyone = [make() for _ in range(workers)]
  idle: queue.SimpleQueue[Process] = queue.SimpleQueue()
  for process in everyone:
    idle.put(process)
  held, lock = 0, threading.Lock()  # bytes of answers that nobody has taken yet

  def hold(num_bytes: int) -> None:
    nonlocal held
    with lock:
      held += num_bytes

  def call(item: Item) -> Answer:
    process = idle.get()
    try:
      answer = function(process, item)
    finally:
      idle.put(process)
    hold(size(answer))
    return answer

  def take() -> Answer:
    answer = pending.popleft().result()
    hold(-size(answer))
    return answer

  pool = ThreadPoolExecutor(workers)
  pending: deque[Future[Answer]] = deque()
  try:
    for item in items:
      while pending:
        if pending[0].done():
          yield take()
          continue
        at_work = [one for one in pending if not one.done()]
        if len(at_work) < 2 * workers and len(pending) < MOST_AHEAD * workers and held < MOST_BYTES:
          break
        wait(at_work, return_when=FIRST_COMPLETED)
      pending.append(pool.submit(call, item))
    while pending:
      yield take()
  finally:
    pool.shutdown(wait=False, cancel_futures=True)
    for process in everyone:
      process.kill()  # ends the calls that threads are waiting for
    pool.shutdown(wait=True)
    for process in everyone:
      process.close()
