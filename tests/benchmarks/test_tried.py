"""Ideas give the same numbers where they claim to, and whatever fails is told."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def scale():
  from trial import Scale

  return Scale("float32", frames=1, clips=1, shrink=14, rounds=1)


@pytest.mark.parametrize(
  "name",
  ["space_to_depth_stem", *(pytest.param(name, marks=pytest.mark.slow)
                            for name in ("temporal_matmul", "temporal_native", "padded_stem", "padded_widths", "layout"))],
)  # fmt: skip
def test_same_mathematics(name, scale):
  import trials_layers

  found = trials_layers.TRIALS[name].run(scale)
  assert found["equal"], found
  assert found["ratio"] > 0


def test_different_results_are_told(scale):
  from trial import compare, normal, verdict

  found = compare(lambda x: x, lambda x: 1.01 * x, (normal(0, 4),), scale)
  assert found["difference"] == pytest.approx(0.01, rel=1e-3)
  assert verdict(found).startswith("DIFFERENT")


def test_the_leaf_that_is_furthest_off_decides():
  import jax.numpy as jnp
  from trial import difference

  large, small = 1e4 * jnp.ones(100), jnp.ones(3)
  assert difference((large, small), (large, 1.5 * small)) == pytest.approx(0.5)
  assert difference((large, 0 * small), (large, 0 * small)) == 0
  assert not difference((large, 0 * small), (large, small)) < 1
  assert not difference((large, jnp.nan * small), (large, small)) < 1
  assert not difference((large, small), (jnp.nan * large, small)) < 1


def test_many_updates_are_one_program(monkeypatch):
  import jax
  import jax.numpy as jnp
  import trials_steps

  monkeypatch.setattr(trials_steps, "STEPS", 3)
  update = lambda params, grads, state: (params - state * grads, 2 * state)  # noqa: E731
  params, state = jax.jit(trials_steps._repeated(update))(jnp.zeros(2), jnp.ones(2), jnp.float32(1))
  assert params.tolist() == [-7, -7]
  assert state == 8


@pytest.mark.slow
def test_passes_over_the_activation_are_counted(scale):
  import trials_layers

  passes = trials_layers.conv_bn_relu(scale)["passes"]
  assert passes["reads"] >= 1
  assert passes["writes"] >= 1


def test_every_idea_has_a_prediction():
  import trials_flags
  import trials_layers
  import trials_steps

  both = trials_flags.trials(False) | trials_flags.trials(True)
  for name, trial in (trials_layers.TRIALS | trials_steps.TRIALS | both).items():
    assert trial.prediction, name
    assert trial.idea, name


@pytest.mark.slow
@pytest.mark.parametrize(
  "name", ["tokens_once", "flat_optimizer", "checked_gradient", "remat", "grouped_norm"]
)
def test_ideas_for_steps(name):
  import trials_steps
  from trial import Scale

  found = trials_steps.TRIALS[name].run(Scale("float32", frames=2, clips=1, shrink=4, rounds=1))
  assert found["equal"] is not False, found


@pytest.mark.slow
def test_an_unknown_flag_is_told_and_not_fatal(scale, monkeypatch):
  import trials_flags
  from trial import verdict

  monkeypatch.delenv(
    "XLA_FLAGS", raising=False
  )  # tests force several devices, which a single clip cannot be divided among
  found = trials_flags._against({"XLA_FLAGS": "--xla_of_another_time=1"}, {})(scale)
  assert "xla_of_another_time" in verdict(found)


@pytest.mark.slow
def test_command_writes_what_it_measured(tmp_path):
  out = tmp_path / "tried.json"
  command = [
    sys.executable,
    "benchmarks/tried.py",
    "--small",
    "--only",
    "padded_stem,large_pages",
    "--out",
    str(out),
  ]
  environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
  done = subprocess.run(
    command, cwd=BENCHMARKS.parent, env=environment, capture_output=True, text=True, check=True
  )
  trials = json.loads(out.read_text())["trials"]
  assert set(trials) == {"padded_stem", "large_pages"}
  for name, trial in trials.items():
    assert trial["verdict"] in done.stdout, name
    assert trial["ratio"] > 0, name


def test_the_log_holds_the_results():
  import tried_log

  page = (BENCHMARKS / "results" / "tried.md").read_text()
  assert "\n".join(tried_log.rows()) in page, "run `python benchmarks/tried_log.py`"
