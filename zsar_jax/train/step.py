"""The compiled training step: augment, gradient, update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float32, Int32

from zsar_jax.config import Config
from zsar_jax.methods.base import Clips, Phase
from zsar_jax.methods.frames import augment
from zsar_jax.train.sharding import batch_sharding, replicated
from zsar_jax.train.state import Stage, TrainState
from zsar_jax.types import ClipBatch


class Health(NamedTuple):
  """What the host looks at after every step."""

  ok: Bool[Array, ""]  # False: the step changed nothing
  loss: Float32[Array, ""]
  grad_norm: Float32[Array, ""]
  skipped: Int32[Array, ""]  # steps left out so far, this one included


Step = Callable[[TrainState, ClipBatch], tuple[TrainState, dict[str, Array], Health]]


def make_train_step(config: Config, graphdef: Any, stage: Stage, mesh: Mesh) -> Step:
  """jit(state, batch) -> (state, metrics, health). The state is donated; the batch is split over the mesh.

  All randomness follows from (seed, step), so a resumed run draws what an uninterrupted one would.

  A step whose loss, gradient or result is not finite changes no parameter, statistic or moment. `safety.skip_nonfinite` of them are
  counted and passed over; after one more the state stands still, so that steps under way when the host hears of it do nothing.
  Metrics hold `steps`: 1, or 0 (and nothing else) of a step that was left out.
  """
  gradients = _accumulated(_gradients(config, graphdef, stage.phase), config.train.accumulate)
  budget = config.safety.skip_nonfinite

  def step(state: TrainState, batch: ClipBatch) -> tuple[TrainState, dict[str, Array], Health]:
    key = jax.random.fold_in(jax.random.key(config.seed), state.step)
    grads, batch_stats, metrics = gradients(state.params, state.batch_stats, batch, key)
    with jax.named_scope("optimizer"):
      updates, opt_state = stage.optimizer.update(grads, state.opt_state, state.params)
      params = optax.apply_updates(state.params, updates)
      metrics["grad_norm"] = optax.tree.norm(grads)
      seen = (metrics["loss"], metrics["grad_norm"], optax.tree.norm(params), optax.tree.norm(batch_stats))
      finite = jnp.isfinite(jnp.stack(seen)).all()
    ok = finite & (state.skipped <= budget)
    skipped = state.skipped + ~finite
    new = TrainState(state.step + 1, params, batch_stats, opt_state, skipped)
    passed_over = state._replace(step=state.step + (skipped <= budget), skipped=skipped)
    health = Health(ok, metrics["loss"], metrics["grad_norm"], skipped)
    counted = {name: jnp.where(ok, value, 0) for name, value in {**metrics, "steps": 1.0}.items()}
    with jax.named_scope("optimizer"):
      return jax.tree.map(lambda new, old: jnp.where(ok, new, old), new, passed_over), counted, health

  whole = replicated(mesh)
  return jax.jit(
    step, in_shardings=(whole, batch_sharding(mesh)), out_shardings=(whole, whole, whole), donate_argnums=0
  )


def _gradients(
  config: Config, graphdef: Any, phase: Phase
) -> Callable[..., tuple[Any, Any, dict[str, Array]]]:
  dtype = jnp.dtype(config.model.dtype)

  def gradients(params, batch_stats, batch: Any, key):
    augment_key, dropout_key, words_key = jax.random.split(key, 3)
    frames = augment(augment_key, batch.frames, config.data, dtype)
    clips = Clips(frames, batch.label, batch.words, batch.mask)

    def loss_of(params):
      model = nnx.merge(graphdef, params, batch_stats, copy=True)
      with jax.named_scope("loss"):
        loss, metrics = phase.loss(model, clips, nnx.Rngs(dropout=dropout_key, words=words_key))
      return loss, (nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)), metrics)

    (loss, (new_stats, metrics)), grads = jax.value_and_grad(loss_of, has_aux=True)(params)
    return grads, new_stats, {"loss": loss, **metrics}

  return gradients


def _accumulated(gradients: Callable, parts: int) -> Callable:
  """Means over `parts` micro-batches; row i of the batch goes to micro-batch i % parts, so that each device
  keeps its rows. Running statistics pass from one micro-batch to the next."""
  if parts == 1:
    return gradients

  def accumulated(params, batch_stats, batch: ClipBatch, key):
    split = jax.tree.map(lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch)

    def body(carry, part):
      stats, total = carry
      micro, micro_key = part
      grads, stats, metrics = gradients(params, stats, micro, micro_key)
      return (stats, jax.tree.map(jnp.add, total, grads)), metrics

    zeros = jax.tree.map(jnp.zeros_like, params)
    (stats, total), metrics = jax.lax.scan(body, (batch_stats, zeros), (split, jax.random.split(key, parts)))
    grads = jax.tree.map(lambda g: g / parts, total)
    return grads, stats, jax.tree.map(lambda m: m.mean(0), metrics)

  return accumulated
