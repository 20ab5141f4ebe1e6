"""One device, eight, and two processes of four are the same run."""

import numpy as np
import pytest
from running import DEMOS, arguments, demo_keys, ended, read_metrics, start, start_two

REST, E2E = DEMOS
# Small rates: with large ones training magnifies the rounding of another order of summation tenfold every few steps.
RATES = {"train__joint__learning_rate": 5e-5, "train__warmup__learning_rate": 5e-5}
# The loss is continuous, its gradient is not: where the input of a ReLU is within rounding of 0 it jumps. Parameters moved by 1e-7 on
# one device move E2E's gradient norm by 2e-4 and its loss by 1e-7. Sums over devices or micro-batches that are wrong are wrong by factors.
RTOL = {"loss": 1e-4, "grad_norm": 1e-2}
ACCUMULATED = {"train__batch_size": 32, "train__accumulate": 2}
GROUPS = {"train__batch_size": 16, "model__bn_group_size": 2}
BOTH = ACCUMULATED | {"model__bn_group_size": 2}
WHOLE = {"train__batch_size": 16}
SHAPES = [("whole", WHOLE), ("accumulated", ACCUMULATED), ("groups", GROUPS), ("both", BOTH)]
# name: devices of a process, how it is started, what the run says of them
TOPOLOGIES = {
  "1": (1, start, "1 x cpu"), "8": (8, start, "8 x cpu"), "2x4": (4, start_two, "8 x cpu (cpu) in 2 processes")
}  # fmt: skip


@pytest.mark.parametrize(
  ("config", "how"),
  [
    pytest.param(config, how, id=f"{method}-{name}", marks=[] if fast else pytest.mark.slow)
    for method, config in (("rest", REST), ("e2e", E2E))
    for name, how in SHAPES
    for fast in [(method, name) == ("rest", "groups")]
  ],
)
def test_twenty_steps(config, how, data_dir, tmp_path):
  steps = (
    {"train__warmup__steps": 6, "train__joint__steps": 14} if config == REST else {"train__joint__steps": 20}
  )
  keys = demo_keys(config, data_dir, **steps, **RATES, **how)
  told = {}
  for name, (devices, starts, says) in TOPOLOGIES.items():
    argv = arguments(config, tmp_path / name, keys)
    processes = [starts(argv, devices)] if starts is start else starts(argv, devices)
    ends = [ended(process) for process in processes]
    assert all(code == 0 for code, *_ in ends), ends
    first, *others = [out for _, out, _ in ends]
    assert says in first
    assert not any(others), "only the first process prints"
    told[name] = [line for _, line in sorted(read_metrics(tmp_path / name).items())]
  for name in ("8", "2x4"):
    for key in ("loss", "grad_norm"):
      got, expected = ([line[key] for line in told[which]] for which in (name, "1"))
      assert len(got) == 20
      print(f"{config} {name} {key}: {np.max(np.abs(np.divide(got, expected) - 1)):.2e}")
      np.testing.assert_allclose(got, expected, rtol=RTOL[key])
    assert [line["batches"] for line in told[name]] == [line["batches"] for line in told["1"]]
