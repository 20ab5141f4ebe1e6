"""Borrowed weights: what is taken, what stays fresh, what is refused."""

import jax
import numpy as np
import pytest
from flax import nnx

from zsar_jax.errors import InputError
from zsar_jax.models import BACKBONES, E2E, ResT
from zsar_jax.models.weights_dir import Weights, flat, save
from zsar_jax.train.initial import read_source, start_from
from zsar_jax.train.state import Network


def network(model):
  params, batch_stats = (nnx.to_pure_dict(nnx.state(model, kind)) for kind in (nnx.Param, nnx.BatchStat))
  return Network(nnx.graphdef(model), params, batch_stats)


def e2e(seed=0):
  return network(E2E(BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(seed)), 7, rngs=nnx.Rngs(seed)))


def rest(num_classes=3):
  sizes = {"vocabulary_size": 6, "max_words": 2, "num_frames": 4, "width": 8, "num_layers": 1, "num_heads": 2}
  backbone = BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(5))
  return network(ResT(backbone, num_classes=num_classes, hidden=16, **sizes, rngs=nnx.Rngs(5)))


def read(path):
  return read_source(path, "r2plus1d_tiny")


@pytest.fixture
def folder(tmp_path):
  """Weights of a backbone as `zsar_jax.models.weights` writes them, with a classifier that nothing here has a place for."""
  plain = jax.tree.map(np.asarray, e2e(1))
  rest = {"fc.weight": np.zeros((4, 96), np.float32), "bn.num_batches_tracked": np.int64(0)}
  params, batch_stats = plain.params["backbone"], plain.batch_stats["backbone"]
  save(Weights("r2plus1d_tiny", params, batch_stats, rest, ("archery",), {}), tmp_path / "weights")
  return tmp_path / "weights"


@pytest.mark.parametrize("make", [e2e, rest])
def test_a_backbone_is_taken_whole_and_the_rest_is_told(folder, make):
  fresh, given = make(), e2e(1)
  started = start_from(fresh, read(folder), ())
  for part in ("params", "batch_stats"):
    taken, expected = (flat(getattr(n, part)["backbone"]) for n in (started.network, given))
    assert taken.keys() == expected.keys()
    assert all(np.array_equal(taken[name], expected[name]) for name in taken)
  assert set(started.taken) == {"backbone"}
  assert started.left_out == ("fc.weight (4, 96)",)
  others = flat({k: v for k, v in fresh.params.items() if k != "backbone"})
  assert started.fresh == tuple(f"{name} {leaf.shape}" for name, leaf in others.items())
  for name, leaf in others.items():
    assert np.array_equal(flat(started.network.params)[name], leaf)


def test_classes_come_along(folder):
  assert read(folder).classes == ("archery",)


def source_of(network, path):
  arrays = jax.tree.map(np.asarray, network)
  return read(path)._replace(params=arrays.params, batch_stats=arrays.batch_stats, rest=())


def test_a_whole_model_is_taken_but_for_what_is_its_classes_own(folder):
  """ResT's heads and words mean something for the classes they were trained on alone."""
  own = ("warmup_head", "class_head", "word_embedding", "word_head")
  started = start_from(rest(), source_of(rest(num_classes=5), folder), own)
  assert set(started.taken) == {"backbone", "projection", "encoder"}
  assert {name.split("/")[0].split(" ")[0] for name in started.fresh} == set(own)
  assert {name.split("/")[0].split(" ")[0] for name in started.left_out} == set(own)


@pytest.mark.parametrize(("own", "taken"), [((), {"backbone", "regressor"}), (("regressor",), {"backbone"})])
def test_a_regressor_goes_on_in_the_same_space_of_words(folder, own, taken):
  """Pretraining E2E on one data set, then training on another."""
  earlier = e2e(1)
  started = start_from(e2e(), source_of(earlier, folder), own)
  assert set(started.taken) == taken
  same = np.array_equal(started.network.params["regressor"]["kernel"], earlier.params["regressor"]["kernel"])
  assert same == ("regressor" in taken)


def test_another_backbone_is_refused(folder):
  with pytest.raises(InputError, match=r"holds r2plus1d_tiny, but 'model.backbone' is resnet18"):
    read_source(folder, "resnet18")


def test_every_array_that_does_not_fit_is_listed(folder):
  source = read(folder)
  arrays = source.params["backbone"]
  arrays["stem"]["spatial"]["conv"]["kernel"] = np.zeros((1, 3, 3, 48, 5), np.float32)
  del arrays["stem"]["temporal"]["bn"]["bias"]
  arrays["extra"] = np.zeros(2, np.float32)
  with pytest.raises(InputError) as error:
    start_from(e2e(), source, ())
  text = str(error.value)
  assert "backbone/stem/spatial/conv/kernel has shape (1, 3, 3, 48, 5), expected (1, 3, 3, 48, 24)" in text
  assert "missing backbone/stem/temporal/bn/bias (24,)" in text
  assert "unexpected backbone/extra (2,)" in text


def test_nothing_there(tmp_path):
  with pytest.raises(InputError, match=r"holds neither weights .* nor the checkpoints of a run"):
    read(tmp_path / "none")
