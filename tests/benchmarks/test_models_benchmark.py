"""The models' benchmark: weights carried over, sides in processes, limits of memory and time, files that several calls fill."""

import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from zsar_jax.train.state import Network

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
MADE = {"reachable": None, "ceilings": {"matmul_flops_per_second": 100.0, "copy_bytes_per_second": 10.0}}


def need_torch():
  """torchvision is not imported here: a wheel of another torch needs torch_models.py's help for that."""
  pytest.importorskip("torch")
  if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed")


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def machine():
  from model_compare import Machine

  return Machine(accelerator=False, **MADE)


def test_sides_in_processes_answer_fail_and_die():
  from apart import Apart, SideError

  with Apart(dict, {"a": 1}) as side:
    assert side.call("get", "a") == 1
    with pytest.raises(SideError, match="KeyError: 'b'") as error:
      side.call("__getitem__", "b")
    assert not error.value.out_of_memory
    with pytest.raises(SideError) as error:
      side.call("__getitem__", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 5 bytes")
    assert error.value.out_of_memory
    assert side.call("get", "a") == 1
    side._process.kill()
    with pytest.raises(SideError, match="was killed") as error:
      side.call("get", "a")
    assert error.value.out_of_memory
  with Apart(int, "one") as side, pytest.raises(SideError, match="ValueError"):
    side.call("bit_length")


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.", True),
    ("OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB", True),
    ("RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", False),
  ],
)
def test_errors_that_speak_of_memory(text, expected):
  from apart import is_out_of_memory

  assert is_out_of_memory(text) is expected


def drawn_network(method, seed):
  """Random arrays: statistics, scales and biases of 0 and 1 would hide a swap, and compiling an initialiser takes seconds."""
  from flax import nnx

  rng, model = np.random.default_rng(seed), nnx.eval_shape(lambda: method.init_model(seed))

  def draw(path, leaf):
    if path[-1].key in ("var", "scale"):
      return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
    fan_in = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 25
    return (rng.standard_normal(leaf.shape) / np.sqrt(fan_in)).astype(np.float32)

  states = (nnx.to_pure_dict(nnx.state(model, kind)) for kind in (nnx.Param, nnx.BatchStat))
  return Network(nnx.graphdef(model), *(jax.tree_util.tree_map_with_path(draw, state) for state in states))


@pytest.mark.parametrize("name", ["resnet18", pytest.param("r2plus1d_18", marks=pytest.mark.slow)])
def test_pytorch_gives_our_outputs_from_our_weights(name, monkeypatch):
  need_torch()
  import agreement
  from model_cases import CASES, shrunk
  from model_sides import Ours
  from torch_sides import Theirs

  monkeypatch.setattr("zsar_jax.train.state.make_network", drawn_network)
  options = argparse.Namespace(dtype="float32", conv_impl="auto", layout="contiguous", torch_device="cpu")
  case = shrunk(CASES[name])
  ours, theirs = Ours(case, 8, options), Theirs(case, 8, options)
  frames, words = agreement.check_input(case)
  expected, weights = ours.outputs(frames, words), ours.torch_weights()

  def errors():
    found = theirs.outputs(weights, frames, words)
    return {key: agreement.relative(expected[key], found[key]) for key in found}

  assert set(errors()) == (
    {"embedding"} if case.reads_clips else {"embedding", "class_logits", "word_logits"}
  )
  assert not agreement.disagreements(errors())
  swapped = "regressor.weight" if case.reads_clips else "encoder.layers.0.self_attn.in_proj_weight"
  weights[swapped] = weights[swapped][::-1].copy()
  assert any("embedding differs by" in text for text in agreement.disagreements(errors()))
  del weights[swapped]
  with pytest.raises(RuntimeError, match="Missing key"):
    errors()


def test_a_value_that_is_no_number_disagrees(benchmark_path):
  from agreement import disagreements

  assert disagreements({"golden": None, "embedding": 1e-6}) == []
  assert len(disagreements({"golden": float("nan"), "embedding": 0.5})) == 2


def test_shares_of_the_ceiling_and_of_the_floor(machine):
  from model_compare import limits

  work, seconds = {"multiply_adds": 1000, "bytes": 100}, {"ours": [40.0, 50.0, 70.0], "torch": [80.0]}
  found = limits(work, seconds, machine)
  assert found["flops"] == 2000
  assert found["utilization"] == {"ours": 0.4, "torch": 0.25}
  assert (found["floor_seconds"], found["floor_of"]) == (20, "compute")
  assert found["utilization_of_reachable"] is None
  found = limits(work | {"bytes": 400}, seconds, machine._replace(reachable=50.0))
  assert (found["floor_seconds"], found["floor_of"]) == (40, "memory")
  assert found["share_of_floor"] == {"ours": 0.8, "torch": 0.5}
  assert found["utilization_of_reachable"] == {"ours": 0.8, "torch": 0.5}


