"""The one way to TensorFlow: when first needed, without start-up chatter, off the accelerator."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any


@functools.cache
def tensorflow() -> Any:
  """The module `tensorflow`; the accelerator is left to JAX."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
  with _quiet_stderr():
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
  return tf


@functools.cache
def tensorflow_datasets() -> Any:
  """The module `tensorflow_datasets`."""
  tensorflow()
  with _quiet_stderr():
    import tensorflow_datasets as tfds
  return tfds


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
  """Drops what C++ code writes to file descriptor 2; Python's exceptions pass as usual."""
  sys.stderr.flush()
  saved = os.dup(2)
  with open(os.devnull, "wb") as nowhere:
    os.dup2(nowhere.fileno(), 2)
  try:
    yield
  finally:
    sys.stderr.flush()
    os.dup2(saved, 2)
    os.close(saved)
