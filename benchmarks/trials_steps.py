"""Ideas for whole steps: the transformer's passes, the optimizer's update, batch norm's groups, recomputation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from trial import Scale, Trial, compare, normal, with_gradients

from zsar_jax.models import BACKBONES
from zsar_jax.models.layers import ConvBN, Numerics
from zsar_jax.models.rest import ResT
from zsar_jax.train.optim import decay_mask

STEPS = 20  # of the optimizer, in one program


def tokens_once(scale: Scale) -> dict[str, Any]:
  """ResT's transformer, 12 layers of 768, over features: a pass for the classes and one with words, or one for both."""
  dtype = jnp.dtype(scale.dtype)
  width = 768 // scale.shrink
  model = ResT(
    BACKBONES["features"](512, rngs=nnx.Rngs(0), dtype=dtype), num_classes=664, vocabulary_size=1000, max_words=4,
    num_frames=16, width=width, num_layers=12 // scale.shrink, num_heads=12, hidden=4 * width, dropout=0.0, rngs=nnx.Rngs(0), dtype=dtype,
  )  # fmt: skip
  graph, params, rest = nnx.split(model, nnx.Param, ...)
  features = normal(0, scale.clips, 16, 512, dtype=scale.dtype)
  words = jnp.full((scale.clips, 4), 2)

  def logits(params, features, given):
    model = nnx.merge(graph, params, rest, copy=True)
    output = model.from_features(features, given, train=True, rngs=nnx.Rngs(dropout=0))
    return output.class_logits, output.word_logits

  def loss(classes, named):
    return jax.nn.logsumexp(classes.astype(jnp.float32)) + jax.nn.logsumexp(named.astype(jnp.float32))

  def twice(params):
    return loss(logits(params, features, None)[0], logits(params, features, words)[1])

  def once(params):
    return loss(*logits(params, features, words))

  return compare(jax.value_and_grad(twice), jax.value_and_grad(once), (params,), scale)


def _optimizer_case(scale: Scale) -> tuple[Any, Any, Any, optax.GradientTransformation]:
  """Parameters and gradients of ResNet-18 (the tiny one in dry runs), and AdamW."""
  make = BACKBONES["resnet18" if scale.shrink == 1 else "resnet_tiny"]
  params = nnx.to_pure_dict(nnx.state(make(rngs=nnx.Rngs(0)), nnx.Param))
  grads = jax.tree.map(lambda p: p * 0.1 + 0.01, params)
  optimizer = optax.adamw(1e-3, weight_decay=0.05, mask=decay_mask)
  return params, grads, optimizer.init(params), optimizer


def _repeated(update: Callable[..., Any]) -> Callable[..., Any]:
  """STEPS updates in one program, whose kernels are too short to be started from the host one step at a time.

  update: of parameters, gradients and state to new parameters and state.
  """

  def run(params, grads, state):
    def body(step, carry):
      # As if each step had gradients of its own: else what depends on them alone is computed once, before the loop.
      grads_now, _ = lax.optimization_barrier((grads, step))
      return update(carry[0], grads_now, carry[1])

    return lax.fori_loop(0, STEPS, body, (params, state))

  return run


def _compare_updates(
  before: Callable[..., Any], after: Callable[..., Any], args: tuple, after_args: tuple, scale: Scale
) -> dict[str, Any]:
  """STEPS of each; equal by what is added to the parameters (args[0]), which themselves hardly change. All of it is float32."""

  def added(result):
    return jax.tree.map(jnp.subtract, result[0], args[0])

  pair = _repeated(before), _repeated(after)
  return compare(*pair, args, scale, (added, added), after_args, "float32") | {"updates_per_call": STEPS}


def flat_optimizer(scale: Scale) -> dict[str, Any]:
  """AdamW of ResNet-18's 62 arrays: array by array, or of one vector that holds them all. Decay everywhere, for a vector has no names."""
  params, grads, _, _ = _optimizer_case(scale)
  each = optax.adamw(1e-3, weight_decay=0.05)
  flat = optax.flatten(each)

  def update(optimizer):
    def run(params, grads, state):
      updates, state = optimizer.update(grads, state, params)
      return optax.apply_updates(params, updates), state

    return run

  states = (params, grads, each.init(params)), (params, grads, flat.init(params))
  return _compare_updates(update(each), update(flat), *states, scale)


