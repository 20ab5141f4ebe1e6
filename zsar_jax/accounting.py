"""What a config's model is and costs, worked out from shapes alone: nothing is initialised or compiled."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from zsar_jax.classes.vocabulary import word_table
from zsar_jax.config import Config
from zsar_jax.errors import InputError
from zsar_jax.methods import make_method
from zsar_jax.methods.backbone import frames_shape
from zsar_jax.methods.base import Clips, Method
from zsar_jax.methods.frames import augment, normalize
from zsar_jax.models.flops import Traced, Work, count, trace_layers
from zsar_jax.train.sharding import round_up
from zsar_jax.train.state import Network
from zsar_jax.types import ClassSet

# Kinetics-700 less the classes of UCF101 and HMDB51, where the data are not at hand.
NUM_CLASSES, VOCABULARY, MAX_WORDS, SEMANTIC_WIDTH = 664, 1000, 4, 300


class Classes(NamedTuple):
  """The seen classes that a model is built for."""

  seen: ClassSet
  assumed: bool


class Subject(NamedTuple):
  """A config's network as shapes without values."""

  config: Config
  method: Method
  network: Network

  @property
  def max_words(self) -> int:
    return word_table(self.method.seen.words).shape[1]

  def model(self, params: Any, batch_stats: Any) -> nnx.Module:
    return nnx.merge(self.network.graphdef, params, batch_stats, copy=True)

  def forward(self, model: Any, batch: Clips, train: bool) -> Any:
    """The model's pass over a training batch. Its products are the same whichever words are masked, and in evaluation mode."""
    frames, rngs = self._augmented(batch.frames), self._rngs()
    if self.config.method == "e2e":
      return model(frames, train=train, rngs=rngs)
    return model(frames[:, 0], batch.words, train=train, rngs=rngs)

  def encode(self, model: Any, frames: Any) -> Any:
    """The encoder alone, over the frames of a training batch."""
    frames = self._augmented(frames)
    if self.config.method == "e2e":
      return model.clip_features(frames, train=False)
    return model.frame_features(frames[:, 0], train=False)

  def loss(self, model: Any, batch: Clips) -> tuple[Array, dict[str, Array]]:
    """The loss of the main phase and its metrics, from frames as they cross to the device, as the training step takes them."""
    return self.method.loss(model, batch._replace(frames=self._augmented(batch.frames)), self._rngs())

  def embed(self, model: Any, frames: Any) -> Array:
    return self.method.embed(model, normalize(frames, self.config.data, jnp.dtype(self.config.model.dtype)))

  def _augmented(self, frames: Any) -> Array:
    return augment(jax.random.key(0), frames, self.config.data, jnp.dtype(self.config.model.dtype))

  def _rngs(self) -> nnx.Rngs:
    return nnx.Rngs(dropout=jax.random.key(1), words=jax.random.key(2))

  def batch(self, num_videos: int) -> Clips:
    """A training batch."""
    label = jax.ShapeDtypeStruct((num_videos,), jnp.int32)
    words = jax.ShapeDtypeStruct((num_videos, self.max_words), jnp.int32)
    mask = jax.ShapeDtypeStruct((num_videos,), jnp.bool_)
    return Clips(frames_shape(self.config, num_videos, 1), label, words, mask)  # type: ignore[arg-type]


def find_classes(
  config: Config, num_classes: int | None = None, num_words: int | None = None, max_words: int | None = None
) -> Classes:
  """The seen classes of the config's data where they are on disk, with word vectors, and no number is given; else made-up ones.

  Raises:
    InputError: the data on disk are damaged, or so many words do not fit into so many classes.
  """
  if num_classes is num_words is max_words is None:
    seen = _classes_on_disk(config)
    if seen is not None:
      return Classes(seen, assumed=False)
  num_classes, max_words = num_classes or NUM_CLASSES, max_words or MAX_WORDS
  num_words = num_words or min(VOCABULARY, num_classes * max_words)
  return Classes(_made_up(num_classes, num_words, max_words), assumed=True)


def _classes_on_disk(config: Config) -> ClassSet | None:
  """None where a data set or the word vectors are missing. Makes nothing."""
  from zsar_jax.classes.vectors import check_spec
  from zsar_jax.data import storage
  from zsar_jax.data.datasets import open_corpus
  from zsar_jax.data.generated import NAMES as GENERATED
  from zsar_jax.data.generated import generated_path
  from zsar_jax.data.references import parse_reference

  data = config.data
  names = {parse_reference(text).name for text in (data.seen, *data.unseen, data.seen_test) if text}
  folders = [str(generated_path(config, n)) if n in GENERATED else storage.join(data.dir, n) for n in names]
  if any(storage.file_size(storage.join(folder, "index", "index.json")) is None for folder in folders):
    return None
  try:
    check_spec(config.vectors)
  except InputError:
    return None
  return open_corpus(config, say=lambda _: None).seen


