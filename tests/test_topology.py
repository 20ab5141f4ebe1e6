"""What devices exchange: the formula against compiled steps, the time it takes, and what hosts read."""

import json
import pathlib
import re
import secrets
import sys

import jax
import pytest

from zsar_jax import accounting, costs, scale, topology
from zsar_jax import config as configs
from zsar_jax.topology import (
  LATENCY_BETWEEN,
  LATENCY_INSIDE,
  LINKS,
  Topology,
  make_topology,
  topology_problems,
)
from zsar_jax.train.sharding import make_mesh
from zsar_jax.train.state import Network, init_state, make_stages
from zsar_jax.train.step import make_train_step
from zsar_jax.types import ClipBatch

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"
SMALL = {"data.short_side": "24", "data.crop": "24", "model.num_layers": "1", "model.hidden": "96"}
WIDTHS = {"f32": 4, "bf16": 2, "s32": 4}


def _load(name, **keys):
  overrides = {key.replace("__", "."): str(value) for key, value in keys.items()}
  return configs.load(f"{CONFIGS / 'demo.py'}:{name}".removesuffix(":"), SMALL | overrides)


def _exchange(config):
  """By formula, on the eight devices of the tests."""
  classes = accounting.find_classes(config, 12)
  return scale.exchange_of(config, costs.costs_of(config, classes, 8), 8)


def _lowered(config):
  """The main phase's step, for eight devices."""
  classes = accounting.find_classes(config, 12)
  subject = accounting.make_subject(accounting.native_of(config), classes.seen)
  graphdef, params, stats = subject.network
  stage = make_stages(config, subject.method, params, 100)[-1]
  state = jax.eval_shape(lambda p, s: init_state(Network(graphdef, p, s), stage), params, stats)
  clips, rows = subject.batch(config.train.batch_size)._asdict(), subject.batch(config.train.batch_size).label
  batch = ClipBatch(**{name: clips.get(name, rows) for name in ClipBatch._fields})
  return make_train_step(config, graphdef, stage, make_mesh()).lower(state, batch)


def _all_reduces(text):
  """(is it in a loop, bytes) of every all-reduce of an HLO text."""
  found, entry = [], False
  for line in text.splitlines():
    if line and not line.startswith(" "):
      entry = line.startswith("ENTRY")
    match = re.search(r"= (.*?) all-reduce(?:-start)?\(", line)
    if match:
      sizes = re.findall(r"\b([a-z]+\d+)\[([\d,]*)\]", match[1])
      found.append((not entry, sum(WIDTHS[dtype] * _product(shape) for dtype, shape in sizes)))
    assert not re.search(r"= .*? (all-gather|all-to-all|collective-permute|reduce-scatter)\(", line), line
  return found


def _product(shape):
  product = 1
  for size in filter(None, shape.split(",")):
    product *= int(size)
  return product


def test_formula_equals_the_compiled_step(tmp_path):
  """In bfloat16, as partitioned: CPUs add up in float32 in the end. Inside the loop over micro-batches, every time."""
  # A fresh seed: a program that some cache holds would leave no dump.
  config = _load("", model__dtype="bfloat16", model__bn_group_size=2, train__accumulate=2, train__batch_size=32,
                 train__joint__optimizer="sgd", seed=secrets.randbelow(2**31))  # fmt: skip
  options = {"xla_dump_to": str(tmp_path), "xla_dump_hlo_pass_re": "spmd-partition.*"}
  options |= {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}  # it is never run
  _lowered(config).compile(options)
  (dump,) = tmp_path.glob("*after_spmd-partitioning*")
  found = _all_reduces(dump.read_text())
  assert all(in_loop for in_loop, _ in found)
  exchange = _exchange(config)
  # Sums that two gradients share are one in the compiled step: of a token and of its place.
  assert 2 * sum(size for _, size in found) == pytest.approx(exchange.num_bytes, rel=2e-3)
  assert exchange.num_exchanges == 2


@pytest.mark.slow
@pytest.mark.parametrize(
  ("name", "keys"),
  [
    ("e2e", {"model__bn_group_size": 0}),
    ("e2e", {"model__bn_group_size": 2}),
    ("e2e", {"model__bn_group_size": 0, "train__accumulate": 2, "train__batch_size": 32}),
    ("", {"model__bn_group_size": 2, "model__freeze_backbone": True, "model__init_from": "weights"}),
    ("", {"model__bn_group_size": 2, "model__remat": True}),
  ],
)
def test_formula_equals_other_compiled_steps(name, keys):
  config = _load(name, **keys)
  found, exchange, times = (
    _all_reduces(_lowered(config).compile().as_text()),
    _exchange(config),
    config.train.accumulate,
  )
  assert times * sum(size for _, size in found) == pytest.approx(exchange.num_bytes, rel=2e-3)
  assert times * len(found) <= exchange.num_exchanges + 2  # the CPU compiler keeps whole numbers apart


