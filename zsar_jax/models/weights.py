"""torchvision's state dicts -> our parameters. Arrays in, arrays out: reading files is not done here."""

import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zsar_jax.errors import did_you_mean, raise_all
from zsar_jax.models.resnet import ResNet
from zsar_jax.models.video_resnet import FactoredStem, VideoResNet

# Our dotted paths -> torchvision's, first match per step, all steps in order.
_IMAGE_NAMES = (
  (r"^stem\.conv\.conv\.", "conv1."),
  (r"^stem\.conv\.bn\.", "bn1."),
  (r"^stages\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}."),
  (r"\.conv(\d)\.conv\.", r".conv\1."),
  (r"\.conv(\d)\.bn\.", r".bn\1."),
  (r"\.downsample\.conv\.", ".downsample.0."),
  (r"\.downsample\.bn\.", ".downsample.1."),
)
_FACTORED_NAMES = (
  (r"^stem\.spatial\.conv\.", "stem.0."),
  (r"^stem\.spatial\.bn\.", "stem.1."),
  (r"^stem\.temporal\.conv\.", "stem.3."),
  (r"^stem\.temporal\.bn\.", "stem.4."),
  (r"^stages\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}."),
  (r"\.spatial\.conv\.", ".0.0."),
  (r"\.spatial\.bn\.", ".0.1."),
  (r"\.temporal\.conv\.", ".0.3."),
  (r"\.temporal\.bn\.", ".1."),
  (r"\.downsample\.conv\.", ".downsample.0."),
  (r"\.downsample\.bn\.", ".downsample.1."),
)
_CUBIC_NAMES = (
  (r"^stem\.conv\.conv\.", "stem.0."),
  (r"^stem\.conv\.bn\.", "stem.1."),
  (r"^stages\.(\d+)\.", lambda m: f"layer{int(m[1]) + 1}."),
  (r"\.conv(\d)\.conv\.", r".conv\1.0."),
  (r"\.conv(\d)\.bn\.", r".conv\1.1."),
  (r"\.downsample\.conv\.", ".downsample.0."),
  (r"\.downsample\.bn\.", ".downsample.1."),
)
_LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}

# In torchvision's files but in no backbone: the classifier, and a counter that momentum 0.1 never reads.
_LEFT_OUT = re.compile(r"^fc\.(weight|bias)$|\.num_batches_tracked$")


def from_torch(
  state_dict: Mapping[str, np.ndarray], model: ResNet | VideoResNet
) -> tuple[nnx.State, nnx.State]:
  """Parameters and batch statistics of `model` with the values of a torchvision state dict.

  Args:
    state_dict: torch names to arrays in torch's layout (channels first). The classifier `fc.*` and `num_batches_tracked` are left out.
    model: a backbone of the same architecture; its own values are not changed.

  Returns:
    (params, batch_stats) as `nnx.split(model, nnx.Param, nnx.BatchStat)` orders them, float32; put them in with `nnx.update`.

  Raises:
    InputError: keys are missing, unexpected or of another shape; all of them are listed.
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


def torch_name(path: tuple[Any, ...], model: ResNet | VideoResNet) -> str:
  """torchvision's name of the parameter or statistic at `path` of `model`."""
  *parents, leaf = path
  name = ".".join(map(str, parents)) + "."
  for pattern, replacement in _names(model):
    name = re.sub(pattern, replacement, name)
  return name + _LEAVES.get(str(leaf), str(leaf))


def _names(model):
  if isinstance(model, ResNet):
    return _IMAGE_NAMES
  return _FACTORED_NAMES if isinstance(model.stem, FactoredStem) else _CUBIC_NAMES


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
  """[Cout,Cin,...] -> [...,Cin,Cout]; vectors as they are."""
  return np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim >= 2 else array
