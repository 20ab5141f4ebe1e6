"""ResT: what may flow from words to vision (nothing), between words (leftwards), and masking."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from model_drawing import call, drawn, normal

from zsar_jax.models import BACKBONES, ResT, mask_words
from zsar_jax.models.transformer import block_mask

SMALL = {
  "num_classes": 5,
  "vocabulary_size": 9,
  "max_words": 4,
  "num_frames": 4,
  "width": 16,
  "num_layers": 2,
  "num_heads": 2,
  "hidden": 32,
}


def build(backbone="resnet_tiny", **variant):
  return ResT(BACKBONES[backbone](rngs=nnx.Rngs(0)), **SMALL, **variant, rngs=nnx.Rngs(1))


@pytest.fixture(scope="module")
def model():
  return drawn(build)


FRAMES = normal((3, 4, 8, 8, 3))
FEATURES = normal((3, 4, 96), seed=1)
WORDS = jnp.array([[2, 3, 0, 0], [4, 1, 5, 0], [8, 7, 6, 1]])


def from_features(model, features, words):
  return model.from_features(features, words, train=False)


def test_shapes(model):
  def run(model, frames):
    return (
      model(frames, WORDS, train=False),
      model(frames, None, train=False),
      model.warmup_logits(frames, train=False),
    )

  out, silent, warmup = jax.eval_shape(lambda frames: run(model, frames), FRAMES)
  assert (out.visual.shape, out.class_logits.shape, out.word_logits.shape) == ((3, 16), (3, 5), (3, 4, 9))
  assert silent.word_logits is None
  assert warmup.shape == (3, 5)


@pytest.mark.parametrize(("num_frames", "positions"), [(4, 1), (16, 4)])
def test_a_clip_encoder_gives_temporal_positions(num_frames, positions):
  model = nnx.eval_shape(lambda: build("r2plus1d_tiny"))
  graphdef, state = nnx.split(model)
  frames = jnp.zeros((2, num_frames, 8, 8, 3))

  def run(state):
    model = nnx.merge(graphdef, state)
    return model.frame_features(frames, train=False), model.embed(frames[:, None])

  features, embedded = jax.eval_shape(run, state)
  assert features.shape == (2, positions, 96)
  assert embedded.shape == (2, 1, 16)


def test_vision_is_bit_identical_whatever_the_words(model):
  graphdef, state = nnx.split(model)
  run = jax.jit(lambda state, words: from_features(nnx.merge(graphdef, state), FEATURES, words))
  one, other = run(state, WORDS), run(state, jnp.array([[8, 8, 8, 8], [0, 0, 0, 0], [2, 0, 0, 0]]))
  np.testing.assert_array_equal(one.visual, other.visual)
  np.testing.assert_array_equal(one.class_logits, other.class_logits)
  assert not np.array_equal(one.word_logits, other.word_logits)


def test_frame_outputs_are_bit_identical_too(model):
  """All visual rows of the encoder, not [CLS] alone."""

  def rows(encoder, tokens):
    return encoder(tokens, block_mask(4, 3), train=False)[:, :5]

  tokens = normal((2, 8, 16))
  one = call(rows, model.encoder.transformer, tokens)
  np.testing.assert_array_equal(one, call(rows, model.encoder.transformer, tokens.at[:, 5:].add(3.0)))


def test_class_loss_sends_no_gradient_into_words(model):
  graphdef, params, batch_stats = nnx.split(model, nnx.Param, nnx.BatchStat)

  def loss(params):
    return from_features(
      nnx.merge(graphdef, params, batch_stats, copy=True), FEATURES, WORDS
    ).class_logits.sum()

  gradients = jax.jit(jax.grad(loss))(params)
  assert (np.asarray(gradients["word_embedding"][...]) == 0).all()
  assert np.abs(gradients["encoder"]["frame_position_embedding"][...]).max() > 0


def test_a_word_feels_no_word_to_its_right_and_every_frame(model):
  words = jnp.array([[2, 3, 4, 5]])

  def word_outputs(model, position, features):
    model.encoder.word_position_embedding[...] = position
    return jnp.abs(from_features(model, features, words).word_logits[0]).sum(-1)

  def jacobian(model, position, features):
    return jax.jacrev(lambda p, f: word_outputs(nnx.merge(*nnx.split(model), copy=True), p, f), (0, 1))(
      position, features
    )

  by_word, by_frame = call(jacobian, model, model.encoder.word_position_embedding[...], FEATURES[:1])
  felt = np.abs(by_word).sum(-1) > 0
  np.testing.assert_array_equal(felt, np.tril(np.ones((4, 4))))
  assert (np.abs(by_frame).sum((1, 3)) > 0).all()


def test_embed_is_the_visual_output(model):
  def run(model, frames):
    clips = jnp.stack([frames, frames[::-1]], 1)
    return (
      model.embed(clips),
      model(frames, WORDS, train=False).visual,
      model(frames[::-1], None, train=False).visual,
    )

  embedded, with_words, without = call(run, model, FRAMES)
  assert embedded.shape == (3, 2, 16)
  np.testing.assert_allclose(embedded[:, 0], with_words, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(embedded[:, 1], without, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing(model):
  padded, bare = (
    call(from_features, model, FEATURES[:2], jnp.array(words))
    for words in ([[2, 3, 0, 0], [4, 5, 0, 0]], [[2, 3], [4, 5]])
  )
  np.testing.assert_allclose(padded.visual, bare.visual, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(padded.word_logits[:, :2], bare.word_logits, rtol=1e-4, atol=1e-5)
  assert np.isfinite(padded.word_logits).all()


def test_training_mode_uses_dropout_and_batch_statistics(model):
  def run(model, frames):
    one, other = (
      model.from_features(FEATURES, WORDS, train=True, rngs=nnx.Rngs(dropout=seed)).visual for seed in (0, 1)
    )
    before = model.backbone.stem.conv.bn.mean[...]
    model.warmup_logits(frames, train=True)
    return one, other, before, model.backbone.stem.conv.bn.mean[...]

  one, other, before, after = call(run, model, FRAMES)
  assert not np.allclose(one, other)
  np.testing.assert_array_equal(before, model.backbone.stem.conv.bn.mean[...])
  assert not np.allclose(before, after)


def test_only_parameters_and_statistics(model):
  assert {type(leaf) for _, leaf in nnx.to_flat_state(nnx.state(model))} == {nnx.Param, nnx.BatchStat}


def test_too_many_frames_or_words(model):
  with pytest.raises(ValueError, match="5 frames, but it was built with num_frames=4"):
    model.from_features(jnp.zeros((1, 5, 96)), None, train=False)
  with pytest.raises(ValueError, match="5 words, but it was built with max_words=4"):
    model.from_features(FEATURES[:1], jnp.ones((1, 5), int), train=False)


def test_frames_shared_by_overlapping_clips_give_the_same_embeddings(model):
  """25 overlapping clips cost one pass of the backbone over the distinct frames (fixed crop)."""
  video = normal((2, 7, 8, 8, 3), seed=3)
  positions = jnp.array(
    [[[0, 1, 2, 3], [1, 2, 3, 4], [3, 4, 5, 6]], [[0, 0, 1, 1], [2, 3, 4, 5], [6, 6, 6, 6]]]
  )

  def both(model, video):
    clips = jax.vmap(lambda frames, where: frames[where])(video, positions)
    named = model.infer_clips(video, positions, with_words=True)
    return model.embed(clips), model.infer_clips(video, positions).visual, named

  one_by_one, shared, named = call(both, model, video)
  np.testing.assert_allclose(shared, one_by_one, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(named.visual, shared, rtol=1e-5, atol=1e-5)
  assert named.word_logits.shape[:3] == (2, 3, 4)


def test_size_of_the_papers_transformer():
  """BERT-base: 12 layers of 7.1 M and two LayerNorms of 1536 each, a final norm."""
  model = nnx.eval_shape(lambda: ResT(
    BACKBONES["resnet18"](rngs=nnx.Rngs(0)), num_classes=664, vocabulary_size=700, max_words=8, num_frames=16,
    rngs=nnx.Rngs(1),
  ))  # fmt: skip
  layer = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
  params = nnx.state(model.encoder.transformer, nnx.Param)
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 12 * layer + 2 * 768


MASK = jax.jit(mask_words, static_argnums=2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.15, 1.0]))
def test_masking(seed, rate):
  rng = np.random.default_rng(seed)
  lengths = rng.integers(0, 5, 6)
  words = np.where(np.arange(4) < lengths[:, None], rng.integers(2, 9, (6, 4)), 0)
  ids, target = (np.asarray(a) for a in MASK(jax.random.key(seed), jnp.asarray(words), rate))
  assert (target.any(1) == (lengths > 0)).all()
  assert not target[words == 0].any()
  np.testing.assert_array_equal(ids, np.where(target, 1, words))
  if rate == 0:
    assert (target.sum(1) == np.minimum(lengths, 1)).all()
  if rate == 1:
    np.testing.assert_array_equal(target, words > 0)


def test_masking_rate_and_evenness():
  _, target = mask_words(jax.random.key(0), jnp.full((20000, 4), 2))
  # P(masked) = 0.15 + P(none drawn) / 4
  np.testing.assert_allclose(target.mean(0), 0.15 + 0.85**4 / 4, atol=0.012)
