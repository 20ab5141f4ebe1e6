"""Normalisation and random changes on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from zsar_jax.config import DataConfig
from zsar_jax.methods.frames import augment, normalize, reorder

PLAIN = DataConfig(flip=False)
FRAMES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (6, 2, 3, 5, 4, 3)), jnp.uint8)


def test_normalize_maps_the_mean_to_zero():
  data = DataConfig(mean=(0.2, 0.4, 0.6), std=(0.5, 0.25, 0.2))
  pixel = jnp.full((1, 1, 1, 1, 1, 3), jnp.array([51, 102, 255]), jnp.uint8)
  np.testing.assert_allclose(normalize(pixel, data).ravel(), [0, 0, 2], atol=1e-6)


def test_augment_without_changes_is_normalize():
  np.testing.assert_allclose(augment(jax.random.key(0), FRAMES, PLAIN), normalize(FRAMES, PLAIN), atol=1e-6)


def test_flip_mirrors_whole_clips_or_nothing():
  plain, flipped = normalize(FRAMES, PLAIN), augment(jax.random.key(1), FRAMES, DataConfig(flip=True))
  same = np.isclose(flipped, plain).all((2, 3, 4, 5))
  mirrored = np.isclose(flipped, plain[..., ::-1, :]).all((2, 3, 4, 5))
  assert (same | mirrored).all()
  assert same.any()
  assert mirrored.any()


def test_all_changes_are_finite_and_differ_between_clips():
  data = DataConfig(color_jitter=0.3, noise=0.05, grayscale=0.5)
  same = jnp.broadcast_to(FRAMES[:1, :1], FRAMES.shape)
  out = augment(jax.random.key(2), same, data, jnp.bfloat16)
  assert out.dtype == jnp.bfloat16
  assert np.isfinite(np.asarray(out, np.float32)).all()
  assert not np.allclose(np.asarray(out[0, 0], np.float32), np.asarray(out[1, 0], np.float32), atol=0.05)


def test_grayscale_of_all_clips_has_equal_channels():
  gray = augment(
    jax.random.key(0), FRAMES, DataConfig(flip=False, grayscale=0.999999, mean=(0, 0, 0), std=(1, 1, 1))
  )
  np.testing.assert_allclose(gray[..., 0], gray[..., 2], atol=1e-6)


def test_reorder():
  np.testing.assert_array_equal(reorder(FRAMES, "natural"), FRAMES)
  single = reorder(FRAMES, "single")
  np.testing.assert_array_equal(single, jnp.repeat(FRAMES[:, :, 1:2], 3, 2))
  shuffled = np.asarray(reorder(jnp.arange(8, dtype=jnp.uint8).reshape(1, 1, 8, 1, 1, 1), "shuffled")).ravel()
  assert sorted(shuffled) == list(range(8))
  assert shuffled.tolist() != list(range(8))
