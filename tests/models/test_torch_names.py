"""Names and layouts to and from torch; wrong state dicts are told apart, key by key."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_drawing import call

from zsar_jax.errors import InputError
from zsar_jax.models import BACKBONES
from zsar_jax.models.torch_names import from_torch, left_out, to_torch, torch_name

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden_cases


def abstract(name):
  return nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", ["r2plus1d_18", "r3d_18", "resnet18", "mobilenet_v2", "googlenet"])
def test_there_and_back_is_exact_and_complete(name, plain):
  given = golden_cases.load(name).state_dict
  model = abstract(name)
  states = from_torch(given, model)
  params, batch_stats = map(nnx.to_pure_dict, states) if plain else states
  back, rest = to_torch(params, batch_stats, model), left_out(given, model)
  assert set(back) | set(rest) == set(given)
  assert {k for k in rest if "num_batches_tracked" not in k} == set(given) - set(back)
  for key, array in back.items():
    assert array.dtype == given[key].dtype
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, given[key])


@pytest.mark.parametrize("name", ["c3d", "vgg16"])
def test_names_and_shapes_of_large_models(name):
  """Their values take seconds to draw and hundreds of MB; test_golden.py loads them."""
  shapes = golden_cases.facts(name)["parameters"]
  model = abstract(name)
  given = {k: np.broadcast_to(np.float32(0), shape) for k, shape in shapes.items()}
  assert all(k.startswith(("classifier.", "regressor.")) for k in left_out(given, model))
  params, batch_stats = (nnx.state(model, kind) for kind in (nnx.Param, nnx.BatchStat))
  names = {torch_name(path, model) for path, _ in nnx.to_flat_state(params)}
  assert names | set(left_out(given, model)) == set(given)
  assert not jax.tree.leaves(batch_stats)


def test_classifiers_auxiliary_heads_and_counters_are_left_out_and_nothing_else():
  model = abstract("googlenet")
  given = {
    "fc.weight": np.zeros((5, 1024)),
    "aux1.conv.bn.running_var": np.zeros(3),
    "aux2.fc1.bias": np.zeros(4),
    "conv1.bn.num_batches_tracked": np.zeros((), np.int64),
  }
  others = {"conv1.conv.weight": np.zeros(1), "auxiliary.weight": np.zeros(2), "fc_extra": np.zeros(2)}
  assert set(left_out(given | others, model)) == set(given)


def test_every_problem_is_listed_at_once():
  weights = dict(golden_cases.load("resnet18").state_dict)
  weights["layer1.0.conv1.weihgt"] = weights.pop("layer1.0.conv1.weight")
  weights["bn1.bias"] = np.zeros(63, np.float32)
  weights["extra"] = np.zeros(2)
  with pytest.raises(InputError) as error:
    from_torch(weights, abstract("resnet18"))
  lines = str(error.value).splitlines()[1:]
  assert len(lines) == 4
  assert any(
    "missing layer1.0.conv1.weight (64, 64, 3, 3); did you mean 'layer1.0.conv1.weihgt'?" in s for s in lines
  )
  assert any("bn1.bias has shape (63,), expected (64,)" in s for s in lines)
  assert any("unexpected extra (2,)" in s for s in lines)


def test_another_architecture_does_not_fit():
  with pytest.raises(InputError, match=r"unexpected layer1\.2\.conv1\.weight"):
    from_torch(golden_cases.load("resnet34").state_dict, abstract("resnet18"))


@pytest.mark.parametrize("name", ["resnet_tiny", "r2plus1d_tiny"])
def test_tiny_backbones_have_no_names_in_torch(name):
  with pytest.raises(InputError, match="no counterpart in torch"):
    from_torch({}, abstract(name))


def vgg16_in_torch(torch):
  """VGG-16's convolutions and pooling, written from the paper's table D."""
  layers, features = [], 3
  for width, num in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
    for _ in range(num):
      layers += [torch.nn.Conv2d(features, width, 3, padding=1), torch.nn.ReLU()]
      features = width
    layers.append(torch.nn.MaxPool2d(2))
  module = torch.nn.Module()
  module.features = torch.nn.Sequential(*layers)
  module.forward = lambda x: torch.nn.functional.adaptive_avg_pool2d(module.features(x), 7).flatten(1)
  return module


@pytest.mark.parametrize("size", [(45, 70), (97, 33)])
def test_vgg16_is_torchs_at_odd_sizes(size):
  torch = pytest.importorskip("torch")
  torch.manual_seed(0)
  theirs = vgg16_in_torch(torch).eval()
  model = abstract("vgg16")
  params, batch_stats = from_torch({k: v.numpy() for k, v in theirs.state_dict().items()}, model)
  x = np.random.default_rng(5).standard_normal((2, *size, 3)).astype(np.float32)
  with torch.no_grad():
    expected = theirs(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
  ours = nnx.merge(nnx.graphdef(model), params, batch_stats)
  got = call(lambda m, x: m(x, False), ours, jnp.asarray(x))
  assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 1e-5


def c3d_in_torch(torch):
  """C3D up to fc6 from its paper: 3x3x3 convolutions of stride 1, five poolings."""
  module, nn = torch.nn.Module(), torch.nn
  widths = {"1": 64, "2": 128, "3a": 256, "3b": 256, "4a": 512, "4b": 512, "5a": 512, "5b": 512}
  features = 3
  for name, width in widths.items():
    module.add_module(f"conv{name}", nn.Conv3d(features, width, 3, padding=1))
    features = width
  module.add_module("fc6", nn.Linear(8192, 4096))
  pools = {"1": nn.MaxPool3d((1, 2, 2)), "2": nn.MaxPool3d(2), "3b": nn.MaxPool3d(2), "4b": nn.MaxPool3d(2)}
  pools["5b"] = nn.MaxPool3d(2, padding=(0, 1, 1))

  def forward(x):
    for name in widths:
      x = pools.get(name, nn.Identity())(module.get_submodule(f"conv{name}")(x).relu())
    return module.fc6(x.flatten(1)).relu()

  module.forward = forward
  return module


@pytest.mark.slow
def test_c3d_is_torchs_at_another_size():
  torch = pytest.importorskip("torch")
  torch.manual_seed(0)
  theirs = c3d_in_torch(torch).eval()
  model = abstract("c3d")
  params, batch_stats = from_torch({k: v.numpy() for k, v in theirs.state_dict().items()}, model)
  x = np.random.default_rng(5).standard_normal((1, 17, 99, 121, 3)).astype(np.float32)
  with torch.no_grad():
    expected = theirs(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
  ours = nnx.merge(nnx.graphdef(model), params, batch_stats)
  got = call(lambda m, x: m(x, False), ours, jnp.asarray(x))
  assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 1e-5
