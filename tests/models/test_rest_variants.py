"""ResT's variants (Tables 3 and 6): what may reach what in each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_drawing import call, drawn, normal

from zsar_jax.models import BACKBONES, ResT
from zsar_jax.models.encode import Freeze

FEATURES = normal((3, 4, 96), seed=1)
WORDS = jnp.array([[2, 3, 0, 0], [4, 1, 5, 0], [8, 7, 6, 1]])
OTHER = jnp.array([[8, 8, 8, 8], [5, 0, 0, 0], [2, 0, 0, 0]])
SIZES = {
  "num_classes": 5,
  "vocabulary_size": 9,
  "max_words": 4,
  "num_frames": 4,
  "width": 16,
  "num_layers": 2,
}
SIZES |= {"num_heads": 2, "hidden": 32}
RECURRENT = ("rnn", "lstm")


def build(**variant):
  return ResT(BACKBONES["resnet_tiny"](rngs=nnx.Rngs(0)), **SIZES, **variant, rngs=nnx.Rngs(1))


def of_words(model, words):
  return call(lambda m, w: m.from_features(FEATURES, w, train=False), model, words)


@pytest.mark.parametrize("temporal", RECURRENT)
def test_two_streams_keep_text_from_vision(temporal):
  model = drawn(lambda: build(temporal=temporal))
  one, other = of_words(model, WORDS), of_words(model, OTHER)
  np.testing.assert_array_equal(one.visual, other.visual)
  np.testing.assert_array_equal(one.class_logits, other.class_logits)
  assert not np.allclose(one.word_logits, other.word_logits)
  silent = call(lambda m: m.from_features(FEATURES, None, train=False), model)
  np.testing.assert_allclose(silent.visual, one.visual, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("temporal", RECURRENT)
def test_two_streams_read_words_from_the_left_and_every_frame(temporal):
  model = drawn(lambda: build(temporal=temporal))
  table, words = model.word_embedding[...], jnp.array([[2, 3, 4, 5]])

  def outputs(model, rows, features):
    model.word_embedding[...] = rows
    return jnp.abs(model.from_features(features, words, train=False).word_logits[0]).sum(-1)

  def jacobian(model, rows, features):
    return jax.jacrev(lambda r, f: outputs(nnx.merge(*nnx.split(model), copy=True), r, f), (0, 1))(
      rows, features
    )

  by_word, by_frame = call(jacobian, model, table, FEATURES[:1])
  np.testing.assert_array_equal(np.abs(by_word[:, 2:6]).sum(-1) > 0, np.tril(np.ones((4, 4))))
  assert (np.abs(by_frame).sum((1, 3)) > 0).all()


def test_cross_modal_attention_lets_the_words_leak():
  model = drawn(lambda: build(cross_modal=True))
  one, other = of_words(model, WORDS), of_words(model, OTHER)
  assert not np.allclose(one.visual, other.visual)
  assert not np.allclose(one.class_logits, other.class_logits)


@pytest.mark.parametrize("variant", [{"cross_modal": True}, {"tasks": ("mlm",)}])
def test_variants_that_read_words_are_given_masks_never_the_true_words(variant):
  """Embedding equals the pass with [MASK] at every position, clip by clip and with shared frames."""
  model, frames = drawn(lambda: build(**variant)), normal((3, 4, 8, 8, 3))
  positions = jnp.broadcast_to(jnp.arange(4), (3, 1, 4))

  def three(model, frames):
    masked = model(frames, jnp.ones((3, 4), int), train=False).visual
    return masked, model.embed(frames[:, None])[:, 0], model.infer_clips(frames, positions).visual[:, 0]

  masked, embedded, shared = call(three, model, frames)
  np.testing.assert_allclose(embedded, masked, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(shared, masked, rtol=1e-4, atol=1e-5)
  named = call(lambda m, f: m(f, WORDS, train=False).visual, model, frames)
  assert not np.allclose(named, masked, atol=1e-3)
  with pytest.raises(ValueError, match="reads words"):
    model.from_features(FEATURES, None, train=False)


def test_classes_alone_need_no_words():
  model = drawn(lambda: build(tasks=("cls",)))
  params = nnx.to_pure_dict(nnx.state(model, nnx.Param))
  assert not {"word_embedding", "word_head"} & params.keys()
  assert "word_position_embedding" not in params["encoder"]
  two = nnx.eval_shape(lambda: build(tasks=("cls",), temporal="lstm"))
  assert set(nnx.to_pure_dict(nnx.state(two, nnx.Param))["encoder"]) == {"frame_stream", "frame_norm"}
  one, silent = of_words(model, WORDS), call(lambda m: m.from_features(FEATURES, None, train=False), model)
  assert one.word_logits is None
  np.testing.assert_array_equal(one.visual, silent.visual)


def test_words_alone_embed_a_video_as_the_mean_word_output():
  model = drawn(lambda: build(tasks=("mlm",)))

  def both(model):
    tokens = model.word_embedding[...][WORDS]
    projected = model.projection(FEATURES)
    _, outputs = model.encoder(projected, tokens, WORDS != 0, train=False, rngs=None)
    return outputs, model.from_features(FEATURES, WORDS, train=False)

  outputs, output = call(both, model)
  assert output.class_logits is None
  for row, length in enumerate((2, 3, 4)):
    expected = np.asarray(outputs)[row, :length].mean(0)
    np.testing.assert_allclose(output.visual[row], expected, rtol=1e-4, atol=1e-6)


def test_frozen_backbone_gets_no_gradient():
  frames = normal((2, 4, 8, 8, 3))
  graphdef, params, stats = nnx.split(drawn(lambda: build(freeze=Freeze(True))), nnx.Param, nnx.BatchStat)

  def loss(params):
    model = nnx.merge(graphdef, params, stats, copy=True)
    output = model(frames, WORDS[:2], train=True, rngs=nnx.Rngs(dropout=0))
    return (output.class_logits**2).sum(), nnx.state(model, nnx.BatchStat)

  gradients, after = jax.jit(jax.grad(loss, has_aux=True))(params)
  assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradients["backbone"]))
  assert any((leaf != 0).any() for leaf in jax.tree.leaves(gradients["projection"]))
  assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), stats, after)))


def test_precomputed_features_are_tokens():
  """Object features or a clip encoder's, one vector a position, without any image (Table 6)."""
  model = drawn(lambda: ResT(BACKBONES["features"](96, rngs=nnx.Rngs(0)), **SIZES, rngs=nnx.Rngs(1)))
  got, expected = call(
    lambda m, x: (m(x, None, train=False), m.from_features(x, None, train=False)), model, FEATURES
  )
  np.testing.assert_array_equal(got.visual, expected.visual)
  assert call(lambda m, x: m.embed(x), model, FEATURES[:, None]).shape == (3, 1, 16)


def test_only_parameters_and_statistics():
  for variant in ({"temporal": "lstm"}, {"temporal": "rnn"}, {"tasks": ("mlm",)}):
    state = nnx.state(nnx.eval_shape(lambda variant=variant: build(**variant)))
    assert {type(leaf) for _, leaf in nnx.to_flat_state(state)} == {nnx.Param, nnx.BatchStat}


def test_combinations_that_mean_nothing_are_refused():
  with pytest.raises(ValueError, match="has no attention"):
    nnx.eval_shape(lambda: build(temporal="rnn", cross_modal=True))
  with pytest.raises(ValueError, match="cls, mlm or both"):
    nnx.eval_shape(lambda: build(tasks=("words",)))
