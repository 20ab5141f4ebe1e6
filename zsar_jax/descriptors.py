"""Output that is not wanted, also where C++ libraries print it."""

import contextlib
import os
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def dropped(stream: TextIO, descriptor: int) -> Iterator[None]:
  """Sends what is written to a file descriptor (1 or 2, that of `stream`) nowhere; Python's exceptions pass as usual."""
  stream.flush()
  saved = os.dup(descriptor)
  with open(os.devnull, "wb") as nowhere:
    os.dup2(nowhere.fileno(), descriptor)
  try:
    yield
  finally:
    stream.flush()
    os.dup2(saved, descriptor)
    os.close(saved)
