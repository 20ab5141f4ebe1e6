"""State dicts of torchvision and of the public C3D <-> our parameters: names and layouts. Arrays in, arrays out: no files here."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.models.backbone import Backbone
from zsar_jax.models.c3d import C3D
from zsar_jax.models.googlenet import GoogLeNet
from zsar_jax.models.mobilenet import MobileNetV2
from zsar_jax.models.resnet import ImageStem, ResNet
from zsar_jax.models.vgg import VGG
from zsar_jax.models.video_resnet import CubicStem, FactoredStem, VideoResNet

Path = tuple[Any, ...]
Rules = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]

# Our dotted paths -> torch's: each rule replaces wherever its pattern matches, all rules in order.
_STAGES: Rules = (
  (r"^stages\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}."),
  (r"\.downsample\.conv\.", ".downsample.0."),
  (r"\.downsample\.bn\.", ".downsample.1."),
)
_IMAGE_NAMES: Rules = (
  (r"^stem\.conv\.conv\.", "conv1."),
  (r"^stem\.conv\.bn\.", "bn1."),
  *_STAGES,
  (r"\.conv(\d)\.conv\.", r".conv\1."),
  (r"\.conv(\d)\.bn\.", r".bn\1."),
)
_FACTORED_NAMES: Rules = (
  (r"^stem\.spatial\.conv\.", "stem.0."),
  (r"^stem\.spatial\.bn\.", "stem.1."),
  (r"^stem\.temporal\.conv\.", "stem.3."),
  (r"^stem\.temporal\.bn\.", "stem.4."),
  *_STAGES,
  (r"\.spatial\.conv\.", ".0.0."),
  (r"\.spatial\.bn\.", ".0.1."),
  (r"\.temporal\.conv\.", ".0.3."),
  (r"\.temporal\.bn\.", ".1."),
)
_CUBIC_NAMES: Rules = (
  (r"^stem\.conv\.conv\.", "stem.0."),
  (r"^stem\.conv\.bn\.", "stem.1."),
  *_STAGES,
  (r"\.conv(\d)\.conv\.", r".conv\1.0."),
  (r"\.conv(\d)\.bn\.", r".conv\1.1."),
)
# torch counts activations and pooling as layers too: where each stage starts.
_VGG_STARTS = (0, 5, 10, 17, 24)
_VGG_NAMES: Rules = (
  (r"^stages\.(\d)\.convs\.(\d)\.", lambda m: f"features.{_VGG_STARTS[int(m[1])] + 2 * int(m[2])}."),
)
_C3D_CONVS = (("conv1",), ("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b"), ("conv5a", "conv5b"))
_C3D_NAMES: Rules = ((r"^stages\.(\d)\.convs\.(\d)\.", lambda m: f"{_C3D_CONVS[int(m[1])][int(m[2])]}."),)
_MOBILENET_NAMES: Rules = (
  (r"^stem\.conv\.", "features.0.0."),
  (r"^stem\.bn\.", "features.0.1."),
  (r"^last\.conv\.", "features.18.0."),
  (r"^last\.bn\.", "features.18.1."),
  (r"^blocks\.(\d+)\.", lambda m: f"features.{int(m[1]) + 1}.conv."),
  (r"\.inner\.(\d)\.conv\.", r".\1.0."),
  (r"\.inner\.(\d)\.bn\.", r".\1.1."),
  # The first block has one inner convolution, the others two.
  (r"^features\.1\.conv\.project\.conv\.", "features.1.conv.1."),
  (r"^features\.1\.conv\.project\.bn\.", "features.1.conv.2."),
  (r"\.project\.conv\.", ".2."),
  (r"\.project\.bn\.", ".3."),
)
_GOOGLENET_NAMES: Rules = ((r"\.layer\.", "."), (r"\.branch4\.", ".branch4.1."))
_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_COUNTER = "num_batches_tracked"

# In the files but in no backbone: classifiers, and a counter that momentum 0.1 never reads.
_LEFT_OUT = re.compile(rf"^(fc|fc7|fc8|classifier|regressor|aux1|aux2)\.|(^|\.){_COUNTER}$")


def from_torch(state_dict: Mapping[str, np.ndarray], model: Backbone) -> tuple[nnx.State, nnx.State]:
  """Parameters and batch statistics of `model` with the values of a torch state dict.

  Args:
    state_dict: torch names to arrays in torch's layout (channels first). What `left_out` gives is not looked at.
    model: a backbone of the same architecture, concrete or abstract (`nnx.eval_shape`); its own values are not changed.

  Returns:
    (params, batch_stats) as `nnx.split(model, nnx.Param, nnx.BatchStat)` orders them, float32; put them in with `nnx.update`.

  Raises:
    InputError: keys are missing, unexpected or of another shape, all of them listed; or torch has no such model.
  """
  params, batch_stats = nnx.state(model, nnx.Param), nnx.state(model, nnx.BatchStat)
  shapes = {path: leaf.shape for state in (params, batch_stats) for path, leaf in nnx.to_flat_state(state)}
  names = {path: torch_name(path, model) for path in shapes}
  raise_all(_problems(state_dict, shapes, names), f"these weights do not fit {type(model).__name__}:")

  def fill(state):
    pairs = [
      (path, leaf.replace(jnp.asarray(_from_torch_layout(np.asarray(state_dict[names[path]])), jnp.float32)))
      for path, leaf in nnx.to_flat_state(state)
    ]
    return nnx.from_flat_state(pairs)

  return fill(params), fill(batch_stats)


def to_torch(
  params: Mapping[Any, Any], batch_stats: Mapping[Any, Any], model: Backbone
) -> dict[str, np.ndarray]:
  """The way back: torch names to arrays in torch's layout, with counters `num_batches_tracked` of zero, so that torch loads it strictly.

  Args:
    params: of the backbone, an `nnx.State` or its nested plain dict, arrays of any float dtype.
    batch_stats: likewise.
    model: the backbone that they belong to, concrete or abstract: its architecture is looked at.

  Raises:
    InputError: torch has no such model.
  """
  state_dict = {}
  for path, array in (*_flat(params), *_flat(batch_stats)):
    state_dict[torch_name(path, model)] = _to_torch_layout(np.asarray(array))
  for path, _ in _flat(batch_stats):
    if path[-1] == "mean":
      state_dict[torch_name((*path[:-1], _COUNTER), model)] = np.zeros((), np.int64)
  return state_dict


def left_out(state_dict: Mapping[str, np.ndarray], model: Backbone) -> dict[str, np.ndarray]:
  """What of a torch state dict `model` has no place for: classifiers, auxiliary heads, counters. Unexpected keys are not among it."""
  ours = {torch_name(path, model) for path, _ in nnx.to_flat_state(nnx.state(model))}
  return {k: np.asarray(v) for k, v in state_dict.items() if k not in ours and _LEFT_OUT.search(k)}


def torch_name(path: Path, model: Backbone) -> str:
  """torch's name of the parameter or statistic at `path` of `model`. Raises InputError where torch has no such model."""
  *parents, leaf = path
  name = ".".join(map(str, parents)) + "."
  for pattern, replacement in _rules(model):
    name = re.sub(pattern, replacement, name)
  return name + _LEAVES.get(str(leaf), str(leaf))


