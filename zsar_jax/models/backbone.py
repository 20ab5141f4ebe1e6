"""What every backbone promises; the models and methods around it rely on nothing else."""

from typing import Protocol

from jaxtyping import Array, Float


class Backbone(Protocol):
  """Images, clips or features to feature vectors.

  `num_dims` is the number of axes convolved over: 2 for images, 3 for clips, 1 for precomputed features. `num_features` is D.
  """

  num_dims: int
  num_features: int

  def __call__(self, x: Float[Array, "B ..."], train: bool, pool: bool = True) -> Float[Array, "B ... D"]:
    """Feature vectors, in the backbone's dtype.

    Args:
      x: normalised RGB [B,H,W,3] (2), [B,T,H,W,3] (3); [B,D] or [B,T,D] features (1).
      train: BatchNorm uses and moves batch statistics. There is no other difference.
      pool: average over the temporal positions left, [B,D]; else keep them, [B,T',D]. No matter where there is no time.
    """
    ...
