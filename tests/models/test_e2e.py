"""E2E: averaging over clips, dropout, the frozen baseline."""

import jax
import numpy as np
import pytest
from flax import nnx
from model_drawing import call, drawn, normal

from zsar_jax.models import BACKBONES, E2E

FRAMES = normal((2, 3, 4, 8, 8, 3))


def build(dropout=0.05):
  return E2E(BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(0)), num_outputs=7, dropout=dropout, rngs=nnx.Rngs(1))


@pytest.fixture(scope="module")
def model():
  return drawn(build)


def test_embeddings_of_clips_average_to_the_videos(model):
  def both(model, frames):
    return model.embed(frames), model.embed(frames[:, 1:2]), model(frames, train=False)

  clips, second, video = call(both, model, FRAMES)
  assert clips.shape == (2, 3, 7)
  np.testing.assert_allclose(video, clips.mean(1), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(clips[:, 1:2], second, rtol=1e-4, atol=1e-5)
  assert not np.allclose(clips[:, 0], clips[:, 1])


@pytest.mark.parametrize("train_backbone", [False, None])
def test_frozen_backbone_leaves_statistics(model, train_backbone):
  def moved(model, frames):
    model(frames, train=True, rngs=nnx.Rngs(dropout=0), train_backbone=train_backbone)
    return nnx.state(model, nnx.BatchStat)

  after = call(moved, model, FRAMES)
  same = jax.tree.map(lambda a, b: bool((a == b).all()), nnx.state(model, nnx.BatchStat), after)
  assert set(jax.tree.leaves(same)) == {train_backbone is False}


def test_dropout_follows_its_key():
  def trained(model, frames, key):
    return model(frames, train=True, rngs=nnx.Rngs(dropout=key), train_backbone=False)

  def three(model, frames):
    return [trained(model, frames, jax.random.key(seed)) for seed in (0, 0, 1)]

  one, same, other = call(three, drawn(lambda: build(0.5)), FRAMES)
  np.testing.assert_array_equal(one, same)
  assert not np.allclose(one, other)


def test_needs_a_clip_encoder():
  with pytest.raises(ValueError, match="needs a 3-D backbone"):
    nnx.eval_shape(lambda: E2E(BACKBONES["resnet_tiny"](rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)))
