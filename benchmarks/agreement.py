"""Whether our models and torch_models.py's compute the same: same weights, same input, float32, before anything is timed.

`golden` and `golden_torch`: how far each encoder is from the stored outputs in tests/golden, where they are at hand. `embedding`,
`class_logits`, `word_logits`: how far our whole model, with its parameters carried over, is from PyTorch's. All are |a - b| / |b|.
What training adds (dropout, the draw of masked words, flips, losses) is not compared: it is random, and drawn differently.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from model_cases import ROOT, Case

TOLERANCE = 1e-4
GOLDEN = ROOT / "tests" / "golden"


def relative(a: Any, b: Any) -> float:
  """|a - b| / |b|, in float64."""
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check_input(case: Case) -> tuple[np.ndarray, np.ndarray]:
  """(normalised frames [2,T,H,W,3], word ids [2,L]): small, but C3D's fully connected layer fits one size alone."""
  rng = np.random.default_rng(1)
  size = case.size if case.backbone == "c3d" else min(case.size, 64)
  frames = rng.standard_normal((2, case.num_frames, size, size, 3)).astype(np.float32)
  return frames, rng.integers(1, 100, (2, 4)).astype(np.int32)


def disagreements(errors: Mapping[str, float | None]) -> list[str]:
  """What is further off than `TOLERANCE`, in words; not-a-number is."""
  return [
    f"{name} differs by {error:.2g}"
    for name, error in errors.items()
    if error is not None and not error <= TOLERANCE
  ]


def golden_case(name: str) -> Any:
  """The stored case of an encoder; None where tests/golden is not at hand."""
  if not (GOLDEN / f"{name}.npz").is_file():
    return None
  if str(GOLDEN) not in sys.path:
    sys.path.insert(0, str(GOLDEN))
  import golden_cases

  return golden_cases.load(name)


def ours_against_golden(name: str, conv_impl: str) -> float | None:
  """Of our encoder in full float32."""
  case = golden_case(name)
  if case is None:
    return None
  import jax
  from flax import nnx

  from zsar_jax.models import BACKBONES
  from zsar_jax.models.torch_names import from_torch

  model = nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0), conv_impl=conv_impl))
  weights, graphdef = from_torch(case.state_dict, model), nnx.graphdef(model)
  clips = case.x.reshape(-1, *case.x.shape[-4:]) if case.x.ndim == 6 else case.x
  with jax.default_matmul_precision("highest"):
    found = jax.jit(lambda w, x: nnx.merge(graphdef, *w)(x, False))(weights, clips)
  return relative(_mean_of_clips(np.asarray(found), case), case.outputs["features_eval"])


def torch_against_golden(name: str) -> float | None:
  """Of torch_models.py's encoder, on the CPU."""
  case = golden_case(name)
  if case is None:
    return None
  import torch
  import torch_models

  model, _ = torch_models.backbone(name)
  tensors = {key: torch.from_numpy(np.array(value)) for key, value in case.state_dict.items()}
  missing = model.load_state_dict(tensors, strict=False).missing_keys  # unexpected: classifiers
  if missing:
    raise ValueError(f"{name}: the golden weights lack {', '.join(missing)}")
  clips = case.x.reshape(-1, *case.x.shape[-4:]) if case.x.ndim == 6 else case.x
  with torch.inference_mode():
    found = model.eval()(torch.from_numpy(np.moveaxis(clips, -1, 1).copy()))
  return relative(_mean_of_clips(found.numpy(), case), case.outputs["features_eval"])


def _mean_of_clips(features: np.ndarray, case: Any) -> np.ndarray:
  """C3D's case has several clips of a video."""
  return features.reshape(*case.x.shape[:2], -1).mean(1) if case.x.ndim == 6 else features


def to_torch_model(
  params: Mapping[str, Any], batch_stats: Mapping[str, Any], backbone: Any
) -> dict[str, np.ndarray]:
  """Our E2E's or ResT's parameters as the state dict of torch_models.py's; `backbone` says which encoder it is."""
  from zsar_jax.models.torch_names import to_torch

  stats = batch_stats.get("backbone", {})
  encoder = {
    f"backbone.{name}": value for name, value in to_torch(params["backbone"], stats, backbone).items()
  }
  if "regressor" in params:
    return encoder | _linear("regressor", params["regressor"])
  tokens = params["encoder"]
  modality = np.asarray(tokens["modality_embedding"])
  visual = (
    np.concatenate([np.zeros((1, modality.shape[1]), np.float32), tokens["frame_position_embedding"]])
    + modality[0]
  )
  words = np.asarray(tokens["word_position_embedding"]) + modality[1]
  found = encoder | _linear("projection", params["projection"])
  found |= {
    "cls": np.asarray(tokens["cls_embedding"])[None],
    "positions": np.concatenate([visual, words])[None],
  }
  found |= {"words.weight": np.asarray(params["word_embedding"])}
  for head in ("class_head", "word_head"):
    found |= _linear(f"{head}.0", params[head]["hidden"]) | _linear(f"{head}.2", params[head]["out"])
  return found | _transformer(tokens["transformer"])


def _transformer(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
  found = _norm("encoder.norm", params["norm"])
  for i, layer in params["layers"].items():
    name, attention = f"encoder.layers.{i}", layer["attention"]
    qkv = _linear("in_proj", attention["qkv"])
    found |= {f"{name}.self_attn.in_proj_{leaf}": qkv[f"in_proj.{leaf}"] for leaf in ("weight", "bias")}
    found |= _linear(f"{name}.self_attn.out_proj", attention["out"])
    found |= _linear(f"{name}.linear1", layer["mlp_in"]) | _linear(f"{name}.linear2", layer["mlp_out"])
    found |= _norm(f"{name}.norm1", layer["norm1"]) | _norm(f"{name}.norm2", layer["norm2"])
  return found


def _linear(name: str, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
  return {
    f"{name}.weight": np.ascontiguousarray(np.asarray(params["kernel"]).T),
    f"{name}.bias": np.asarray(params["bias"]),
  }


def _norm(name: str, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
  return {f"{name}.weight": np.asarray(params["scale"]), f"{name}.bias": np.asarray(params["bias"])}
