"""The network of a bundle: laid out without initialising anything."""

from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float32

from zsar_jax.bundle.contents import Bundle
from zsar_jax.classes.vectors import read
from zsar_jax.classes.vocabulary import vocabulary
from zsar_jax.methods import make_method
from zsar_jax.methods.base import Method


def make_bundle_method(bundle: Bundle) -> Method:
  """The method that the bundle was trained by, with its seen classes and, where they came along, their words' vectors."""
  return make_method(bundle.config, bundle.seen, _word_vectors(bundle))


def abstract_graph(bundle: Bundle) -> Any:
  """What `nnx.merge(graph, bundle.params, bundle.batch_stats)` takes; no array is made."""
  return nnx.graphdef(abstract_model(make_bundle_method(bundle)))


def abstract_model(method: Method) -> Any:
  """The model with shapes in place of arrays. Raises ValueError where sizes do not go together."""
  return nnx.eval_shape(lambda: method.init_model(0))


def abstract_arrays(model: Any) -> dict[str, Any]:
  """The shapes of `params` and `batch_stats`, as `train.state.Network` holds the arrays."""
  parts = {"params": nnx.Param, "batch_stats": nnx.BatchStat}
  shapes = {name: nnx.to_pure_dict(nnx.state(model, kind)) for name, kind in parts.items()}
  return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), shapes)


def _word_vectors(bundle: Bundle) -> dict[str, Float32[np.ndarray, " E"]]:
  words = vocabulary(bundle.seen.words)
  if bundle.facts.vectors.startswith("hash:"):
    return read(bundle.facts.vectors, words).found
  return {word: bundle.word_vectors[word] for word in words if word in bundle.word_vectors}
