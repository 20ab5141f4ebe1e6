"""ResT without transfer: the name of the visually nearest seen class stands in for a video (ResT Table 5)."""

import numpy as np
from jaxtyping import Float, Float32

from zsar_jax.zeroshot.metrics import unit


def nearest_meaning(
  vectors: Float[np.ndarray, "V D"],
  seen_visual: Float32[np.ndarray, "S D"],
  seen_semantic: Float32[np.ndarray, "S E"],
) -> Float32[np.ndarray, "V E"]:
  """The semantic embedding of the seen class whose visual prototype each vector is nearest to, by cosine; the first of equals."""
  near = unit(np.asarray(vectors, np.float32)) @ unit(seen_visual).T
  return seen_semantic[near.argmax(1)]