def _made_up(num_classes: int, num_words: int, max_words: int) -> ClassSet:
  """Classes of `max_words` words each, which use all of the vocabulary."""
  if not max_words <= num_words <= num_classes * max_words:
    raise InputError(
      f"{num_classes} classes of {max_words} words cannot use {num_words} distinct ones, expected "
      f"{max_words} to {num_classes * max_words}; change --num_classes, --max_words or --vocabulary"
    )
  words = tuple(
    tuple(f"word{(k * max_words + i) % num_words}" for i in range(max_words)) for k in range(num_classes)
  )
  names = tuple(f"class {k}" for k in range(num_classes))
  return ClassSet(names, words, np.zeros((num_classes, SEMANTIC_WIDTH), np.float32))


def count_forward(config: Config, classes: Classes) -> tuple[Work, Traced]:
  """One clip's forward pass alone: `gflops_per_clip` and `gflops_by_formula` are its `multiply_adds` and those of its layers."""
  return one_clip(make_subject(reference_of(config), classes.seen))


class Batch(NamedTuple):
  """What one device does for so many clips."""

  work: Work
  clips: int


def reference_of(config: Config) -> Config:
  """The same products, each written once: nothing recomputed, nothing frozen, one BatchNorm group, no dropout."""
  model = dataclasses.replace(config.model, bn_group_size=0, remat=False, freeze_backbone=False, dropout=0.0)
  return native_of(dataclasses.replace(config, model=model))


def native_of(config: Config) -> Config:
  model = dataclasses.replace(config.model, conv_impl="native", init_from="")
  return dataclasses.replace(config, model=model)


def make_subject(config: Config, seen: ClassSet) -> Subject:
  method = make_method(config, seen)
  model = nnx.eval_shape(lambda: method.init_model(config.seed))
  params, batch_stats = (nnx.to_pure_dict(nnx.state(model, kind)) for kind in (nnx.Param, nnx.BatchStat))
  return Subject(config, method, Network(nnx.graphdef(model), params, batch_stats))


def one_clip(subject: Subject) -> tuple[Work, Traced]:
  """One clip's forward pass: what its jaxpr does, and its layers."""
  found: list[Traced] = []

  def run(params, batch_stats, batch):
    model = subject.model(params, batch_stats)
    found.append(trace_layers(model, lambda: subject.forward(model, batch, train=True)))
    return found[-1].output

  jaxpr = _jaxpr(subject, run, subject.batch(1))
  return count(jaxpr), found[-1]


def training_work(subject: Subject, config: Config, num_clips: int) -> Batch:
  """Of a training step over so many clips: a forward pass and twice as much for the gradient; with remat one more forward pass.

  Through a frozen encoder no gradient passes. `subject` is the reference formulation of `config`.
  """
  batch, passes = subject.batch(num_clips), 4 if config.model.remat else 3
  forward = count(
    _jaxpr(subject, lambda p, s, batch: subject.forward(subject.model(p, s), batch, train=False), batch)
  )
  if not config.model.freeze_backbone:
    return Batch(forward.times(passes), num_clips)
  encoder = count(
    _jaxpr(subject, lambda p, s, frames: subject.encode(subject.model(p, s), frames), batch.frames)
  )
  return Batch((forward - encoder).times(passes) + encoder, num_clips)


def embedding_work(subject: Subject, num_devices: int) -> Batch:
  """Of an evaluation batch on one device."""
  evaluation = subject.config.eval
  num_videos = round_up(evaluation.batch_size, num_devices) // num_devices
  frames = frames_shape(subject.config, num_videos, evaluation.num_clips)
  jaxpr = _jaxpr(subject, lambda p, s, frames: subject.embed(subject.model(p, s), frames), frames)
  return Batch(count(jaxpr), num_videos * evaluation.num_clips)


def _jaxpr(subject: Subject, function: Callable[..., Any], inputs: Any) -> Any:
  return jax.make_jaxpr(function)(subject.network.params, subject.network.batch_stats, inputs).jaxpr


def num_elements(tree: Any) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def num_bytes(tree: Any) -> int:
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
