"""The networks: flax NNX modules, arrays in and arrays out. `BACKBONES` is the one place to add a backbone."""

from collections.abc import Callable

from zsar_jax.models.backbone import Backbone
from zsar_jax.models.c3d import c3d
from zsar_jax.models.e2e import E2E
from zsar_jax.models.features import features
from zsar_jax.models.googlenet import googlenet
from zsar_jax.models.mobilenet import mobilenet_v2
from zsar_jax.models.resnet import resnet18, resnet34, resnet101, resnet_tiny
from zsar_jax.models.rest import ResT, RestOutput, mask_words
from zsar_jax.models.vgg import vgg16
from zsar_jax.models.video_resnet import r2plus1d_18, r2plus1d_tiny, r3d_18

# All but `features`, which needs the features' width instead, take the keyword arguments of `resnet18`.
BACKBONES: dict[str, Callable[..., Backbone]] = {
  "r2plus1d_18": r2plus1d_18,
  "r2plus1d_tiny": r2plus1d_tiny,
  "r3d_18": r3d_18,
  "c3d": c3d,
  "resnet18": resnet18,
  "resnet34": resnet34,
  "resnet101": resnet101,
  "resnet_tiny": resnet_tiny,
  "vgg16": vgg16,
  "mobilenet_v2": mobilenet_v2,
  "googlenet": googlenet,
  "features": features,
}

__all__ = ["BACKBONES", "E2E", "Backbone", "ResT", "RestOutput", "mask_words"]
