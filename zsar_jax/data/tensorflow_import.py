"""The one way to TensorFlow: when first needed, without start-up chatter, off the accelerator."""

import functools
import os
import sys
from typing import Any

from zsar_jax.descriptors import dropped


@functools.cache
def tensorflow() -> Any:
  """The module `tensorflow`; the accelerator is left to JAX."""
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
  with dropped(sys.stderr, 2):
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
  return tf


@functools.cache
def tensorflow_datasets() -> Any:
  """The module `tensorflow_datasets`."""
  tensorflow()
  with dropped(sys.stderr, 2):
    import tensorflow_datasets as tfds
  return tfds
