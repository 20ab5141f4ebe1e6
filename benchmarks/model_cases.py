"""The models of the papers that benchmarks/models.py measures. Imports neither JAX nor PyTorch."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

TASKS = ("embed", "train")  # in this order the peak of memory only grows
NUM_CLASSES, VOCABULARY, NUM_WORDS = 664, 1000, 4
ROOT = pathlib.Path(__file__).resolve().parent.parent


class Case(NamedTuple):
  """A model of the papers; `width` and below are of ResT's transformer."""

  config: str
  backbone: str
  num_frames: int
  size: int  # pixels
  batch: int  # clips, on CPUs
  batch_accelerator: int
  width: int = 768
  num_layers: int = 12
  num_heads: int = 12
  hidden: int = 3072

  @property
  def reads_clips(self) -> bool:
    """E2E, whose encoder is 3-D; else ResT with a 2-D one."""
    return self.config.startswith("e2e")


# On accelerators two sides' activations fit beside each other in 140 GB; see `--sweep` for more.
CASES = {
  "r2plus1d_18": Case("e2e_r2plus1d", "r2plus1d_18", 16, 112, 2, 64),
  "r3d_18": Case("e2e_r3d", "r3d_18", 16, 112, 2, 128),
  "c3d": Case("e2e_c3d", "c3d", 16, 112, 2, 128),
  "resnet18": Case("rest18", "resnet18", 16, 224, 2, 64),
  "resnet34": Case("rest34", "resnet34", 8, 224, 2, 64),
  "resnet101": Case("rest101", "resnet101", 4, 224, 2, 64),
  "vgg16": Case("rest_encoder:vgg16", "vgg16", 2, 224, 1, 64),
  "mobilenet_v2": Case("rest_encoder:mobilenet_v2", "mobilenet_v2", 16, 224, 2, 32),
  "googlenet": Case("rest_encoder:googlenet", "googlenet", 16, 224, 2, 64),
}


def shrunk(case: Case) -> Case:
  """The least that takes the same paths, for dry runs. C3D's fully connected layer fits clips of one size alone."""
  if case.backbone == "c3d":
    return case._replace(batch=1, batch_accelerator=1)
  frames = 8 if case.reads_clips else 2
  small = case._replace(num_frames=frames, size=64, batch=2, batch_accelerator=2)
  return small._replace(width=32, num_layers=1, num_heads=2, hidden=64)


def frames_of(case: Case, batch: int) -> np.ndarray:
  """Random bytes [B,1,T,H,W,3]."""
  shape = (batch, 1, case.num_frames, case.size, case.size, 3)
  return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def config_of(case: Case, batch: int, dtype: str, conv_impl: str) -> Any:
  """The paper's config at the case's sizes, BatchNorm over the whole batch, one clip a video in evaluation."""
  from zsar_jax import config as configs

  file, _, variant = case.config.partition(":")
  overrides = {"model.bn_group_size": "0", "data.num_frames": str(case.num_frames), "data.crop": str(case.size),
               "train.batch_size": str(batch), "eval.batch_size": str(batch), "eval.num_clips": "1",
               "model.dtype": dtype, "model.conv_impl": conv_impl}  # fmt: skip
  if not case.reads_clips:
    overrides |= {f"model.{key}": str(getattr(case, key)) for key in ("width", "num_layers", "num_heads", "hidden")}  # fmt: skip
  return configs.load(f"{ROOT}/configs/{file}.py" + (f":{variant}" if variant else ""), overrides)
