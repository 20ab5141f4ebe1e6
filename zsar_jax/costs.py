"""What one device computes, keeps and hands to the others in a training step, worked out from shapes alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import Literal

from zsar_jax.accounting import (
  Batch,
  Classes,
  Subject,
  embedding_work,
  make_subject,
  native_of,
  num_bytes,
  one_clip,
  reference_of,
  training_work,
)
from zsar_jax.config import Config
from zsar_jax.errors import InputError
from zsar_jax.methods.backbone import cannot_build
from zsar_jax.models.flops import Traced, Work
from zsar_jax.train.state import Network, make_stages

NUM_VIDEOS = 100_000  # sets the length of a learning-rate schedule alone, never a shape
SAME_VALUE = ("convert_element_type", "copy", "reshape", "transpose")  # may follow a sum over devices
INLINE = ("jit", "pjit", "checkpoint", "remat2", "closed_call", "custom_jvp_call")


class Gradient(NamedTuple):
  """Of the main phase's loss, by one device."""

  residual_bytes: int  # kept for the backward pass, beside parameters and input
  num_bytes: int  # of what is computed of it, in the types that it is computed in
  statistics_bytes: int  # of the running statistics that the step moves
  num_metrics: int  # scalars: means over the batch, the loss included


class Costs(NamedTuple):
  """Of a config on one device. `reference` and `clip` are of the reference formulation, one clip at a time."""

  reference: Network
  clip: Work
  traced: Traced
  embedding: Batch
  training: Batch
  gradient: Gradient
  memory: dict[str, int]

  @property
  def num_batch_norms(self) -> int:
    return sum(layer.batch_stats > 0 for layer in self.traced.layers)


def costs_of(config: Config, classes: Classes, num_devices: int = 1) -> Costs:
  """Of one of so many devices, among which `train.batch_size` is divided.

  Raises:
    InputError: the model cannot be built.
  """
  clips = config.train.batch_size // num_devices // config.train.accumulate
  try:
    reference, trained = (make_subject(c, classes.seen) for c in (reference_of(config), native_of(config)))
    clip, traced = one_clip(reference)
    embedding = embedding_work(reference, num_devices)
    training = training_work(reference, config, clips)
    gradient = trace_gradient(trained, clips)
  except InputError:
    raise
  except ValueError as error:
    raise cannot_build(config, error) from error
  memory = _memory(trained, gradient, clips, num_devices)
  return Costs(reference.network, clip, traced, embedding, training, gradient, memory)


def step_memory(config: Config, classes: Classes, num_devices: int = 1) -> int:
  """Bytes of one of so many devices in a training step: the `total` of `Costs.memory`, an upper estimate, alone."""
  clips = config.train.batch_size // num_devices // config.train.accumulate
  trained = make_subject(native_of(config), classes.seen)
  return _memory(trained, trace_gradient(trained, clips), clips, num_devices)["total"]


def trace_gradient(subject: Subject, num_clips: int) -> Gradient:
  """Of so many clips at once; nothing is computed."""
  counts: list[int] = []

  def run(params, batch_stats, batch):
    def loss_of(params):
      model = subject.model(params, batch_stats)
      loss, metrics = subject.loss(model, batch)
      counts.append(1 + len(metrics))
      return loss, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

    loss, backward, stats = jax.vjp(loss_of, params, has_aux=True)
    residuals, gradients = jax.tree.leaves(backward), jax.tree.leaves(backward(jnp.ones_like(loss)))
    counts.extend((len(residuals), len(gradients)))
    return residuals, gradients, jax.tree.leaves(stats)

  network = subject.network
  jaxpr = jax.make_jaxpr(run)(network.params, network.batch_stats, subject.batch(num_clips)).jaxpr
  num_metrics, num_residuals, num_gradients = counts
  outputs, given = list(jaxpr.outvars), {*jaxpr.invars, *jaxpr.constvars}
  residuals, gradients = outputs[:num_residuals], outputs[num_residuals : num_residuals + num_gradients]
  stats = [v for v in outputs[num_residuals + num_gradients :] if v not in given]
  kept = {v for v in residuals if not isinstance(v, Literal)} - given
  sizes = [_computed_bytes(jaxpr, v) for v in gradients]
  return Gradient(
    num_bytes([v.aval for v in kept]), sum(sizes), num_bytes([v.aval for v in stats]), num_metrics
  )


def _computed_bytes(jaxpr: Any, var: Any) -> int:
  """Bytes of an output in the type that it is computed in, before casts: as such it is added up over devices. Constants have none."""
  makers = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars}
  while not isinstance(var, Literal):
    eqn = makers.get(var)
    if eqn is None:
      return num_bytes([var.aval])
    name = eqn.primitive.name
    if name in INLINE:
      inner = eqn.params["call_jaxpr" if "call_jaxpr" in eqn.params else "jaxpr"]
      inner = getattr(inner, "jaxpr", inner)
      return _computed_bytes(inner, inner.outvars[eqn.outvars.index(var)])
    if name not in (*SAME_VALUE, "broadcast_in_dim") or (
      name == "broadcast_in_dim" and not _is_constant(eqn)
    ):
      return num_bytes([var.aval])
    var = eqn.invars[0]
  return 0


def _is_constant(eqn: Any) -> bool:
  return isinstance(eqn.invars[0], Literal)


def _memory(subject: Subject, gradient: Gradient, num_clips: int, num_devices: int) -> dict[str, int]:
  """Bytes on one device while it trains on `num_clips` at once."""
  config, network = subject.config, subject.network
  joint = make_stages(config, subject.method, network.params, NUM_VIDEOS)[-1]
  parameters, accumulate = num_bytes(network.params), config.train.accumulate
  sizes: Mapping[str, int] = {
    "parameters": parameters,
    "gradients": parameters * (2 if accumulate > 1 else 1),  # a micro-batch's, and their sum
    "optimizer": num_bytes(jax.eval_shape(joint.optimizer.init, network.params)),
    "batch_statistics": num_bytes(network.batch_stats),
    "activations": gradient.residual_bytes,
    "input": num_bytes(subject.batch(num_clips * accumulate)),
  }
  batch = {"batch_size": config.train.batch_size, "devices": num_devices, "clips": num_clips}
  return {**batch, **sizes, "total": sum(sizes.values())}
