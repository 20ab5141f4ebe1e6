"""Files of named tensors as torch users have them: .pth/.pt (read) and .safetensors (read, write). No code in a file is run."""

import hashlib
import json
import os
import pathlib
import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from zsar_jax.errors import InputError, raise_all

SAFETENSORS = ".safetensors"
_PICKLES = (".pth", ".pt")
_SAFE_TORCH = (2, 6)  # before, weights_only=True could be got round (CVE-2025-32434)
_WRAPPERS = ("state_dict", "model")
_PARALLEL = "module."  # what DataParallel puts in front of every name
_WIDE_OR_NARROW = ("float64", "float16", "bfloat16")
_KEPT = ("float32", "int64", "int32", "int16", "int8", "uint8", "bool")
_SAFE_TYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}


class StateFile(NamedTuple):
  """What a file held. Floating-point tensors are float32 and finite; whole numbers are as they were."""

  tensors: dict[str, np.ndarray]  # torch's names and layout
  arch: str | None  # as safetensors metadata says; other files do not say
  classes: tuple[str, ...] | None  # likewise
  origin: dict[str, str]  # file: its name, sha256: of its bytes
  notes: tuple[str, ...]  # what was changed on the way, in words


def is_torch_file(path: pathlib.Path) -> bool:
  """Whether the name is one that `read_state_dict` takes."""
  return path.suffix in (*_PICKLES, SAFETENSORS)


