"""How the two models call their encoder: trained with them, or frozen."""

from typing import NamedTuple

from jax import lax
from jaxtyping import Array, Float

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
