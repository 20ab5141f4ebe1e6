"""Weights in and out: torch's files <-> a directory of ours, which `init_from` in a config takes.

  python -m zsar_jax.models.weights --arch r2plus1d_18 --from r2plus1d_18.pth --to weights/r2plus1d_18 --classes kinetics400.txt
  python -m zsar_jax.models.weights --from weights/r2plus1d_18 --to r2plus1d_18.safetensors
  python -m zsar_jax.models.weights --from runs/rest18 --to resnet18.safetensors
  python -m zsar_jax.models.weights --from models/rest18 --to resnet18.safetensors
  python -m zsar_jax.models.weights --arch resnet18 --from resnet18.pth --to resnet18.safetensors

`--from` takes a .pth, .pt or .safetensors file with torchvision's names (c3d: the public ones), a directory that this command
wrote, the workdir of a run, whose backbone is taken from the newest checkpoint, or an exported model. `--to` takes a .safetensors
file, written with torch's names and layout, or a directory. Exit codes: 0 done, 2 wrong input.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from flax import nnx

from zsar_jax import commands
from zsar_jax.errors import InputError
from zsar_jax.files import is_folder
from zsar_jax.models import BACKBONES, torch_files
from zsar_jax.models.torch_files import read_state_dict
from zsar_jax.models.torch_names import from_torch, left_out, to_torch, torch_name
from zsar_jax.models.weights_dir import (
  Weights,
  abstract_backbone,
  check_savable,
  flat,
  is_run,
  is_weights,
  load,
  load_exported,
  load_run,
  save,
)
from zsar_jax.saved.bundles import is_bundle

__all__ = ["Weights", "convert", "is_run", "is_weights", "load", "load_run", "read_state_dict", "save", "to_state_dict",
           "write_safetensors"]  # fmt: skip


def convert(
  arch: str, state_dict: Mapping[str, np.ndarray], classes: tuple[str, ...] | None = None
) -> Weights:
  """A torch state dict (as `read_state_dict` gives it) as weights of `arch`.

  Raises:
    InputError: unknown `arch`; or keys are missing, unexpected or of another shape, all of them listed, with the architecture
      that the names are those of, if it is another.
  """
  model = abstract_backbone(arch)
  try:
    states = from_torch(state_dict, model)
  except InputError as error:
    raise InputError(f"{error}{_other_arch(arch, state_dict)}") from None
  params, batch_stats = (nnx.map_state(lambda _, leaf: np.asarray(leaf), state) for state in states)
  rest = left_out(state_dict, model)
  return Weights(arch, nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats), rest, classes, {})


def to_state_dict(weights: Weights) -> dict[str, np.ndarray]:
  """The way back, float32 to the bit, with everything that was left out. Raises InputError where torch has no such model.

  Weights of a run get counters of batches, which torch's strict loading wants; converted ones have them if their file had.
  """
  model = abstract_backbone(weights.arch)
  state = to_torch(weights.params, weights.batch_stats, model)
  if "run" not in weights.origin:
    state = {name: array for name, array in state.items() if not name.endswith("num_batches_tracked")}
  return state | weights.rest


def write_safetensors(weights: Weights, path: pathlib.Path) -> None:
  """`to_state_dict` as a file; errors as there and as in `torch_files.write_safetensors`."""
  torch_files.write_safetensors(to_state_dict(weights), path, weights.arch, weights.classes)


def _other_arch(arch: str, state_dict: Mapping[str, np.ndarray]) -> str:
  """A line that names the architecture whose names these are, where it is another one."""
  ours = {key for key in state_dict if not key.endswith("num_batches_tracked")}
  likeness = {other: len(ours & names) / len(ours | names) for other, names in _torch_names().items()}
  best = max(likeness, key=lambda other: likeness[other])
  if best == arch or likeness[best] < max(0.5, likeness.get(arch, 0)):
    return ""
  return f"\n  these look like {best}: try --arch {best}"


def _torch_names() -> dict[str, set[str]]:
  """The names in torch of every backbone that torch has."""
  names = {}
  for arch in BACKBONES:
    try:
      model = abstract_backbone(arch)
      names[arch] = {torch_name(path, model) for path, _ in nnx.to_flat_state(nnx.state(model))}
    except InputError:
      continue  # a tiny one, or `features`
  return names


class _Read(NamedTuple):
  weights: Weights
  notes: tuple[str, ...]


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.models.weights", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("--arch", metavar="NAME", help="which backbone a file holds, such as resnet34")
  parser.add_argument("--from", dest="source", type=pathlib.Path, required=True, metavar="FILE|DIR")
  parser.add_argument("--to", dest="target", type=pathlib.Path, required=True, metavar="FILE.safetensors|DIR")
  parser.add_argument("--classes", type=pathlib.Path, metavar="FILE.txt",
                      help="what the weights were trained on, one class name a line; a run that starts from them "
                           "compares these with its test classes")  # fmt: skip
  args = commands.parse(parser, argv)
  to_file = torch_files.is_torch_file(args.target)
  (torch_files.check_writable if to_file else check_savable)(args.target)
  classes = None if args.classes is None else _read_classes(args.classes)
  weights, notes = _read(args.source, args.arch)
  if classes is not None:
    weights = weights._replace(classes=classes)
  (write_safetensors if to_file else save)(weights, args.target)
  _report(weights, notes, args.source, args.target)


def _read(source: pathlib.Path, arch: str | None) -> _Read:
  if is_folder(source) and not torch_files.is_torch_file(source):
    weights = _read_directory(source)
    if arch not in (None, weights.arch):
      raise InputError(f"{source} holds {weights.arch}, but --arch says {arch}; leave --arch out")
    return _Read(weights, ())
  file = read_state_dict(source)
  arch = arch or file.arch
  if arch is None:
    raise InputError(f"{source} does not say what it is; add --arch, one of {', '.join(_torch_names())}")
  try:
    weights = convert(arch, file.tensors, file.classes)
  except InputError as error:
    raise InputError(f"{source}: {error}") from error
  return _Read(weights._replace(origin=file.origin), file.notes)


def _read_directory(source: pathlib.Path) -> Weights:
  if is_weights(source):
    return load(source)
  if is_run(source):
    return load_run(source)
  if is_bundle(source):
    return load_exported(source)
  raise InputError(f"{source} is neither a directory of weights (it has no weights.json) nor the workdir of a run "
                   "(it has no config.json with checkpoints) nor an exported model (it has no model.json)")  # fmt: skip


def _read_classes(path: pathlib.Path) -> tuple[str, ...]:
  try:
    lines = path.read_text(encoding="utf-8").splitlines()
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read as text: {error}; give one class name a line") from error
  names = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
  if not names:
    raise InputError(f"{path} names no class; give one class name a line")
  return names


def _report(weights: Weights, notes: tuple[str, ...], source: pathlib.Path, target: pathlib.Path) -> None:
  params, statistics = flat(weights.params), flat(weights.batch_stats)
  of_model = is_run(source) or is_bundle(source)
  step = f", step {weights.origin['step']}" if "step" in weights.origin and of_model else ""
  print(f"read {source}{step}")
  for note in notes:
    print(f"  {note}")
  print(f"{weights.arch}: {sum(a.size for a in params.values()):,} parameters in {len(params)} tensors, "
        f"{sum(a.size for a in statistics.values()):,} running statistics in {len(statistics)}")  # fmt: skip
  left = _left_out(weights)
  print(
    "only the backbone was taken: the model's other parameters stay behind"
    if of_model
    else f"left out of the backbone, kept for the way back: {', '.join(left) or 'nothing'}"
  )
  if weights.classes is None:
    print("no --classes: the leak audit of a run that starts from these weights will not know what they were trained on")  # fmt: skip
  else:
    print(f"trained on {len(weights.classes)} classes, which a run that starts from these weights will audit")
  print(f"wrote {'the directory' if target.is_dir() else 'the file'} {target}")


def _left_out(weights: Weights) -> list[str]:
  counters = [name for name in weights.rest if name.endswith("num_batches_tracked")]
  others = [f"{name} {tensor.shape}" for name, tensor in weights.rest.items() if name not in counters]
  return others + ([f"{len(counters)} num_batches_tracked"] if counters else [])


if __name__ == "__main__":
  sys.exit(main())
