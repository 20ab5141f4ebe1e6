"""The two methods' losses, embeddings and prototypes on tiny models."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zsar_jax import config as configs
from zsar_jax.classes.embeddings import class_set
from zsar_jax.classes.vocabulary import FIRST_WORD, vocabulary, word_table
from zsar_jax.methods import make_method
from zsar_jax.methods.base import Clips
from zsar_jax.zeroshot.compose import relatedness

ROOT = pathlib.Path(__file__).parent.parent.parent
SEEN = class_set(
  ["waving while walking", "punching while sitting", "lifting while walking"], "folder", "hash:300"
)
UNSEEN = class_set(["waving while sitting", "punching while walking"], "folder", "hash:300")


def make(variant, **model):
  config = configs.load(str(ROOT / f"configs/demo.py:{variant}"))
  config = dataclasses.replace(config, model=dataclasses.replace(config.model, dropout=0.0, **model))
  method = make_method(config, SEEN)
  return method, method.init_model(0)


def clips(labels=(0, 1, 2, 1)):
  labels = jnp.array(labels)
  frames = jax.random.normal(jax.random.key(1), (len(labels), 1, 4, 24, 24, 3))
  return Clips(frames, labels, jnp.asarray(word_table(SEEN.words))[labels], jnp.ones(len(labels), bool))


def rngs():
  return nnx.Rngs(dropout=0, words=1)


def loss_of(loss, model, batch):
  return nnx.jit(lambda model, batch: loss(model, batch, rngs()))(model, batch)


@pytest.mark.parametrize("normalize", [True, False])
def test_e2e_loss_is_the_squared_error_to_the_word_vector(normalize):
  method, model = make("e2e", normalize=normalize)
  batch = clips()
  forward = nnx.jit(lambda model, frames: model(frames, train=True, rngs=rngs()))
  output = np.asarray(forward(model, batch.frames))
  target = SEEN.semantic_embeddings[np.asarray(batch.label)]
  if normalize:
    unit = output / np.linalg.norm(output, axis=-1, keepdims=True)
    expected = ((unit - target) ** 2).mean()
  else:
    expected = ((output - target) ** 2).sum(-1).mean()
  loss, metrics = loss_of(method.loss, model, batch)
  assert loss == pytest.approx(expected, rel=1e-4)
  assert 0 <= metrics["accuracy"] <= 100


def test_e2e_prototypes_are_the_word_vectors():
  method, _ = make("e2e")
  made = method.prototypes(UNSEEN)
  assert made.space == "semantic"
  assert made.weights is None
  np.testing.assert_array_equal(made.vectors, UNSEEN.semantic_embeddings)


def test_e2e_scores_are_cosines_of_the_mean_clip():
  method, model = make("e2e")
  frames = jax.random.normal(jax.random.key(2), (2, 3, 4, 24, 24, 3))
  embedded = np.asarray(method.embed(model, frames))
  assert embedded.shape == (2, 3, 300)
  mean = embedded.mean(1)
  cosine = mean @ SEEN.semantic_embeddings.T / np.linalg.norm(mean, axis=1, keepdims=True)
  np.testing.assert_allclose(method.scores(model, frames), cosine, atol=1e-4)


def test_rest_loss_is_classes_plus_half_the_masked_words():
  method, model = make("rest")
  loss, metrics = loss_of(method.loss, model, clips())
  assert loss == pytest.approx(float(metrics["class_loss"] + 0.5 * metrics["word_loss"]), rel=1e-6)
  assert metrics["word_loss"] == pytest.approx(np.log(FIRST_WORD + len(vocabulary(SEEN.words))), rel=0.3)


def test_rest_phases_train_the_frame_encoder_first():
  method, model = make("rest")
  warmup, joint = method.phases()
  assert (warmup.name, joint.name) == ("warmup", "joint")
  assert joint.trains == ()
  assert set(warmup.trains) <= set(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
  loss, _ = loss_of(warmup.loss, model, clips())
  assert np.isfinite(loss)


def test_rest_prototypes_mix_the_seen_classes_that_share_words():
  method, _ = make("rest")
  seen_visual = np.eye(3, 96, dtype=np.float32)
  made = method.prototypes(UNSEEN, seen_visual)
  assert made.space == "visual"
  related = relatedness(UNSEEN.semantic_embeddings, SEEN.semantic_embeddings)
  # "waving while sitting" shares a word with the first two seen classes, none with the third.
  assert related[0, :2].min() > 0.4
  assert made.weights[0, :2].min() > 0.3
  np.testing.assert_allclose(made.vectors, made.weights @ seen_visual, atol=1e-6)
  np.testing.assert_allclose(made.weights.sum(1), 1, atol=1e-6)


def test_word_table_pads_with_zero():
  table = word_table((("wave", "walk"), ("sit",)))
  known = vocabulary((("wave", "walk"), ("sit",)))
  assert known == ("sit", "walk", "wave")
  np.testing.assert_array_equal(table, [[4, 3], [2, 0]])
