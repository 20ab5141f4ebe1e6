"""How the two models call their encoder: trained with them, or frozen."""

from typing import NamedTuple

import jax
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from zsar_jax.models.backbone import Backbone


class Freeze(NamedTuple):
  """What of an encoder stays as it came: E2E's baseline (section 3.2), ResT's frozen features (Table 6)."""

  parameters: bool = False
  statistics: bool = True  # of BatchNorm; only where the parameters are frozen


TRAINED = Freeze()  # nothing is frozen


def encode(
  backbone: Backbone, x: Float[Array, "B ..."], train: bool, freeze: Freeze, pool: bool = True
) -> Float[Array, "B ..."]:
  """backbone(x): [B,P], or [B,T2,P] with `pool=False` where it reads clips. No gradient passes a frozen one."""
  features = backbone(x, train and not (freeze.parameters and freeze.statistics), pool)
  return lax.stop_gradient(features) if freeze.parameters else features


def gather_clips(
  frames: Shaped[Array, "B F ..."], positions: Int[Array, "B N T"]
) -> Shaped[Array, "B N T ..."]:
  """The N clips of each video that `positions` cuts from its F frames (or features of frames)."""
  return jax.vmap(lambda rows, where: rows[where])(frames, positions)
