"""torchvision's weights give torchvision's numbers; wrong files are told apart, key by key."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zsar_jax.errors import InputError
from zsar_jax.models import BACKBONES
from zsar_jax.models.weights import from_torch, torch_name

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden_cases


def load(name, dtype=jnp.float32):
  """(case, graphdef, params, batch_stats) with the golden weights in place."""
  case = golden_cases.load(name)
  model = nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0), dtype=dtype))
  params, batch_stats = from_torch(case.state_dict, model)
  return case, nnx.graphdef(model), params, batch_stats


def logits(features, case):
  return features @ case.state_dict["fc.weight"].T + case.state_dict["fc.bias"]


def relative(a, b):
  return float(np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet101", "r2plus1d_18"])
def test_evaluation_mode_gives_torchvisions_features(name):
  case, graphdef, params, batch_stats = load(name)
  features = jax.jit(lambda p, s, x: nnx.merge(graphdef, p, s)(x, False))(params, batch_stats, case.x)
  assert relative(features, case.outputs["features_eval"]) < 1e-5
  assert relative(logits(features, case), case.outputs["logits_eval"]) < 1e-5


@pytest.mark.parametrize("name", ["resnet18", "r2plus1d_18"])
def test_training_mode_gives_torchvisions_logits_and_statistics(name):
  with jax.enable_x64(True):
    case, graphdef, params, batch_stats = load(name, jnp.float64)

    def step(params, batch_stats, x):
      model = nnx.merge(graphdef, params, batch_stats, copy=True)
      return model(x, True), nnx.state(model, nnx.BatchStat)

    features, moved = jax.jit(step)(params, batch_stats, case.x.astype(np.float64))
    assert features.dtype == jnp.float64
    assert relative(logits(features, case), case.outputs["logits_train"]) < 1e-6
    model = nnx.merge(graphdef, params, moved)
    for path, leaf in nnx.to_flat_state(moved):
      mean, std = case.facts["batch_stats_after_one_step"][torch_name(path, model)]
      value = np.asarray(leaf[...], np.float64)
      np.testing.assert_allclose([value.mean(), value.std(ddof=1)], [mean, std], rtol=1e-6, atol=1e-6)


def test_every_problem_is_listed_at_once():
  case = golden_cases.load("resnet18")
  model = nnx.eval_shape(lambda: BACKBONES["resnet18"](rngs=nnx.Rngs(0)))
  weights = dict(case.state_dict)
  weights["layer1.0.conv1.weihgt"] = weights.pop("layer1.0.conv1.weight")
  weights["bn1.bias"] = np.zeros(63, np.float32)
  weights["extra"] = np.zeros(2)
  with pytest.raises(InputError) as error:
    from_torch(weights, model)
  lines = str(error.value).splitlines()[1:]
  assert len(lines) == 4
  assert any(
    "missing layer1.0.conv1.weight (64, 64, 3, 3); did you mean 'layer1.0.conv1.weihgt'?" in s for s in lines
  )
  assert any("bn1.bias has shape (63,), expected (64,)" in s for s in lines)
  assert any("unexpected extra (2,)" in s for s in lines)


def test_another_architecture_does_not_fit():
  with pytest.raises(InputError, match=r"unexpected layer1\.2\.conv1\.weight"):
    from_torch(
      golden_cases.load("resnet34").state_dict,
      nnx.eval_shape(lambda: BACKBONES["resnet18"](rngs=nnx.Rngs(0))),
    )


def test_r3d_names_are_torchvisions():
  model = nnx.eval_shape(lambda: BACKBONES["r3d_18"](rngs=nnx.Rngs(0)))
  names = {torch_name(path, model) for path, _ in nnx.to_flat_state(nnx.state(model))}
  assert {"stem.0.weight", "stem.1.running_var", "layer1.0.conv1.0.weight", "layer1.0.conv1.1.bias"} <= names
  assert {"layer2.0.downsample.0.weight", "layer4.1.conv2.1.running_mean"} <= names