def read_state_dict(path: pathlib.Path) -> StateFile:
  """Reads a state dict: plain, under "state_dict" or "model", with or without DataParallel's "module." prefix.

  `.pth` and `.pt` need torch, which is imported here alone and told to load tensors only.

  Raises:
    InputError: no such file, another kind of file, damage, objects other than tensors (they may be code; it is never run),
      types that are no weights, or values that are not finite.
  """
  _check_file(path)
  raw, metadata = (_read_safetensors if path.suffix == SAFETENSORS else _read_pickle)(path)
  notes: list[str] = []
  tensors = _as_float32(path, _unwrapped(path, raw, notes), notes)
  with path.open("rb") as file:
    origin = {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
  return StateFile(tensors, metadata.get("arch"), _classes(metadata), origin, tuple(notes))


def write_safetensors(
  tensors: Mapping[str, np.ndarray], path: pathlib.Path, arch: str, classes: tuple[str, ...] | None
) -> None:
  """Writes torch's names and layout under a temporary name and renames it; `arch` and `classes` go into the metadata.

  Raises:
    InputError: `path` does not end in .safetensors or cannot be written.
  """
  check_writable(path)
  metadata = {"format": "pt", "arch": arch} | ({} if classes is None else {"classes": json.dumps(classes)})
  # safetensors writes the memory as it lies, whatever the strides.
  dense = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file(dense, temporary, metadata)
    os.replace(temporary, path)
  except (OSError, safetensors.SafetensorError) as error:
    raise InputError(f"{path} cannot be written: {error}; give another place") from error
  finally:
    temporary.unlink(missing_ok=True)


def check_writable(path: pathlib.Path) -> None:
  """Raises InputError where `path` is no name that `write_safetensors` takes."""
  if path.suffix != SAFETENSORS:
    raise InputError(
      f"{path}: only {SAFETENSORS} files are written (torch reads them with safetensors.torch.load_file); "
      "any other name stands for a directory of ours"
    )
  if path.is_dir():
    raise InputError(f"{path} is a directory, expected the name of a file to write")


def _check_file(path: pathlib.Path) -> None:
  if not path.exists():
    raise InputError(f"{path}: no such file")
  if not is_torch_file(path):
    raise InputError(
      f"{path}: expected a name that ends in .pth, .pt or {SAFETENSORS}; rename the file to .pth if torch.save wrote it"
    )
  if not path.is_file():
    raise InputError(f"{path} is a directory, expected a file")
  if path.stat().st_size == 0:
    raise InputError(f"{path} is empty; fetch it again")


def _read_safetensors(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  try:
    with safetensors.safe_open(path, framework="np") as file:
      types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
      strange = [f"{name} is {kind}" for name, kind in types.items() if kind not in _SAFE_TYPES]
      raise_all(strange, f"{path}: these tensors have types that weights do not have:")
      return {name: file.get_tensor(name) for name in types}, file.metadata() or {}
  except (OSError, safetensors.SafetensorError) as error:
    raise InputError(
      f"{path} is cut off, damaged or no safetensors file ({error}); fetch it again"
    ) from error


def _read_pickle(path: pathlib.Path) -> tuple[Any, dict[str, str]]:
  try:
    import torch
  except ImportError as error:
    raise InputError(
      f'{path}: reading this kind of file needs torch: pip install "zsar-jax[torch]", or convert it to {SAFETENSORS} '
      "where torch is installed"
    ) from error
  if tuple(map(int, torch.__version__.split(".")[:2])) < _SAFE_TORCH:
    raise InputError(
      f"{path}: torch {torch.__version__} can be made to run code in such a file; pip install 'torch>=2.9', or convert it to "
      f"{SAFETENSORS} elsewhere"
    )
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the pickle's protocol
    try:
      return torch.load(path, map_location="cpu", weights_only=True), {}
    except Exception as error:  # whatever the bytes make the reader do
      raise InputError(f"{path} {_why_unreadable(str(error))}") from error


def _why_unreadable(message: str) -> str:
  foreign = re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+)", message)
  if foreign:
    return (
      f"holds more than tensors ({foreign[1]}), which could run code; nothing of it was loaded. Where you trust the file, "
      "load it with torch yourself and save its state_dict() alone"
    )
  reason = re.search(r"WeightsUnpickler error:\s*(.+)", message)
  said = reason[1] if reason else message.partition("\n")[0] or "no tensors in it"
  return f"is cut off, damaged or no file of tensors written by torch.save ({said}); nothing of it was loaded, fetch it again"


def _unwrapped(path: pathlib.Path, raw: Any, notes: list[str]) -> dict[str, Any]:
  """The dict of tensors inside `raw`, under plain names."""
  wrapper = next((key for key in _WRAPPERS if isinstance(raw, Mapping) and isinstance(raw.get(key), Mapping)), None)  # fmt: skip
  if wrapper is not None:
    beside = f"; beside it and not read: {', '.join(str(k) for k in raw if k != wrapper)}" if len(raw) > 1 else ""  # fmt: skip
    notes.append(f"the state dict lies under {wrapper!r}{beside}")
    raw = raw[wrapper]
  if not isinstance(raw, Mapping) or not raw:
    raise InputError(f"{path} holds {_kind(raw)}, expected a state dict: names with tensors")
  others = [f"{key!r} is {_kind(value)}" for key, value in raw.items() if not (isinstance(key, str) and _is_tensor(value))]  # fmt: skip
  raise_all(others, f"{path} is no state dict; entries that are no named tensors:")
  if all(key.startswith(_PARALLEL) for key in raw):
    notes.append(f"took the prefix {_PARALLEL!r} off all {len(raw)} names")
    return {key.removeprefix(_PARALLEL): value for key, value in raw.items()}
  return dict(raw)


def _kind(value: Any) -> str:
  if isinstance(value, Mapping) and not value:
    return "an empty dict"
  return f"a {type(value).__name__}"


def _is_tensor(value: Any) -> bool:
  """Of numpy or torch, which need not be installed."""
  return hasattr(value, "dtype") and hasattr(value, "shape")


def _is_usable(value: Any, kind: str) -> bool:
  return (
    kind in (*_WIDE_OR_NARROW, *_KEPT) and str(getattr(value, "layout", "torch.strided")) == "torch.strided"
  )


def _as_float32(path: pathlib.Path, raw: Mapping[str, Any], notes: list[str]) -> dict[str, np.ndarray]:
  tensors, converted, problems = {}, dict.fromkeys(_WIDE_OR_NARROW, 0), []
  for name, value in raw.items():
    kind = str(value.dtype).removeprefix("torch.")
    if not _is_usable(value, kind):
      problems.append(f"{name} is {kind}, expected dense floating-point or whole numbers")
      continue
    with np.errstate(over="ignore"):
      tensors[name] = _to_numpy(value, kind)
    if kind in converted:
      converted[kind] += 1
    if not np.isfinite(tensors[name]).all():
      problems.append(
        f"{name} holds {int((~np.isfinite(tensors[name])).sum())} values that are infinite or no numbers"
      )
  raise_all(problems, f"{path}: these tensors are no usable weights:")
  notes.extend(
    f"converted {count} tensors from {kind} to float32" for kind, count in converted.items() if count
  )
  return tensors


def _to_numpy(value: Any, kind: str) -> np.ndarray:
  if isinstance(value, np.ndarray):
    return value.astype(np.float32) if kind in _WIDE_OR_NARROW else value
  value = value.detach()
  return (value.float() if kind in _WIDE_OR_NARROW else value).numpy()


def _classes(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
  try:
    names = json.loads(metadata.get("classes", "null"))
  except ValueError:
    return None
  return tuple(names) if isinstance(names, list) and all(isinstance(n, str) for n in names) else None
