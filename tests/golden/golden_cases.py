"""Weights and inputs of the golden outputs, redrawn from tensor names and seeds.

NAME.npz: what torchvision's model gives for them in float64. NAME.json: its tensors' names and shapes, and facts of one training step.
"""

import json
import pathlib
import zlib
from typing import Any, NamedTuple

import numpy as np

FOLDER = pathlib.Path(__file__).parent


class GoldenCase(NamedTuple):
  """state_dict: torch names and layout. x: the input, channels last: [B,H,W,3], [B,T,H,W,3], c3d's [B,N,T,H,W,3]."""

  state_dict: dict[str, np.ndarray]
  x: np.ndarray
  outputs: dict[str, np.ndarray]
  facts: dict[str, Any]


def draw_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """One state-dict tensor: a function of its name and shape alone."""
  if name.endswith("num_batches_tracked"):
    return np.zeros(shape, np.int64)
  rng = np.random.default_rng(zlib.crc32(name.encode()))
  if name.endswith("running_var"):
    value = rng.uniform(0.5, 1.5, shape)
  elif len(shape) > 1:
    value = rng.standard_normal(shape) * np.sqrt(2.0 / int(np.prod(shape[1:])))
  elif name.endswith("weight"):
    value = rng.uniform(0.2, 0.6, shape)
  else:
    value = 0.1 * rng.standard_normal(shape)
  return value.astype(np.float32)


def facts(model: str) -> dict[str, Any]:
  """What NAME.json holds: names and shapes of the tensors, input, norms and statistics."""
  return json.loads((FOLDER / f"{model}.json").read_text())


def load(model: str) -> GoldenCase:
  """The case of one model, such as "resnet18"."""
  known = facts(model)
  state_dict = {name: draw_tensor(name, tuple(shape)) for name, shape in known["parameters"].items()}
  rng = np.random.default_rng(known["input_seed"])
  shape = known["input_shape"]
  channels = 2 if len(shape) == 6 else 1  # c3d's input is several clips of each video
  x = np.moveaxis(rng.standard_normal(shape).astype(np.float32), channels, -1)
  with np.load(FOLDER / f"{model}.npz") as outputs:
    return GoldenCase(state_dict, x, dict(outputs), known)
