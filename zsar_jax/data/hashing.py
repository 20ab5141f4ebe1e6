"""Reading gigabytes to check them, with a bar on stderr that says how far it is."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from zsar_jax.data import storage

_THREADS = 16


def sha256_of_all(paths: Sequence[str], num_bytes: int) -> list[str | OSError]:
  """SHA-256 of each file, hexadecimal; the error in its place where a file cannot be read.

  Args:
    num_bytes: of all of them.
  """
  with byte_bar("verifying", num_bytes) as advance:
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sha256")
    try:
      return list(pool.map(lambda path: _sha256(path, advance), paths))
    finally:
      pool.shutdown(cancel_futures=True)


def _sha256(path: str, advance: Callable[[int], None]) -> str | OSError:
  try:
    return storage.sha256(path, advance)
  except OSError as error:
    return error


@contextmanager
def byte_bar(title: str, num_bytes: int) -> Iterator[Callable[[int], None]]:
  """A bar of bytes while a `with` block runs; gives the function to call with how many more were done."""
  from rich.console import Console
  from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

  columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
  console = Console(stderr=True)
  with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
    task = bar.add_task(title, total=num_bytes)
    yield lambda more: bar.advance(task, more)
