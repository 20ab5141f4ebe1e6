"""One process at a time in a folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from zsar_jax.errors import InputError


@contextlib.contextmanager
def exclusive(path: Path, taken: str) -> Iterator[None]:
  """Holds the lock file `path` while the block runs; the lock goes with the process, however that ends.

  Raises:
    InputError: another process holds it; `taken` says so.
    OSError: the file cannot be made.
  """
  with open(path, "w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      # Who held it may have removed it, and a third made another, since it was opened.
      held = path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
    except BlockingIOError:
      held = False
    except OSError:
      held = True  # a file system without locks
    if not held:
      raise InputError(taken)
    try:
      yield
    finally:
      path.unlink(missing_ok=True)
