"""The weights a run starts from: a folder of converted weights, an exported model, or another run (`model.init_from`)."""

import pathlib
from collections.abc import Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from zsar_jax.errors import InputError, raise_all
from zsar_jax.models.weights_dir import flat, is_run, is_weights, load, read_classes, read_exported, read_run
from zsar_jax.saved.bundles import is_bundle
from zsar_jax.train.state import Network


class Source(NamedTuple):
  """Weights by top-level part of a model."""

  path: pathlib.Path
  arch: str  # key of BACKBONES
  params: dict[str, Any]
  batch_stats: dict[str, Any]
  classes: tuple[str, ...] | None  # that they were trained on; None: unknown
  vectors: str | None  # the word vectors of the run it is from; None: no run
  rest: tuple[str, ...]  # what a converted file held beside the backbone, with shapes


class Started(NamedTuple):
  """A network with borrowed weights, and what was not taken or not found, in words."""

  network: Network
  taken: dict[str, int]  # parameters by part
  left_out: tuple[str, ...]  # of the source
  fresh: tuple[str, ...]  # of the model


def read_source(path: pathlib.Path, arch: str) -> Source:
  """Reads a folder that `zsar_jax.models.weights` or `zsar_jax.export` wrote, or the newest checkpoint of a run's workdir.

  Raises:
    InputError: it is neither, cannot be read, or holds another backbone than `arch`.
  """
  source = _read(path)
  if source.arch != arch:
    raise InputError(
      f"'model.init_from' {path} holds {source.arch}, but 'model.backbone' is {arch}: make them the same"
    )
  return source


def _read(path: pathlib.Path) -> Source:
  if is_weights(path):
    weights = load(path)
    rest = tuple(f"{name} {tuple(array.shape)}" for name, array in weights.rest.items()
                 if not name.endswith("num_batches_tracked"))  # fmt: skip
    params, batch_stats = {"backbone": weights.params}, {"backbone": weights.batch_stats}
    return Source(path, weights.arch, params, batch_stats, weights.classes, None, rest)
  if is_run(path):
    state = read_run(path)
    return Source(path, state.arch, state.params, state.batch_stats, read_classes(path), state.vectors, ())
  if is_bundle(path):
    exported, classes = read_exported(path)
    return Source(path, exported.arch, exported.params, exported.batch_stats, classes, exported.vectors, ())
  raise InputError(
    f"'model.init_from' {path} holds neither weights (python -m zsar_jax.models.weights --from FILE --to {path}) nor the "
    "checkpoints of a run nor an exported model"
  )


def start_from(network: Network, source: Source, own_parts: Collection[str]) -> Started:
  """The network with every array that the source has too; the backbone must fit whole.

  `own_parts` are the model's parts that mean something for its own classes or word vectors alone: they stay fresh.

  Raises:
    InputError: arrays of the source's backbone do not fit, all of them listed.
  """
  wanted = flat({"params": network.params, "batch_stats": network.batch_stats})
  given = flat({"params": source.params, "batch_stats": source.batch_stats})
  raise_all(
    _misfits(wanted, given), f"the backbone of 'model.init_from' {source.path} does not fit {source.arch}:"
  )
  taken = {name for name, leaf in given.items() if name in wanted and wanted[name].shape == leaf.shape
           and _part(name) not in own_parts}  # fmt: skip
  leaves = [jnp.asarray(given[name], leaf.dtype) if name in taken else leaf for name, leaf in wanted.items()]
  structure = jax.tree.structure({"params": network.params, "batch_stats": network.batch_stats})
  filled = jax.tree.unflatten(structure, leaves)
  left = [f"{_in_model(name)} {tuple(leaf.shape)}" for name, leaf in given.items() if name not in taken]
  fresh = [f"{_in_model(name)} {tuple(leaf.shape)}" for name, leaf in wanted.items() if name not in taken]
  counts: dict[str, int] = {}
  for name in sorted(taken):
    if name.startswith("params/"):
      counts[_part(name)] = counts.get(_part(name), 0) + wanted[name].size
  loaded = network._replace(params=filled["params"], batch_stats=filled["batch_stats"])
  return Started(loaded, counts, (*source.rest, *left), tuple(fresh))


def _misfits(wanted: dict[str, Any], given: dict[str, Any]) -> list[str]:
  problems = []
  for name, leaf in wanted.items():
    if _part(name) != "backbone":
      continue
    if name not in given:
      problems.append(f"missing {_in_model(name)} {tuple(leaf.shape)}")
    elif given[name].shape != leaf.shape:
      problems.append(f"{_in_model(name)} has shape {tuple(given[name].shape)}, expected {tuple(leaf.shape)}")
  extra = [name for name in given if name not in wanted and _part(name) == "backbone"]
  return problems + [f"unexpected {_in_model(name)} {tuple(given[name].shape)}" for name in extra]


def _part(name: str) -> str:
  return name.split("/")[1]


def _in_model(name: str) -> str:
  return name.partition("/")[2]
