"""Traces of compiled programs become tables that explain all of the time."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from jax import lax

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"

GPU_TEXT = """HloModule jit_step, is_scheduled=true

%fused (param_0: bf16[64,9], param_1: s32[]) -> bf16[1,9] {
  %param_0 = bf16[64,9]{1,0} parameter(0)
  %param_1 = s32[] parameter(1)
  ROOT %row = bf16[1,9]{1,0} dynamic-slice(%param_0, %param_1, %param_1), dynamic_slice_sizes={1,9}
}

ENTRY %main (x: bf16[4,8,8,16], kernel: bf16[32,3,3,16]) -> bf16[32,3,3,16] {
  %x = bf16[4,8,8,16]{3,2,1,0} parameter(0)
  %kernel = bf16[32,3,3,16]{3,2,1,0} parameter(1)
  %forward = (bf16[4,8,8,32]{3,2,1,0}, u8[0]{0}) custom-call(%x, %kernel), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward", metadata={op_name="jit(step)/jvp(loss)/layer1/conv/conv_general_dilated"}
  %y = bf16[4,8,8,32]{3,2,1,0} get-tuple-element(%forward), index=0
  %input = (bf16[4,8,8,16]{3,2,1,0}, u8[9]{0}) custom-call(%y, %kernel), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardInput", metadata={op_name="jit(step)/transpose(jvp(loss))/layer1/conv/conv_general_dilated"}
  ROOT %weight = (bf16[32,3,3,16]{3,2,1,0}, u8[9]{0}) custom-call(%x, %y), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardFilter", metadata={op_name="jit(step)/transpose(jvp(loss))/layer1/conv/conv_general_dilated"}
  %flat = bf16[256,16]{1,0} bitcast(%x)
  %gemm = (bf16[16,16]{1,0}, s8[9]{0}) custom-call(%flat, %flat), custom_call_target="__cublas$lt$matmul", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["0"],"rhs_contracting_dimensions":["0"]}}}
  %at = s32[] constant(3)
  %rows = bf16[64,9]{1,0} broadcast(%at), dimensions={}
  %taken = bf16[1,9]{1,0} fusion(%rows, %at), kind=kLoop, calls=%fused
  %sum = bf16[16]{0} all-reduce(%gemm), to_apply=%fused
}
"""  # noqa: E501


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_library_calls_of_gpus_are_counted_and_named():
  import kinds
  from hlo_text import Module

  module = Module(GPU_TEXT)
  work = 4 * 8 * 8 * 32 * 9 * 16
  for name, kind in (
    ("forward", kinds.FORWARD),
    ("input", kinds.INPUT_GRADIENT),
    ("weight", kinds.WEIGHT_GRADIENT),
  ):
    each = module.instructions[name]
    assert (module.multiply_adds(each), kinds.kind_of(each, module)) == (work, kind)
    assert kinds.stage_of(each, module) == "layer1"
  gemm = module.instructions["gemm"]
  assert (module.multiply_adds(gemm), kinds.kind_of(gemm, module)) == (16 * 16 * 256, kinds.PRODUCT)
  assert kinds.kind_of(module.instructions["sum"], module) == kinds.COLLECTIVE
  assert kinds.kind_of(None, module) == kinds.UNKNOWN


def test_what_stands_between_winograds_products_belongs_to_the_convolution():
  import kinds
  from hlo_text import Module

  scopes = {
    "jvp(loss)/layer1/conv/winograd": kinds.FORWARD,
    "transpose(jvp(loss))/layer1/conv/winograd": kinds.INPUT_GRADIENT,
    "transpose(jvp(loss))/layer1/conv/winograd/weight_gradient": kinds.WEIGHT_GRADIENT,
    "jvp(loss)/layer1/conv": kinds.ELEMENTWISE,
  }
  lines = [
    f'  %sum.{number} = f32[8]{{0}} add(%x, %x), metadata={{op_name="jit(step)/{scope}/add"}}'
    for number, scope in enumerate(scopes)
  ]
  module = Module(
    "\n".join(["ENTRY %main (x: f32[8]) -> f32[8] {", "  %x = f32[8]{0} parameter(0)", *lines, "}"])
  )
  for number, kind in enumerate(scopes.values()):
    assert kinds.kind_of(module.instructions[f"sum.{number}"], module) == kind


def test_of_what_is_sliced_only_the_slices_are_counted():
  from hlo_text import Module

  module = Module(GPU_TEXT)
  assert module.num_bytes(module.instructions["taken"]) == 2 * 9 + 4 + 2 * 9  # a row, the place, a row
  assert module.num_bytes(module.instructions["flat"]) == 2 * 2 * 256 * 16


def test_workspaces_are_not_counted_as_bytes():
  from hlo_text import Module

  module = Module(GPU_TEXT)
  x, kernel, y = 2 * 4 * 8 * 8 * 16, 2 * 32 * 9 * 16, 2 * 4 * 8 * 8 * 32
  assert module.num_bytes(module.instructions["weight"]) == x + y + kernel
  assert module.num_bytes(module.instructions["gemm"]) == 2 * 2 * 256 * 16 + 2 * 16 * 16
  assert module.num_bytes(module.instructions["at"]) == 4


def test_a_trace_that_names_nothing_says_what_it_has(tmp_path):
  import traces
  from jax.profiler import ProfileData

  text = """planes {
    name: "/device:GPU:0"
    event_metadata { key: 1 value { id: 1 name: "kernel" } }
    stat_metadata { key: 1 value { id: 1 name: "correlation_id" } }
    lines { name: "Stream #1" events { metadata_id: 1 duration_ps: 5 stats { metadata_id: 1 uint64_value: 3 } } }
  }"""
  path = tmp_path / "x.xplane.pb"
  path.write_bytes(ProfileData.text_proto_to_serialized_xspace(text))
  with pytest.raises(LookupError, match=r"jit_step .*correlation_id"):
    traces.read(path, "jit_step")


def test_time_is_divided_among_what_runs_at_once():
  from traces import Event, share_out

  events = [
    Event("loop", 0, 10e9),
    Event("a", 1e9, 5e9),
    Event("b", 3e9, 5e9),
    Event("none", 4e9, 4e9),
    Event("c", 12e9, 14e9),
  ]
  shares = share_out(events, lambda name: name == "loop")
  assert shares.seconds == pytest.approx({"loop": 6, "a": 3, "b": 1, "c": 2})
  assert (shares.window, shares.busy) == pytest.approx((14, 12))
  assert shares.counts["none"] == 1


@jax.named_scope("layer1")
def layer(x, kernel):
  with jax.named_scope("conv"):
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
  with jax.named_scope("batch_norm"):
    return jax.nn.relu(y - y.mean((0, 1, 2)))


def test_a_traced_step_is_explained(benchmark_path):
  import operations
  import traces

  def traced_step(params, x):
    with jax.named_scope("loss"):
      loss = lambda params: jnp.square(layer(layer(x, params["kernel"]), params["kernel"])).sum()  # noqa: E731
      gradient = jax.grad(loss)(params)
    with jax.named_scope("optimizer"):
      return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

  params, x = {"kernel": jnp.full((3, 3, 8, 8), 0.01)}, jnp.ones((2, 16, 16, 8))
  step = jax.jit(traced_step)
  jax.block_until_ready(step(params, x))
  devices = traces.record(lambda: jax.block_until_ready(step(params, x)), 2, "jit_traced_step")
  module = traces.compiled_module("jit_traced_step", {e.instruction for events in devices for e in events})
  rows, window, busy = operations._instructions(devices, module, 2)
  assert 0 < busy <= window
  assert sum(row["seconds"] for row in rows) == pytest.approx(busy)
  ceilings = {"matmul_flops_per_second": 1e11, "copy_bytes_per_second": 1e10}
  kinds = operations._table(rows, "kind", operations.KINDS, window, window - busy, ceilings)
  one = 2 * 16 * 16 * 8 * 9 * 8
  counted = [
    kinds[k]["multiply_adds"]
    for k in ("convolution", "convolution, input gradient", "convolution, weight gradient")
  ]
  assert counted == [2 * one, one, 2 * one]  # the first layer's input needs no gradient
  assert sum(row["share"] for row in kinds.values()) == pytest.approx(1, abs=0.01)
  assert "not attributed" not in kinds
  stages = operations._table(rows, "stage", operations.STAGES, window, 0, ceilings)
  assert {"layer1", "optimizer"} <= set(stages)
  with pytest.raises(LookupError, match="jit_nothing"):
    traces.compiled_module("jit_nothing", set())
  with pytest.raises(LookupError, match="jit_nothing"):
    traces.record(lambda: jax.block_until_ready(step(params, x)), 1, "jit_nothing")


@pytest.mark.slow
def test_command_attributes_nearly_all_of_the_time(tmp_path):
  out = tmp_path / "operations.json"
  command = [
    sys.executable,
    "benchmarks/operations.py",
    "--small",
    "--arch",
    "resnet18",
    "--steps",
    "1",
    "--out",
    str(out),
  ]
  # A clip cannot be divided among the devices that the tests force.
  environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
  done = subprocess.run(
    command, cwd=BENCHMARKS.parent, env=environment, capture_output=True, text=True, check=True
  )
  assert "optimizer" in done.stdout
  found = json.loads(out.read_text())["models"]["resnet18"]
  assert found["train"]["not_attributed"] < 0.01
  assert found["train"]["without_stage"] < 0.05
  assert {"stem", "layer4", "transformer", "heads", "optimizer"} <= set(found["train"]["stages"])
  assert found["embed"]["kinds"]["convolution"]["multiply_adds"] > 0


def test_wrong_arguments_are_told_at_once():
  command = [sys.executable, "benchmarks/operations.py", "--arch", "resnet19", "--steps", "0"]
  done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True)
  assert done.returncode == 2
  assert "resnet19" in done.stderr
  assert "--steps 0" in done.stderr
