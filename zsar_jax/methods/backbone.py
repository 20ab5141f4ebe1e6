"""The encoder that a config asks for."""

import jax
from flax import nnx
from jax import numpy as jnp

from zsar_jax.config import Config
from zsar_jax.errors import InputError, did_you_mean
from zsar_jax.models import BACKBONES
from zsar_jax.models.backbone import Backbone
from zsar_jax.models.encode import Freeze


def model_problems(config: Config) -> list[str]:
  """What of the config's model can be told wrong without building it."""
  model, problems = config.model, []
  if model.backbone not in BACKBONES:
    hint = did_you_mean(model.backbone, BACKBONES)
    problems.append(f"'model.backbone' is {model.backbone!r}, expected one of {', '.join(BACKBONES)}{hint}")
  attends = config.method == "rest" and model.temporal == "transformer"
  if attends and model.width % model.num_heads:
    problems.append(f"'model.width' {model.width} does not divide into {model.num_heads} 'model.num_heads'")
  return problems


def cannot_build(config: Config, error: Exception) -> InputError:
  """What a model said of sizes that do not fit, such as a 2-D backbone in E2E, with the keys that chose them."""
  return InputError(
    f"the model cannot be built from 'method' {config.method!r}, 'model.backbone' {config.model.backbone!r}, "
    f"'data.num_frames' {config.data.num_frames} and 'data.crop' {config.data.crop}: {error}"
  )


def frames_shape(config: Config, num_videos: int, num_clips: int) -> jax.ShapeDtypeStruct:
  """What crosses to the device: uint8 [B,N,T,H,W,3], or precomputed features, float32 [B,N,T,D]."""
  data, model = config.data, config.model
  if model.backbone == "features":
    return jax.ShapeDtypeStruct((num_videos, num_clips, data.num_frames, model.num_features), jnp.float32)
  return jax.ShapeDtypeStruct((num_videos, num_clips, data.num_frames, data.crop, data.crop, 3), jnp.uint8)


def make_backbone(config: Config, rngs: nnx.Rngs) -> Backbone:
  """`model.backbone` with fresh parameters. BatchNorm groups `model.bn_group_size` clips, whose frames a 2-D backbone sees as rows."""
  model = config.model
  if model.backbone == "features":
    return BACKBONES["features"](model.num_features, rngs=rngs, dtype=jnp.dtype(model.dtype))
  make, dtype = BACKBONES[model.backbone], jnp.dtype(model.dtype)
  group = model.bn_group_size * (config.data.num_frames if reads_images(config) else 1)
  return make(
    rngs=rngs, dtype=dtype, bn_group_size=group or None, remat=model.remat, conv_impl=model.conv_impl
  )


def reads_images(config: Config) -> bool:
  """Whether `model.backbone` is 2-D: it sees single frames, not clips or precomputed features."""
  make = BACKBONES[config.model.backbone]
  return config.model.backbone != "features" and nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))).num_dims == 2


def freezing(config: Config) -> Freeze:
  return Freeze(config.model.freeze_backbone, config.model.freeze_bn)