def test_steps_a_round():
  from ceilings import reachable_rate
  from model_sides import repeats_for

  assert [repeats_for(s, True) for s in (1e-9, 0.1, 3)] == [50, 5, 1]
  assert [repeats_for(s, False) for s in (0.1, 0.7, 3)] == [4, 3, 1]
  assert reachable_rate("NVIDIA H200", "bfloat16") == 790e12
  assert reachable_rate("NVIDIA H200", "float32") is None
  assert reachable_rate("cpu", "bfloat16") is None


def test_ceilings_as_json_or_as_lines(monkeypatch, tmp_path, capsys):
  import ceilings

  monkeypatch.setattr(ceilings, "measure", lambda dtype: MADE["ceilings"])
  out = tmp_path / "ceilings.json"
  monkeypatch.setattr(sys, "argv", ["ceilings.py", "--out", str(out)])
  ceilings.main()
  assert len(capsys.readouterr().out.splitlines()) == 2
  monkeypatch.setattr(sys, "argv", ["ceilings.py", "--json"])
  ceilings.main()
  assert json.loads(capsys.readouterr().out).keys() == json.loads(out.read_text()).keys()


def test_sweep_ends_where_memory_batches_or_time_do(monkeypatch, machine):
  import model_compare
  from apart import SideError
  from model_cases import CASES

  asked = []

  def point(case, batch, task, side, options, machine):
    asked.append((task, side, batch))
    if side == "torch" and batch >= 8:
      raise SideError("OutOfMemoryError: CUDA out of memory.", True)
    if side == "torch_compiled":
      raise SideError("no compiler")
    return {"clips_per_second": batch, "peak_bytes": None}

  monkeypatch.setattr(model_compare, "point", point)
  options = argparse.Namespace(tasks=("train", "embed"), max_batch=16)
  left = iter([True] * 6 + [False])

  sides = ("ours", "torch", "torch_compiled")

  def run(go_on, before=None):
    *_, last = model_compare.sweep(CASES["c3d"], 2, options, machine, sides, go_on, before or {})
    return last

  curves = run(lambda: True)["embed"]
  assert {side: list(curve["batches"]) for side, curve in curves.items()} == {
    "ours": ["2", "4", "8", "16"],
    "torch": ["2", "4"],
    "torch_compiled": [],
  }
  limits = [curve["limit"] for curve in curves.values()]
  assert limits == ["--max_batch 16", "out of memory at 8", "failed at 2: no compiler"]
  half = run(lambda: next(left, False))
  assert half["train"]["torch"]["limit"] == "no time was left for 8"
  assert half["embed"]["ours"] == {"batches": {}, "limit": "no time was left for 2"}
  half["train"]["torch"]["batches"]["4"]["clips_per_second"] = 7  # another call goes on from there
  whole = run(lambda: True, half)
  assert whole["train"]["torch"]["batches"]["4"]["clips_per_second"] == 7
  assert [whole["embed"][side]["limit"] for side in sides] == limits
  asked.clear()
  assert run(lambda: True, whole) == whole
  assert asked == []  # points that failed or had no memory are not tried again


@pytest.fixture
def options(tmp_path, monkeypatch):
  """Of a call that could measure all sides; nothing of PyTorch is used."""
  import models

  with monkeypatch.context() as m:
    m.setattr(importlib.util, "find_spec", lambda name: name)
    return models.parse(["--small", "--arch", "c3d,vgg16", "--out", str(tmp_path / "out.json")])[1]


TASK = {
  "clips_per_second": {"ours": 2.0, "torch": 1.0},
  "ratio": {"torch": 2.0},
  "utilization": {"ours": 0.4},
  "peak_bytes": {"ours": 3_000_000_000, "torch": None},
  "compile_seconds": {"ours": 12.3},
}


def test_smaller_batches_where_memory_ends_and_a_file_after_every_model(monkeypatch, machine, options):
  import models
  from apart import SideError

  written = []

  def compare(case, batch, options, machine, sides):
    written.append(json.loads(options.out.read_text())["models"] if options.out.exists() else {})
    if case.backbone == "c3d":
      return {"batch": batch, "agreement": {"embedding": 0.5}, "disagrees": ["embedding differs by 0.5"]}
    if batch > 2:
      raise SideError("RESOURCE_EXHAUSTED", True)
    return {"batch": batch, "train": TASK, "embed": TASK}

  monkeypatch.setattr(models, "compare", compare)
  options.batch = 8
  result = {"device": "cpu", "dtype": "float32", "torch_layout": "contiguous", "models": {}}
  models.measure_all(options.names, options, machine, result, models.Clock(None))
  assert [list(found) for found in written] == [[], ["c3d"], ["c3d"], ["c3d"]]
  found = json.loads(options.out.read_text())["models"]
  assert found["vgg16"]["batch"] == 2
  assert found["vgg16"]["out_of_memory_at"] == [8, 4]
  text = models.table(result)
  assert "c3d: not measured, embedding differs by 0.5" in text
  assert len(text.splitlines()) == 5
  assert "of ceiling" in text
  for task in ("train", "embed"):
    result["models"]["vgg16"][task] = TASK | {"utilization_of_reachable": {"ours": 0.3}}
  text = models.table(result | {"reachable_flops_per_second": 790e12})
  assert "of reachable" in text
  assert "0.3 " in text
  models.measure_all(["vgg16"], options, machine, result, models.Clock(1e-9))
  assert result["not_measured"] == ["vgg16"]


