"""The networks: flax NNX modules, arrays in and arrays out. `BACKBONES` is the one place to add a backbone."""

from collections.abc import Callable

from zsar_jax.models.e2e import E2E
from zsar_jax.models.resnet import ResNet, resnet18, resnet34, resnet101, resnet_tiny
from zsar_jax.models.rest import ResT, RestOutput, mask_words
from zsar_jax.models.video_resnet import VideoResNet, r2plus1d_18, r2plus1d_tiny, r3d_18

BACKBONES: dict[str, Callable[..., ResNet | VideoResNet]] = {
  "r2plus1d_18": r2plus1d_18,
  "r2plus1d_tiny": r2plus1d_tiny,
  "r3d_18": r3d_18,
  "resnet18": resnet18,
  "resnet34": resnet34,
  "resnet101": resnet101,
  "resnet_tiny": resnet_tiny,
}

__all__ = ["BACKBONES", "E2E", "ResT", "RestOutput", "mask_words"]
