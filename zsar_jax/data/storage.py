"""Files on this machine, and on any file system that TensorFlow knows by a scheme such as `gs://`.

Everything here takes a path as text. TensorFlow is imported only for paths with a scheme.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from zsar_jax.data.tensorflow_import import tensorflow

_CHUNK = 4 << 20  # bytes


def is_remote(path: str) -> bool:
  """Whether a path names a file system by its scheme."""
  return "://" in path


def join(directory: str, *names: str) -> str:
  """A path below a directory."""
  return (
    "/".join([directory.rstrip("/"), *names]) if is_remote(directory) else os.path.join(directory, *names)
  )


def file_size(path: str) -> int | None:
  """Bytes of a file; None where there is none."""
  try:
    if not is_remote(path):
      return os.stat(path).st_size
    with _as_os_errors():
      return int(tensorflow().io.gfile.stat(path).length)
  except FileNotFoundError:
    return None


def list_names(directory: str) -> list[str]:
  """Names of what a directory holds, sorted."""
  if not is_remote(directory):
    return sorted(os.listdir(directory))
  with _as_os_errors():
    return sorted(name.rstrip("/") for name in tensorflow().io.gfile.listdir(directory))


def open_binary(path: str) -> Any:
  """A file opened for reading bytes: a context manager with `read(n)`."""
  return tensorflow().io.gfile.GFile(path, "rb") if is_remote(path) else open(path, "rb")


def read_bytes(path: str) -> bytes:
  """The whole of a file. Raises OSError, FileNotFoundError where there is none."""
  return b"".join(chunks(path))


def chunks(path: str) -> Iterator[bytes]:
  """The bytes of a file, a few megabytes at a time. Raises as `read_bytes`."""
  with _as_os_errors(), open_binary(path) as file:
    while chunk := file.read(_CHUNK):
      yield chunk


def sha256(path: str, advance: Callable[[int], None] = lambda num_bytes: None) -> str:
  """Of the whole file, hexadecimal; `advance` hears how many bytes were read. Raises as `read_bytes`."""
  digest = hashlib.sha256()
  for chunk in chunks(path):
    digest.update(chunk)
    advance(len(chunk))
  return digest.hexdigest()


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
  """Turns what TensorFlow's file systems raise into Python's own errors."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:
    errors = tensorflow().errors
    if isinstance(error, errors.NotFoundError):
      raise FileNotFoundError(error.message) from error
    if isinstance(error, errors.OpError):
      raise OSError(error.message) from error
    raise