def checked_gradient(scale: Scale) -> dict[str, Any]:
  """A step that is not finite changes nothing: decided by the norms of gradient and new parameters, or by the gradient's alone."""
  params, grads, state, optimizer = _optimizer_case(scale)

  def update(check_result: bool):
    def run(params, grads, state):
      updates, new_state = optimizer.update(grads, state, params)
      new = optax.apply_updates(params, updates)
      norms = [optax.tree.norm(grads), *([optax.tree.norm(new)] if check_result else [])]
      ok = jnp.isfinite(jnp.stack(norms)).all()
      return jax.tree.map(lambda a, b: jnp.where(ok, a, b), (new, new_state), (params, state))

    return run

  args = (params, grads, state)
  return _compare_updates(update(True), update(False), args, args, scale)


def grouped_norm(scale: Scale) -> dict[str, Any]:
  """ResNet's layer2 in training, statistics of each of two groups or of the whole batch."""
  side, frames = 28 // scale.shrink, max(scale.frames, 2)
  x = normal(0, frames, side, side, 128, dtype=scale.dtype)

  def layer(group: int | None):
    numerics = Numerics(jnp.dtype(scale.dtype), None, group, "auto")
    graph, params, stats = nnx.split(
      ConvBN(128, 128, (3, 3), (1, 1), rngs=nnx.Rngs(0), numerics=numerics), nnx.Param, nnx.BatchStat
    )
    return with_gradients(lambda params, x: nnx.merge(graph, params, stats, copy=True)(x, train=True)), params

  (whole, params), (groups, _) = layer(None), layer(frames // 2)
  return compare(whole, groups, (params, x), scale, shown=None)


def remat(scale: Scale) -> dict[str, Any]:
  """ResNet-18's gradient, each block's inside kept or recomputed; and the bytes that the compiled gradient needs."""
  name, side = ("resnet18", 112) if scale.shrink == 1 else ("resnet_tiny", 32)
  x = normal(0, scale.frames, side, side, 3, dtype=scale.dtype)

  def gradient(again: bool):
    model = BACKBONES[name](rngs=nnx.Rngs(0), dtype=jnp.dtype(scale.dtype), remat=again)
    graph, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)

    def loss(params, x):
      return jnp.square(nnx.merge(graph, params, stats, copy=True)(x, train=True).astype(jnp.float32)).sum()

    return jax.value_and_grad(loss), params

  (kept, params), (recomputed, _) = gradient(False), gradient(True)
  result = compare(kept, recomputed, (params, x), scale)
  sizes = [
    jax.jit(f).lower(params, x).compile().memory_analysis().temp_size_in_bytes for f in (kept, recomputed)
  ]
  return result | {"temporary_bytes": dict(zip(("before", "after"), sizes, strict=True))}


TRIALS = {
  "tokens_once": Trial(
    "one pass of the transformer for both of ResT's tasks instead of two",
    "1.5 to 1.8: 21 tokens instead of 17 + 21, less what is read once in both (85 M weights, their gradients' sum)",
    tokens_once,
  ),
  "flat_optimizer": Trial(
    "the optimizer's update of all parameters as one vector",
    "CPU 0.6: joining and cutting cost two more passes; GPU 1.0 to 1.5: fewer, larger kernels",
    flat_optimizer,
  ),
  "checked_gradient": Trial(
    "whether a step is finite told from its gradient alone, not also from the new parameters",
    "1.3: update and choice become one pass, where now the new values are written, read and written again",
    checked_gradient,
  ),
  "grouped_norm": Trial(
    "batch norm in groups, so that a device may hold more clips (results differ by design)",
    "1.0: as many passes, statistics of two groups instead of one",
    grouped_norm,
  ),
  "remat": Trial(
    "blocks recomputed in the backward pass",
    "0.75 (a fourth pass where there are three), for half of the memory or less",
    remat,
  ),
}