def test_later_calls_fill_the_same_file(options, capsys):
  import models
  from model_files import SETUP

  parser = argparse.ArgumentParser()
  facts = dict.fromkeys(SETUP, "same")
  assert models.earlier(options.out, facts, parser) == {}
  kept = {"c3d": {"failed": {"all": "x"}}, "vgg16": {"train": TASK, "embed": TASK}}
  models.measuring.save(facts | {"models": kept}, options.out)
  assert models.earlier(options.out, facts, parser)["models"] == kept
  assert models.wanted(["c3d", "vgg16", "r3d_18"], kept, options) == ["r3d_18", "c3d"]
  with pytest.raises(SystemExit) as error:
    models.earlier(options.out, facts | {"dtype": "bfloat16", "device": "other"}, parser)
  told = capsys.readouterr().err
  assert error.value.code == 2
  assert "dtype: same there, bfloat16 here" in told
  assert "device: same there, other here" in told


def test_a_sweep_that_was_killed_or_lacks_a_side_goes_on(options):
  import models

  options.sweep, options.tasks = True, ("embed",)
  curves = {side: {"batches": {"2": {}}, "limit": "--max_batch 2"} for side in options.sides}

  def left(**changed):
    return models.wanted(["c3d"], {"c3d": {"sweep": {"embed": curves | changed}}}, options)

  assert left() == []
  assert left(torch={"batches": {"2": {}}, "limit": None}) == ["c3d"]
  assert left(torch={"batches": {}, "limit": "no time was left for 2"}) == ["c3d"]
  assert models.wanted(["c3d"], {"c3d": {"sweep": {"embed": {"ours": curves["ours"]}}}}, options) == ["c3d"]


def test_pytorch_is_not_measured_in_what_was_left_over(monkeypatch):
  torch = pytest.importorskip("torch")
  from apart import is_out_of_memory
  from torch_sides import Theirs

  theirs = Theirs.__new__(Theirs)
  theirs.device = torch.device("cpu")
  theirs.check_memory()
  theirs.device = torch.device("cuda")
  monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"num_alloc_retries": 2})  # there is no GPU here
  with pytest.raises(torch.OutOfMemoryError, match="2 times") as error:
    theirs.check_memory()
  assert is_out_of_memory(f"{error.type.__name__}: {error.value}")


def test_begins_nothing_that_would_end_too_late(monkeypatch):
  import models

  now = [0.0]
  monkeypatch.setattr(models.time, "monotonic", lambda: now[0])
  clock = models.Clock(10)
  assert clock.go_on()
  now[0] = 250  # it took 250 s, and 350 are left
  assert clock.go_on()
  now[0] = 500
  assert not clock.go_on()
  assert models.Clock(None).go_on()


def test_all_wrong_use_is_told_at_once(capsys):
  import models

  with pytest.raises(SystemExit) as error:
    models.parse(["--arch", "resnet81", "--tasks", "trian", "--rounds", "0", "--add"])
  told = capsys.readouterr().err
  assert error.value.code == 2
  for text in ("unknown --arch resnet81", "unknown --tasks trian", "--rounds is 0", "--add needs --out"):
    assert text in told


@pytest.mark.slow
def test_command_measures_a_small_model_and_sweeps_it(tmp_path):
  need_torch()
  out = tmp_path / "models.json"
  # The benchmark compares one device; tests force several.
  environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}

  def run(*more):
    command = [
      sys.executable,
      "benchmarks/models.py",
      "--small",
      "--rounds",
      "1",
      "--out",
      str(out),
      "--add",
      *more,
    ]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

  assert "vgg16  train" in run()
  assert "--max_batch 2" in run("--sweep", "--max_batch", "2", "--tasks", "embed")
  entry = json.loads(out.read_text())["models"]["vgg16"]
  assert max(entry["agreement"].values()) < 1e-4
  assert set(entry["train"]["clips_per_second"]) == {"ours", "torch"}
  assert entry["train"]["flops"] > 2.9 * entry["embed"]["flops"]
  assert entry["train"]["peak_bytes"]["ours"] > entry["embed"]["peak_bytes"]["ours"]
  assert set(entry["sweep"]["embed"]["ours"]["batches"]) == {"2"}
