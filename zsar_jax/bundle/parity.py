"""Whether a bundle, read back from disk, gives what the run itself gives."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, Shaped

from zsar_jax.bundle.contents import Bundle
from zsar_jax.bundle.model import abstract_graph, make_bundle_method
from zsar_jax.methods.base import Method
from zsar_jax.methods.frames import normalize
from zsar_jax.train.apply import make_apply
from zsar_jax.train.sharding import make_mesh, place_batch
from zsar_jax.types import ClassSet

TOLERANCE = 1e-5  # of the largest absolute value


class ParityError(RuntimeError):
  """An export gives other numbers than the run. Commands print it and exit with 1."""


class Compared(NamedTuple):
  """What was compared, and the largest difference as a share of the largest value."""

  name: str
  difference: float  # infinite where a value is no number or shapes differ


def difference(ours: Shaped[np.ndarray, "..."], theirs: Shaped[np.ndarray, "..."]) -> float:
  """The largest absolute difference over the largest absolute value of `ours`."""
  if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
    return float("inf")
  largest = float(np.abs(ours).max(initial=0))
  far = float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0))
  return far / largest if largest else far


def check_all(compared: list[Compared], place: str) -> None:
  """Raises ParityError that lists everything that differs by more than `TOLERANCE`."""
  wrong = [
    f"{one.name} differ by {one.difference:.3g}" for one in compared if not one.difference <= TOLERANCE
  ]
  if wrong:
    raise ParityError(
      f"the exported model does not give what the run gives (relative, at most {TOLERANCE:g} is allowed), so {place} was not written:"
      + "".join(f"\n  - {line}" for line in wrong)
    )


def compile_embed(bundle: Bundle) -> Callable[[Any, Any], Float32[np.ndarray, "B N D"]]:
  """(frames [B,F,...] as stored, positions [B,N,T]) -> embeddings of the clips, by the bundle alone; B must divide over the devices."""
  method, data, mesh = make_bundle_method(bundle), bundle.config.data, make_mesh()
  dtype = jnp.dtype(bundle.config.model.dtype)

  def embed(model: Any, inputs: tuple[Array, Array]) -> Float[Array, "B N D"]:
    frames, positions = inputs
    return method.embed_clips(model, normalize(frames, data, dtype), positions).own

  apply = make_apply(abstract_graph(bundle), mesh, embed)

  def run(
    frames: Shaped[np.ndarray, "B F ..."], positions: Int[np.ndarray, "B N T"]
  ) -> Float32[np.ndarray, "B N D"]:
    return np.asarray(
      apply(bundle.params, bundle.batch_stats, place_batch(mesh, (frames, positions))), np.float32
    )

  return run


def unseen_prototypes(
  method: Method, unseen: ClassSet, seen_visual: Float32[np.ndarray, "S D"] | None
) -> Float32[np.ndarray, "K D"]:
  """What videos of these classes are compared with; composed where the method can. Its warnings are for evaluation to give."""
  if method.space == "visual" and "visual" not in method.spaces:
    return unseen.semantic_embeddings
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    return method.prototypes(unseen, seen_visual).vectors
