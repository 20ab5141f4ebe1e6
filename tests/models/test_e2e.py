"""E2E: averaging over clips, dropout, the frozen baseline."""

import jax
import numpy as np
import pytest
from flax import nnx
from model_drawing import call, drawn, normal

from zsar_jax.models import BACKBONES, E2E
from zsar_jax.models.encode import TRAINED, Freeze

FRAMES = normal((2, 3, 4, 8, 8, 3))


def build(dropout=0.05, freeze=TRAINED):
  backbone = BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(0))
  return E2E(backbone, num_outputs=7, dropout=dropout, freeze=freeze, rngs=nnx.Rngs(1))


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


@pytest.mark.parametrize(
  ("freeze", "moves", "learns"),
  [(Freeze(), True, True), (Freeze(True), False, False), (Freeze(True, statistics=False), True, False)],
)
def test_frozen_baseline(freeze, moves, learns):
  """A frozen backbone gets no gradient; its statistics stay unless asked to move."""

  def step(params, batch_stats, frames):
    model = nnx.merge(graphdef, params, batch_stats, copy=True)
    output = model(frames, train=True, rngs=nnx.Rngs(dropout=0))
    return (output**2).sum(), nnx.state(model, nnx.BatchStat)

  graphdef, params, batch_stats = nnx.split(drawn(lambda: build(freeze=freeze)), nnx.Param, nnx.BatchStat)
  gradients, after = jax.jit(jax.grad(step, has_aux=True))(params, batch_stats, FRAMES)
  moved = jax.tree.map(lambda a, b: bool((a != b).any()), batch_stats, after)
  assert set(jax.tree.leaves(moved)) == {moves}
  reached = {bool((leaf != 0).any()) for leaf in jax.tree.leaves(gradients["backbone"])}
  assert reached == {learns}
  assert all((leaf != 0).any() for leaf in jax.tree.leaves(gradients["regressor"]))


def test_dropout_follows_its_key():
  def three(model, frames):
    return [model(frames, train=True, rngs=nnx.Rngs(dropout=jax.random.key(seed))) for seed in (0, 0, 1)]

  one, same, other = call(three, drawn(lambda: build(0.5, Freeze(True))), FRAMES)
  np.testing.assert_array_equal(one, same)
  assert not np.allclose(one, other)


def test_precomputed_features_take_the_place_of_frames():
  """The mean over a clip's features goes into the regressor."""
  given = normal((2, 3, 4, 5))
  model = E2E(BACKBONES["features"](5, rngs=nnx.Rngs(0)), num_outputs=7, rngs=nnx.Rngs(1))
  np.testing.assert_allclose(model.embed(given), model.regressor(given.mean(2)), rtol=1e-5, atol=1e-6)


def test_needs_a_clip_encoder():
  with pytest.raises(ValueError, match="needs a 3-D backbone"):
    nnx.eval_shape(lambda: E2E(BACKBONES["resnet_tiny"](rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1)))
