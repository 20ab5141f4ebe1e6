"""Weights on disk in our layout: `weights.json` and an Orbax checkpoint beside it; and the backbone of a run's checkpoint."""

import functools
import hashlib
import json
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx

from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.files import is_file, is_folder, json_digest, parse_json, write_text
from zsar_jax.models import BACKBONES
from zsar_jax.models.backbone import Backbone
from zsar_jax.saved.arrays import read_npz
from zsar_jax.saved.bundles import CLASSES as BUNDLE_CLASSES
from zsar_jax.saved.bundles import FACTS as BUNDLE_FACTS
from zsar_jax.saved.bundles import PARAMETERS
from zsar_jax.saved.folders import (
  clean_beside,
  hash_problems,
  hashes,
  sums_problems,
  swap_in,
  temporary_beside,
)
from zsar_jax.saved.manifest import ARRAYS as STATE
from zsar_jax.saved.manifest import byte_problems
from zsar_jax.saved.steps import FOLDER, step_folders

FACTS, ARRAYS, CLASSES = "weights.json", "arrays", "classes.json"
_FORMAT = 1


class Weights(NamedTuple):
  """A backbone's weights, arrays of numpy. `rest` is what of a torch file the backbone has no place for, such as its classifier."""

  arch: str  # key of BACKBONES
  params: dict[Any, Any]  # as `nnx.to_pure_dict(nnx.state(model, nnx.Param))`, float32
  batch_stats: dict[Any, Any]  # likewise of nnx.BatchStat
  rest: dict[str, np.ndarray]  # torch's names and layout
  classes: tuple[str, ...] | None  # that they were trained on; None: unknown
  origin: dict[str, str]  # file and sha256 of what was converted, or run and step


def abstract_backbone(arch: str) -> Backbone:
  """The backbone without arrays. Raises InputError where `arch` is none that can have weights."""
  known = [name for name in BACKBONES if name != "features"]
  if arch not in known:
    raise InputError(
      f"arch {arch!r} is no backbone with weights{did_you_mean(arch, known)}; known: {', '.join(known)}"
    )
  return _abstract(arch)


@functools.cache
def _abstract(arch: str) -> Backbone:
  return nnx.eval_shape(lambda: BACKBONES[arch](rngs=nnx.Rngs(0)))


def is_weights(directory: pathlib.Path) -> bool:
  """Whether `save` wrote `directory`, whole or not."""
  return is_file(directory / FACTS)


def is_run(directory: pathlib.Path) -> bool:
  """Whether `directory` is the workdir of a run."""
  return is_file(directory / "config.json") and is_folder(directory / FOLDER)


def check_savable(directory: pathlib.Path) -> None:
  """Raises InputError where `save` would destroy something that is not weights."""
  if is_file(directory):
    raise InputError(
      f"{directory} is a file, expected a directory to write or a name that ends in .safetensors"
    )
  if is_folder(directory) and any(directory.iterdir()) and not is_weights(directory):
    raise InputError(f"{directory} holds other things than weights; give a new or empty directory")


