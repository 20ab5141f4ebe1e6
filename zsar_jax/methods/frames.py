"""Frames on the device: uint8 in, normalised floats out; random changes while training.

Only uint8 crosses to the device, so normalising and flipping happen here, inside the compiled step. Precomputed features (floats) stay
as they are.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from zsar_jax.config import DataConfig

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@jax.named_scope("augment")
def normalize(
  frames: Shaped[Array, "B N T ..."], data: DataConfig, dtype=jnp.float32
) -> Float[Array, "B N T ..."]:
  """Maps RGB bytes [B,N,T,H,W,C] to (x / 255 - mean) / std; features [B,N,T,D] stay as they are."""
  if _are_features(frames):
    return frames
  return _standardize(frames.astype(jnp.float32) / 255, data, dtype)


@jax.named_scope("augment")
def augment(
  key: Array, frames: Shaped[Array, "B N T ..."], data: DataConfig, dtype=jnp.float32
) -> Float[Array, "B N T ..."]:
  """Normalised frames after the config's random flip, colour jitter, grey and noise: one draw a clip. Features stay as they are."""
  if _are_features(frames):
    return frames
  flip_key, jitter_key, gray_key, noise_key = jax.random.split(key, 4)
  x = frames.astype(jnp.float32) / 255
  shape = (*frames.shape[:2], 1, 1, 1, 1)
  if data.flip:
    x = jnp.where(jax.random.bernoulli(flip_key, 0.5, shape), x[..., ::-1, :], x)
  if data.color_jitter:
    x = _jitter(jitter_key, x, shape, data.color_jitter)
  if data.grayscale:
    x = jnp.where(jax.random.bernoulli(gray_key, data.grayscale, shape), _gray(x), x)
  if data.noise:
    x = x + data.noise * jax.random.normal(noise_key, x.shape, x.dtype)
  return _standardize(x, data, dtype)


def reorder(frames: Shaped[Array, "B N T ..."], frame_order: str) -> Shaped[Array, "B N T ..."]:
  """Takes time out of the clips, to see how much of the accuracy rests on it.

  `single` repeats the middle frame; `shuffled` applies one fixed permutation; `natural` changes nothing.
  """
  num_frames = frames.shape[2]
  if frame_order == "single":
    return jnp.repeat(frames[:, :, num_frames // 2 : num_frames // 2 + 1], num_frames, axis=2)
  if frame_order == "shuffled":
    return frames[:, :, jax.random.permutation(jax.random.key(0), num_frames)]
  return frames


def _are_features(frames: Shaped[Array, "..."]) -> bool:
  return jnp.issubdtype(frames.dtype, jnp.floating)


def _standardize(x: Float[Array, "*dims C"], data: DataConfig, dtype) -> Float[Array, "*dims C"]:
  return ((x - jnp.array(data.mean)) / jnp.array(data.std)).astype(dtype)


def _gray(x: Float[Array, "*dims C"]) -> Float[Array, "*dims 1"]:
  return (x * jnp.array(LUMA)).sum(-1, keepdims=True)


def _jitter(key: Array, x: Array, shape: tuple[int, ...], strength: float) -> Array:
  """Scales brightness, contrast (about the clip's mean) and saturation by factors in 1 +- strength."""
  brightness, contrast, saturation = 1 + strength * jax.random.uniform(key, (3, *shape), minval=-1, maxval=1)
  x = x * brightness
  center = x.mean((2, 3, 4, 5), keepdims=True)
  x = center + (x - center) * contrast
  gray = _gray(x)
  return jnp.clip(gray + (x - gray) * saturation, 0, 1)
