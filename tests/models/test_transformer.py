"""The block mask against literal matrices; the encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_drawing import call, drawn, normal

from zsar_jax.models.transformer import TransformerEncoder, block_mask


def test_mask_of_two_frames_and_three_words():
  # columns: CLS f1 f2 | w1 w2 w3
  expected = [
    [1, 1, 1, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
    [1, 1, 1, 1, 0, 0],
    [1, 1, 1, 1, 1, 0],
    [1, 1, 1, 1, 1, 1],
  ]
  np.testing.assert_array_equal(block_mask(2, 3)[0], expected)


def test_padding_is_seen_by_nobody():
  words = jnp.array([[True, False, False], [True, True, False]])
  expected = [
    [
      [1, 1, 0, 0, 0],
      [1, 1, 0, 0, 0],
      [1, 1, 1, 0, 0],
      [1, 1, 1, 0, 0],
      [1, 1, 1, 0, 0],
    ],
    [
      [1, 1, 0, 0, 0],
      [1, 1, 0, 0, 0],
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0],
      [1, 1, 1, 1, 0],
    ],
  ]
  np.testing.assert_array_equal(block_mask(1, 3, words), expected)


def test_cross_modal_mask_hides_only_padding():
  mask = block_mask(1, 2, jnp.array([[True, False]]), cross_modal=True)
  np.testing.assert_array_equal(mask[0], [[1, 1, 1, 0]] * 4)


def test_mask_without_words():
  np.testing.assert_array_equal(block_mask(2, 0)[0], np.ones((3, 3)))


def test_mask_refuses_another_number_of_words():
  with pytest.raises(ValueError, match="should have 3 columns"):
    block_mask(2, 3, jnp.ones((1, 2), bool))


def test_masked_positions_cannot_be_felt():
  encoder = drawn(lambda: TransformerEncoder(1, 16, 4, 32, rngs=nnx.Rngs(0)))
  mask = jnp.broadcast_to(jnp.tril(jnp.ones((5, 5), bool)), (2, 5, 5))
  weights = normal((16,), seed=1)

  def gradient_of(encoder, x):
    return jax.grad(lambda x: (encoder(x, mask, train=False)[:, 2] @ weights).sum())(x)

  gradient = call(gradient_of, encoder, normal((2, 5, 16)))
  assert (np.asarray(gradient[:, 3:]) == 0).all()
  assert (np.abs(gradient[:, :3]).sum((0, 2)) > 0).all()


def test_output_is_normalised_and_dropout_needs_keys():
  encoder = drawn(lambda: TransformerEncoder(1, 16, 4, 32, dropout=0.5, rngs=nnx.Rngs(0)))
  encoder.norm.scale[...], encoder.norm.bias[...] = jnp.ones(16), jnp.zeros(16)
  x = normal((2, 5, 16))
  y = call(lambda encoder, x: encoder(x, train=False), encoder, x)
  np.testing.assert_allclose(y.mean(-1), 0, atol=1e-5)
  np.testing.assert_allclose(y.std(-1), 1, atol=1e-3)
  with pytest.raises(ValueError, match="needs rngs"):
    encoder(x, train=True)
  assert not np.allclose(call(lambda e, x: e(x, train=True, rngs=nnx.Rngs(dropout=1)), encoder, x), y)


def test_width_must_split_into_heads():
  with pytest.raises(ValueError, match="not divisible by num_heads=5"):
    TransformerEncoder(1, 16, 5, 32, rngs=nnx.Rngs(0))
