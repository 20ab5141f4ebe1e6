"""torch's weights give torch's numbers, forward and backward, for every backbone that torch has."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from zsar_jax.models import BACKBONES
from zsar_jax.models.torch_names import from_torch, left_out, torch_name

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
import golden_cases

# torch's names of the linear layers behind the features, ReLU between them.
HEADS = {
  "r2plus1d_18": ("fc",),
  "r3d_18": ("fc",),
  "c3d": ("regressor",),
  "resnet18": ("fc",),
  "resnet34": ("fc",),
  "resnet101": ("fc",),
  "vgg16": ("classifier.0", "classifier.3", "classifier.6"),
  "mobilenet_v2": ("classifier.1",),
  "googlenet": ("fc",),
}


def cases(*fast):
  return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in HEADS]


def load(name, dtype):
  """(case, abstract model, params, batch_stats, head) with the golden weights in place."""
  case = golden_cases.load(name)
  model = nnx.eval_shape(lambda: BACKBONES[name](rngs=nnx.Rngs(0), dtype=dtype))
  params, batch_stats = from_torch(case.state_dict, model)
  counters = "num_batches_tracked"
  head = {k: v for k, v in left_out(case.state_dict, model).items() if not k.endswith(counters)}
  return case, model, params, batch_stats, head


def features(model, x, train):
  """[B,D]. Of several clips [B,N,T,H,W,3]: their mean."""
  if x.ndim < 6:
    return model(x, train)
  return model(x.reshape(-1, *x.shape[2:]), train).reshape(*x.shape[:2], -1).mean(1)


def logits(name, head, x):
  for i, layer in enumerate(HEADS[name]):
    x = jax.nn.relu(x) if i else x
    x = x @ head[f"{layer}.weight"].T.astype(x.dtype) + head[f"{layer}.bias"].astype(x.dtype)
  return x


def relative(a, b):
  return float(np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b))


@pytest.mark.parametrize("name", cases("r2plus1d_18", "resnet18", "mobilenet_v2", "c3d"))
def test_evaluation_mode(name):
  case, model, params, batch_stats, head = load(name, jnp.float32)
  graphdef = nnx.graphdef(model)

  def run(params, batch_stats, head, x):
    y = features(nnx.merge(graphdef, params, batch_stats), x, train=False)
    out = logits(name, head, y)
    return y, out / jnp.linalg.norm(out, axis=-1, keepdims=True) if name == "c3d" else out

  got, got_logits = jax.jit(run)(params, batch_stats, head, case.x)
  assert relative(got, case.outputs["features_eval"]) < 1e-4
  assert relative(got_logits, case.outputs["logits_eval"]) < 1e-4
  count = sum(leaf.size for leaf in jax.tree.leaves((params, head)))
  assert count == case.facts["parameter_count"]


@pytest.mark.parametrize("name", cases("r2plus1d_18", "resnet18", "mobilenet_v2"))
def test_training_step(name):
  with jax.enable_x64(True):
    case, model, params, batch_stats, head = load(name, jnp.float64)
    graphdef = nnx.graphdef(model)

    def loss(params, head, batch_stats, x):
      merged = nnx.merge(graphdef, params, batch_stats, copy=True)
      out = logits(name, head, features(merged, x, train=True))
      return jnp.square(out).mean(), (out, nnx.state(merged, nnx.BatchStat))

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (value, (out, moved)), gradients = step(params, head, batch_stats, case.x.astype(np.float64))
    assert out.dtype == jnp.float64
    assert relative(out, case.outputs["logits_train"]) < 1e-6
    np.testing.assert_allclose(float(value), case.outputs["loss_train"], rtol=1e-6)
    by_name = {torch_name(path, model): leaf[...] for path, leaf in nnx.to_flat_state(gradients[0])}
    check_gradients(by_name | gradients[1], case.facts["grad_norms"])
    check_statistics(moved, model, case.facts["batch_stats_after_one_step"])


def check_gradients(gradients, norms):
  assert set(gradients) == set(norms)
  largest = max(norms.values())
  for name, expected in norms.items():
    norm = float(np.linalg.norm(np.asarray(gradients[name], np.float64)))
    tolerance = 1e-4 * expected if expected > 1e-6 * largest else 1e-6 * largest
    assert abs(norm - expected) <= tolerance, f"{name}: {norm}, expected {expected}"


def check_statistics(moved, model, expected):
  flat = nnx.to_flat_state(moved)
  assert {torch_name(path, model) for path, _ in flat} == set(expected)
  for path, leaf in flat:
    value = np.asarray(leaf[...], np.float64)
    found = [value.mean(), value.std(ddof=1)]
    np.testing.assert_allclose(found, expected[torch_name(path, model)], rtol=1e-6, atol=1e-6)