def save(weights: Weights, directory: pathlib.Path) -> None:
  """Writes all of it under a temporary name beside `directory`, then renames; weights that were there are replaced.

  Raises:
    InputError: `directory` holds other things, or cannot be written.
  """
  check_savable(directory)
  directory = directory.absolute()
  temporary = temporary_beside(directory)
  try:
    clean_beside(directory)
    temporary.mkdir(parents=True)
    _write(weights, temporary)
    swap_in(temporary, directory)
  except (OSError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    raise InputError(f"{directory} cannot be written: {reason}; give another place") from error
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def load(directory: pathlib.Path) -> Weights:
  """What `save` wrote, verified: Orbax itself restores flipped bytes without complaint.

  Raises:
    InputError: `directory` is no weights directory, a file of it is missing or was changed, or the arrays do not fit the backbone.
  """
  facts = _read_facts(directory)
  template = _template(facts["arch"])
  _check_files(directory, facts["files"])
  try:
    with ocp.StandardCheckpointer() as checkpointer:
      tree = checkpointer.restore((directory / ARRAYS).absolute())
  except Exception as error:  # whatever Orbax makes of it
    raise InputError(f"{directory / ARRAYS} cannot be restored: {_first_line(error)}; convert the weights again") from error  # fmt: skip
  if _digest(tree) != facts["sha256"]:
    raise InputError(
      f"{directory / ARRAYS} holds other values than {FACTS} says (SHA-256); convert the weights again"
    )
  params, batch_stats = _fitted(tree, template, directory, facts["arch"])
  classes = None if facts["classes"] is None else tuple(facts["classes"])
  return Weights(facts["arch"], params, batch_stats, dict(tree.get("rest", {})), classes, facts["origin"])


class RunState(NamedTuple):
  """The model of a run's checkpoint, by its top-level parts; arrays of numpy under the names they were saved by."""

  arch: str
  params: dict[str, Any]
  batch_stats: dict[str, Any]
  step: int
  vectors: str  # the word vectors that its config names


def read_run(workdir: pathlib.Path) -> RunState:
  """The whole model of a run's newest step of which no byte differs from its manifest, without its optimizer.

  Raises:
    InputError: `workdir` is no run of ours, has no readable step, or its values are not finite.
  """
  (arch, vectors), failures = _config_of_run(workdir), []
  for step, folder in reversed(step_folders(workdir / FOLDER).items()):
    problems = byte_problems(folder)
    if problems:
      failures.append(f"step {step}: {'; '.join(problems)}")
      continue
    try:
      tree = _restore_model(folder / STATE)
    except Exception as error:  # whatever Orbax makes of it
      failures.append(f"step {step}: {_first_line(error)}")
      continue
    _check_finite(tree, workdir, step)
    return RunState(arch, tree["params"], tree["batch_stats"], step, vectors)
  raise InputError(
    "\n  - ".join([f"{workdir / FOLDER} holds no step that can be read; train first", *failures])
  )


def read_exported(folder: pathlib.Path) -> tuple[RunState, tuple[str, ...] | None]:
  """The whole model of a bundle (see `zsar_jax.export`), and the classes that it was trained on; None where these are unknown.

  Raises:
    InputError: files of it are missing or were changed (SHA-256), or cannot be read.
  """
  again = "export the model again, or fetch the folder anew"
  raise_all(sums_problems(folder), f"the exported model {folder} is not as it was written; {again}:")
  arch, vectors = _config_of_run(folder)
  try:
    facts = parse_json((folder / BUNDLE_FACTS).read_text(encoding="utf-8"))
    step, known = int(facts["step"]), bool(facts["pretrained_known"])
    names = tuple(dict.fromkeys(map(str, read_npz(folder / BUNDLE_CLASSES)["known_names"])))
    tree = _restore_model(folder / PARAMETERS)
  except Exception as error:  # whatever Orbax and NumPy make of it
    raise InputError(f"the exported model {folder} cannot be read ({_first_line(error)}); {again}") from error
  _check_finite(tree, folder, step)
  return RunState(arch, tree["params"], tree["batch_stats"], step, vectors), names if known else None


def load_run(workdir: pathlib.Path) -> Weights:
  """The backbone of a run's newest step that can be read; `rest` stays empty.

  Raises:
    InputError: as `read_run`, or the backbone does not fit the run's config.
  """
  return _backbone_of(read_run(workdir), read_classes(workdir), workdir)


def load_exported(folder: pathlib.Path) -> Weights:
  """The backbone of a bundle; `rest` stays empty.

  Raises:
    InputError: as `read_exported`, or the backbone does not fit the bundle's config.
  """
  return _backbone_of(*read_exported(folder), folder)


def _backbone_of(state: RunState, classes: tuple[str, ...] | None, place: pathlib.Path) -> Weights:
  tree = {"params": state.params["backbone"], "batch_stats": state.batch_stats.get("backbone", {})}
  params, batch_stats = _fitted(tree, _template(state.arch), place, state.arch)
  origin = {"run": place.absolute().name, "step": str(state.step)}
  return Weights(state.arch, params, batch_stats, {}, classes, origin)


def write_class_file(workdir: pathlib.Path, seen: tuple[str, ...], pretrained: dict[str, Any] | None) -> None:
  """`classes.json` of a run: its seen classes, and what its weights were before: {"from", "classes" (None: unknown)}, or None."""
  known = json.loads(json.dumps({"seen": seen, "pretrained": pretrained}))
  text = json.dumps(known | {"sha256": json_digest(known)}, indent=1, ensure_ascii=False)
  write_text(workdir / CLASSES, text + "\n")


def read_class_file(workdir: pathlib.Path) -> dict[str, Any] | None:
  """What `write_class_file` wrote; None where there is no such file.

  Raises:
    InputError: it is damaged. A run that took it for missing would forget classes that its weights have seen.
  """
  path = workdir / CLASSES
  damaged = (
    f"{path} is damaged (%s), so the classes that the weights have seen are not known; put it back, or remove it to call them "
    "unknown"
  )
  try:
    known = parse_json(path.read_text(encoding="utf-8"))
  except FileNotFoundError:
    return None
  except (OSError, ValueError) as error:
    raise InputError(damaged % error) from error
  if (
    not isinstance(known, dict)
    or set(known) - {"sha256"} != {"seen", "pretrained"}
    or not _are_names(known["seen"])
  ):
    raise InputError(damaged % "no list of seen classes")
  before = known["pretrained"]
  if before is not None and not (isinstance(before, dict) and isinstance(before.get("from"), str)
                                 and "classes" in before
                                 and (before["classes"] is None or _are_names(before["classes"]))):  # fmt: skip
    raise InputError(damaged % "what it says of pretraining")
  if known.pop("sha256", digest := json_digest(known)) != digest:
    raise InputError(damaged % "it does not have its own SHA-256")
  return known


def _are_names(value: Any) -> bool:
  return isinstance(value, list) and all(isinstance(name, str) for name in value)


def read_classes(workdir: pathlib.Path) -> tuple[str, ...] | None:
  """Every class that the model of a run was trained on, here or before; None where that is unknown."""
  known = read_class_file(workdir)
  before = known and known["pretrained"]
  if known is None or (before and before["classes"] is None):
    return None
  return tuple(dict.fromkeys((*known["seen"], *(before["classes"] if before else ()))))


def flat(tree: Mapping[Any, Any]) -> dict[str, Any]:
  """Leaves by path, such as "stem/conv/kernel"."""
  pairs, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in pairs}