def test_gradients_of_what_is_trained():
  config = _load("", model__bn_group_size=2)
  classes = accounting.find_classes(config, 12)
  whole = costs.costs_of(config, classes, 8)
  params = whole.reference.params
  trained = accounting.num_bytes(params) - accounting.num_bytes(params["warmup_head"])
  assert whole.gradient.num_bytes == trained
  assert whole.gradient.statistics_bytes == accounting.num_bytes(whole.reference.batch_stats)
  frozen = _load("", model__bn_group_size=2, model__freeze_backbone=True, model__init_from="weights")
  gradient = costs.costs_of(frozen, classes, 8).gradient
  assert gradient.num_bytes == trained - accounting.num_bytes(params["backbone"])
  assert gradient.statistics_bytes == 0
  moving = _load(
    "",
    model__bn_group_size=2,
    model__freeze_backbone=True,
    model__init_from="weights",
    model__freeze_bn=False,
  )
  assert costs.costs_of(moving, classes, 8).gradient.statistics_bytes == whole.gradient.statistics_bytes


def test_gradients_in_bfloat16():
  """Of weights and biases half as long; norms and the table of words stay float32."""
  keys = {"model__bn_group_size": 2, "train__batch_size": 16}
  full, half = (_exchange(_load("", model__dtype=dtype, **keys)) for dtype in ("float32", "bfloat16"))
  assert 0.5 < half.gradient_bytes / full.gradient_bytes < 0.6
  assert half.batch_norm_bytes == full.batch_norm_bytes


def test_one_device_exchanges_nothing():
  config = _load("")
  found = costs.costs_of(config, accounting.find_classes(config, 12))
  report = scale.exchange_report(config, found, make_topology("cpu"), 100.0)
  assert (report["sent_bytes"], report["exchanges"], report["seconds"], report["share"]) == (0, 0, 0, 0)
  assert report["clips_per_second"] == pytest.approx(100)


def test_ring_inside_and_between_islands():
  links = LINKS["h200"]
  assert topology.all_reduce_seconds(make_topology("h200"), 1e9, 3) == 0
  inside = 2 * 7 / 8 * 1e9 / links.inside
  assert topology.all_reduce_seconds(make_topology("h200", 8), 1e9, 3) == pytest.approx(
    inside + 3 * LATENCY_INSIDE
  )
  between = 2 * 7 / 8 * 1e9 / 8 / links.between
  whole = inside + between + LATENCY_INSIDE + LATENCY_BETWEEN
  assert topology.all_reduce_seconds(make_topology("h200", 64), 1e9, 1) == pytest.approx(whole)
  alone = Topology("h200", 4, 1)  # one device a host: the network alone
  expected = 2 * 3 / 4 * 1e9 / links.between + LATENCY_BETWEEN
  assert topology.all_reduce_seconds(alone, 1e9, 1) == pytest.approx(expected)
  assert topology.all_reduce_seconds(make_topology("cpu", 4), 1e9, 1) is None


def test_a_pod_is_one_island():
  pod = make_topology("v5e", 256)
  assert (pod.num_hosts, topology.islands(pod)) == (64, (256, 1))
  assert topology.islands(make_topology("v5e", 512)) == (256, 2)
  assert topology.islands(make_topology("h200", 256)) == (8, 32)


def test_defaults_fit_small_machines():
  assert make_topology("h200", 4) == ("h200", 4, 4)
  assert make_topology("cpu", 3) == ("cpu", 3, 1)
  assert all(links.source for links in LINKS.values())


@pytest.mark.parametrize(
  ("device", "num", "per_host", "message"),
  [
    ("h200", 12, 0, "does not fill hosts of 8 devices; use 8 or 16"),
    ("h200", 2, 4, "does not fill hosts of 4 devices; use 4,"),
    ("v5e", 300, 0, "whole pods of 256; use 256 or 512"),
  ],
)
def test_topologies_that_cannot_be(device, num, per_host, message):
  (problem,) = topology_problems(make_topology(device, num, per_host))
  assert message in problem


def test_what_a_host_reads():
  """The README's own measurements come back."""
  keys = {"data.short_side": "128", "data.crop": "112", "data.num_frames": "16"}
  config = configs.load(str(CONFIGS / "demo.py"), keys)
  feed = scale.input_report(config, make_topology("h200", 16), 2 * 652.98)
  assert feed["clips_per_second"] == pytest.approx(652.98)
  assert feed["cores"] == pytest.approx(2)
  assert feed["bytes_per_second"] == pytest.approx(652.98 * 16 * 5121)
  features = configs.load(
    str(CONFIGS / "demo.py"), {"model.backbone": "features", "model.num_features": "32"}
  )
  feed = scale.input_report(features, make_topology("cpu"), 10.0)
  assert (feed["cores"], feed["bytes_per_second"]) == (None, 10 * features.data.num_frames * 32 * 4)


@pytest.mark.slow
def test_the_table_of_the_readme_is_what_describe_says(monkeypatch):
  benchmarks = CONFIGS.parent / "benchmarks"
  monkeypatch.setattr(sys, "path", [str(benchmarks), *sys.path])
  import pod_table

  kept = json.loads((benchmarks / "results" / "pod-table.json").read_text())["rows"]
  fresh = list(pod_table.rows("E2E R(2+1)D-18", "h200"))
  assert [row["devices"] for row in fresh] == [1, 8, 64, 256]
  for row in fresh:
    (same,) = (k for k in kept if all(k[key] == row[key] for key in ("model", "device", "devices")))
    assert all(
      same[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-3))
      for key, value in row.items()
    )