def _rules(model: Backbone) -> Rules:
  tables: tuple[tuple[type, type | None, Rules], ...] = (
    (ResNet, ImageStem, _IMAGE_NAMES),
    (VideoResNet, FactoredStem, _FACTORED_NAMES),
    (VideoResNet, CubicStem, _CUBIC_NAMES),
    (VGG, None, _VGG_NAMES),
    (C3D, None, _C3D_NAMES),
    (MobileNetV2, None, _MOBILENET_NAMES),
    (GoogLeNet, None, _GOOGLENET_NAMES),
  )
  for kind, stem, rules in tables:
    if isinstance(model, kind) and (stem is None or isinstance(getattr(model, "stem", None), stem)):
      return rules
  raise InputError(
    f"{type(model).__name__} as built here (a tiny backbone, or precomputed features) has no counterpart in torch; "
    "choose a backbone that torchvision has, or c3d"
  )


def _flat(state: Mapping[Any, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
  """(path, array) of a state or a nested dict."""
  for key, value in state.items():
    if isinstance(value, Mapping):
      yield from _flat(value, (*path, key))
    else:
      yield (*path, key), value[...] if isinstance(value, nnx.Variable) else value


def _problems(state_dict, shapes, names) -> list[str]:
  known = set(names.values())
  unexpected = [k for k in state_dict if k not in known and not _LEFT_OUT.search(k)]
  problems = []
  for path, shape in shapes.items():
    name, wanted = names[path], _torch_shape(shape)
    if name not in state_dict:
      problems.append(f"missing {name} {wanted}{did_you_mean(name, unexpected)}")
    elif tuple(state_dict[name].shape) != wanted:
      problems.append(f"{name} has shape {tuple(state_dict[name].shape)}, expected {wanted}")
  return problems + [f"unexpected {name} {tuple(state_dict[name].shape)}" for name in unexpected]


def _torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
  """Shape in torch of one of our arrays: kernels have Cout, Cin in front."""
  return (shape[-1], shape[-2], *shape[:-2]) if len(shape) >= 2 else tuple(shape)


def _from_torch_layout(array: np.ndarray) -> np.ndarray:
  """[Cout,Cin,...] -> [...,Cin,Cout]; vectors as they are. Depthwise [C,1,3,3] -> [3,3,1,C] is the same rule."""
  return np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim >= 2 else array


def _to_torch_layout(array: np.ndarray) -> np.ndarray:
  """[...,Cin,Cout] -> [Cout,Cin,...], contiguous."""
  return np.ascontiguousarray(np.moveaxis(array, (-1, -2), (0, 1))) if array.ndim >= 2 else array
