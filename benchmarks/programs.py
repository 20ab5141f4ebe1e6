"""A config's training step and embedding as programs: traced from shapes alone, or ready to be called with random bytes."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh

from zsar_jax import config as configs
from zsar_jax.accounting import Subject, find_classes, make_subject
from zsar_jax.methods.backbone import frames_shape
from zsar_jax.methods.frames import normalize
from zsar_jax.models.flops import Work, count
from zsar_jax.train.apply import make_apply
from zsar_jax.train.sharding import place_batch, place_everywhere
from zsar_jax.train.state import Network, init_state, make_network, make_stages
from zsar_jax.train.step import make_train_step
from zsar_jax.types import ClipBatch

ROOT = pathlib.Path(__file__).parent.parent


class Program(NamedTuple):
  """The main phase of a config on one mesh, the batch one BatchNorm group."""

  subject: Subject
  mesh: Mesh

  @property
  def batch_size(self) -> int:
    return self.subject.config.train.batch_size

  def train_step(self) -> tuple[Callable[..., Any], Any, ClipBatch]:
    """(the compiled step, its state, its batch); state and batch are shapes without values."""
    step, stage = self._step(self.subject.network)
    params, stats = self.subject.network.params, self.subject.network.batch_stats
    state = jax.eval_shape(
      lambda p, s: init_state(Network(self.subject.network.graphdef, p, s), stage), params, stats
    )
    return step, state, self._batch()

  def embedding(self) -> tuple[Callable[..., Any], Any, Any, Any]:
    """(the compiled forward pass, parameters, running statistics, frames), as shapes without values."""
    network = self.subject.network
    frames = frames_shape(self.subject.config, self.batch_size, 1)
    return self._embed(), network.params, network.batch_stats, frames

  def callable(self) -> dict[str, Callable[[], None]]:
    """{"train": one step, "embed": one batch}, on random bytes that lie on the devices; returns when all is computed."""
    network = make_network(self.subject.method, 0)
    step, stage = self._step(network)
    state = place_everywhere(self.mesh, init_state(network, stage))
    batch = place_batch(self.mesh, self._random_batch())
    apply = self._embed()

    def train() -> None:
      nonlocal state
      state, metrics, _ = step(state, batch)
      jax.block_until_ready((state, metrics))

    def embed() -> None:
      apply(state.params, state.batch_stats, batch.frames).block_until_ready()

    return {"train": train, "embed": embed}

  def _step(self, network: Network) -> tuple[Any, Any]:
    config = self.subject.config
    stage = make_stages(config, self.subject.method, network.params, 1000 * self.batch_size)[-1]
    return make_train_step(config, network.graphdef, stage, self.mesh), stage

  def _embed(self) -> Any:
    config, method = self.subject.config, self.subject.method
    dtype = jnp.dtype(config.model.dtype)
    return make_apply(
      self.subject.network.graphdef,
      self.mesh,
      lambda model, frames: method.embed(model, normalize(frames, config.data, dtype)),
    )

  def _batch(self) -> ClipBatch:
    clips = self.subject.batch(self.batch_size)._asdict()
    return ClipBatch(**{name: clips.get(name, clips["label"]) for name in ClipBatch._fields})

  def _random_batch(self) -> ClipBatch:
    random, shapes = np.random.default_rng(0), self._batch()
    frames = random.integers(0, 256, shapes.frames.shape, np.uint8)
    label = np.zeros(self.batch_size, np.int32)
    words = np.full(shapes.words.shape, 2, np.int32)
    return ClipBatch(frames, label, words, np.ones(self.batch_size, bool), label)


def config_file(name: str) -> str:
  """The file below `configs/` of a case of model_cases.py: "rest_encoder:vgg16" is "rest_encoder.py:vgg16"."""
  file, colon, variant = name.partition(":")
  return f"{file}.py{colon}{variant}"


def program(
  config: str, batch_size: int, num_classes: int, overrides: Mapping[str, str] | None = None, devices: int = 1
) -> Program:
  """Of `configs/CONFIG`, e.g. "demo.py:e2e", with made-up classes of four words, on the first `devices` devices.

  Args:
    config: file and variant below `configs/`.
    batch_size: clips of all devices together.
    num_classes: seen classes.
    overrides: further keys of the config.
    devices: how many.
  """
  keys = {"model.bn_group_size": "0", "train.batch_size": str(batch_size), "model.init_from": ""}
  loaded = configs.load(f"{ROOT}/configs/{config}", keys | dict(overrides or {}))
  seen = find_classes(loaded, num_classes, 2 * num_classes, 4).seen
  mesh = Mesh(np.array(jax.devices()[:devices]), ("data",), axis_types=(AxisType.Auto,))
  return Program(make_subject(loaded, seen), mesh)


def work_of(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Work:
  """What the products of a compiled function do, counted from its jaxpr: of training, the gradient as it is written here."""
  return count(function.trace(*arguments).jaxpr.jaxpr)  # type: ignore[attr-defined]


def work_of_train(made: Program) -> Work:
  step, *arguments = made.train_step()
  return work_of(step, tuple(arguments))


def work_of_embed(made: Program) -> Work:
  apply, *arguments = made.embedding()
  return work_of(apply, tuple(arguments))