def save_arrays(tree: Mapping[str, Any], path: pathlib.Path) -> None:
  """Nested dicts of numpy arrays as Orbax keeps them, in the new folder `path`; done when this returns."""
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(path.absolute(), tree)
    checkpointer.wait_until_finished()
  done = path / "commit_success.txt"
  if done.exists():  # Orbax only asks whether it is there, and writes the whole path in it
    done.write_text("done\n", encoding="ascii")


def _write(weights: Weights, directory: pathlib.Path) -> None:
  tree = {"params": weights.params, "batch_stats": weights.batch_stats, "rest": weights.rest}
  tree = jax.tree.map(np.asarray, tree)
  save_arrays(tree, directory / ARRAYS)
  facts = {
    "format": _FORMAT,
    "arch": weights.arch,
    "counts": {name: sum(leaf.size for leaf in flat(part).values()) for name, part in tree.items()},
    "classes": weights.classes,
    "origin": weights.origin,
    "sha256": _digest(tree),
    "files": hashes(directory / ARRAYS),
  }
  write_text(directory / FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _digest(tree: Mapping[str, Any]) -> str:
  """SHA-256 over names, types, shapes and values, in the order of the names."""
  digest = hashlib.sha256()
  for name, leaf in sorted(flat(tree).items()):
    digest.update(f"{name} {leaf.dtype} {leaf.shape}\n".encode())
    digest.update(np.asarray(leaf, order="C").data)
  return digest.hexdigest()


def _read_facts(directory: pathlib.Path) -> dict[str, Any]:
  path = directory / FACTS
  if not is_weights(directory):
    raise InputError(
      f"{directory} is no directory of weights: it has no {FACTS}; write one with python -m zsar_jax.models.weights"
    )
  try:
    facts = parse_json(path.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read: {error}; convert the weights again") from error
  kinds = {"format": int, "arch": str, "origin": dict, "sha256": str, "files": dict, "classes": list | None}
  if not isinstance(facts, dict) or any(not isinstance(facts.get(k, 0j), kind) for k, kind in kinds.items()):
    raise InputError(f"{path} is not as this command writes it; convert the weights again")
  if facts["format"] != _FORMAT:
    raise InputError(f"{path} is of format {facts['format']}, expected {_FORMAT}; convert the weights again")
  return facts


def _check_files(directory: pathlib.Path, written: Mapping[str, str]) -> None:
  try:
    problems = hash_problems(directory / ARRAYS, written)
  except OSError as error:
    problems = [str(error)]
  raise_all(problems, f"{directory} is not as it was written; convert the weights again:")


def _template(arch: str) -> dict[str, Any]:
  model = abstract_backbone(arch)
  parts = {"params": nnx.Param, "batch_stats": nnx.BatchStat}
  return {name: nnx.to_pure_dict(nnx.state(model, kind)) for name, kind in parts.items()}


def _fitted(
  tree: Mapping[str, Any], template: Mapping[str, Any], place: pathlib.Path, arch: str
) -> list[Any]:
  """The restored arrays under the template's own keys: Orbax gives indices back as text."""
  arrays = flat({name: tree.get(name, {}) for name in template})
  wanted = flat(template)
  problems = [f"missing {name} {leaf.shape}" for name, leaf in wanted.items() if name not in arrays]
  problems += [f"unexpected {name} {leaf.shape}" for name, leaf in arrays.items() if name not in wanted]
  problems += [f"{name} is {leaf.dtype} {leaf.shape}, expected {wanted[name].dtype} {wanted[name].shape}"
               for name, leaf in arrays.items() if name in wanted
               and (leaf.shape, leaf.dtype) != (wanted[name].shape, wanted[name].dtype)]  # fmt: skip
  raise_all(problems, f"the arrays in {place} do not fit {arch}:")
  filled = jax.tree.unflatten(jax.tree.structure(template), [np.asarray(arrays[name]) for name in wanted])
  return [filled[name] for name in template]


def _config_of_run(workdir: pathlib.Path) -> tuple[str, str]:
  """The backbone and the word vectors of a run."""
  path = workdir / "config.json"
  try:
    saved = parse_json(path.read_text(encoding="utf-8"))
    arch, vectors = saved["model"]["backbone"], saved["vectors"]
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"{path} does not say which backbone and word vectors were trained with ({_first_line(error)}); give the workdir of a run"
    ) from error
  if not isinstance(arch, str) or not isinstance(vectors, str):
    raise InputError(f"{path}: model.backbone is {arch!r} and vectors {vectors!r}, expected text")
  return arch, vectors


def _restore_model(state: pathlib.Path) -> dict[str, Any]:
  """Parameters and statistics of a saved `TrainState`; nothing else is read."""
  handler = ocp.PyTreeCheckpointHandler()
  try:
    saved = handler.metadata(state.absolute()).tree
    item = {name: saved[name] for name in ("params", "batch_stats")}
    plain = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), item)
    wanted = ocp.args.PyTreeRestore(item=item, restore_args=plain, partial_restore=True)
    return handler.restore(state.absolute(), args=wanted)
  finally:
    handler.close()


def _check_finite(tree: Mapping[str, Any], workdir: pathlib.Path, step: int) -> None:
  bad = [f"{name} has values that are infinite or no numbers"
         for name, leaf in flat(tree).items() if not np.isfinite(leaf).all()]  # fmt: skip
  raise_all(bad, f"step {step} of {workdir} is of no use:")


def _first_line(error: Exception) -> str:
  return f"{type(error).__name__}: {error}".splitlines()[0]
