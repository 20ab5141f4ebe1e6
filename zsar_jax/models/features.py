"""A backbone for features computed elsewhere: the papers' rows of pretrained clip features and object features."""

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class Features(nnx.Module):
  """The identity on feature vectors, averaged over time where there is time. No parameters."""

  num_dims = 1

  def __init__(self, num_features: int, dtype: DTypeLike = jnp.float32):
    if num_features < 1:
      raise ValueError(f"features: num_features={num_features}; give the width of the feature vectors")
    self.num_features, self.dtype = num_features, dtype

  def __call__(self, x: Float[Array, "B ... D"], train: bool, pool: bool = True) -> Float[Array, "B ... D"]:
    """[B,D] as it is; [B,T,D] averaged over T, or with pool=False as it is. Raises ValueError on any other shape."""
    if x.ndim not in (2, 3) or x.shape[-1] != self.num_features:
      raise ValueError(
        f"features: got {x.shape}, expected [B,{self.num_features}] or [B,T,{self.num_features}]"
      )
    x = x.astype(self.dtype)
    return x.mean(1) if pool and x.ndim == 3 else x


def features(num_features: int, *, rngs: nnx.Rngs, dtype: DTypeLike = jnp.float32) -> Features:
  """Identity over precomputed features: [B,D] or [B,T,D] -> [B,D].

  Args:
    num_features: D.
    rngs: never used, since nothing is drawn; here because every constructor takes it.
    dtype: of the output.
  """
  del rngs
  return Features(num_features, dtype)
