"""The two published systems behind one seam (`base.Method`)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32

from zsar_jax.config import Config
from zsar_jax.methods.base import Method
from zsar_jax.methods.e2e import E2EMethod
from zsar_jax.methods.rest import ResTMethod
from zsar_jax.types import ClassSet


def make_method(
  config: Config, seen: ClassSet, word_vectors: Mapping[str, Float32[np.ndarray, " E"]] | None = None
) -> Method:
  """The method that `config.method` names, for these seen classes. `word_vectors` of their words let ResT say words."""
  return E2EMethod(config, seen) if config.method == "e2e" else ResTMethod(config, seen, word_vectors)
