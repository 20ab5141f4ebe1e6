"""What start-up's benchmark makes of the times that runs give it, and that its clocks find every phase."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import startup  # noqa: E402
import startup_runs  # noqa: E402

from zsar_jax.train.progress import TrainProgress  # noqa: E402


def span(phase, start, seconds, thread="MainThread"):
  return {"phase": phase, "thread": thread, "start": start, "seconds": seconds}


def test_phases_exclude_those_inside_them_and_sum_to_the_whole():
  spans = [
    span("compiling", 3, 2), span("model", 2.5, 3), span("data", 1, 1), span("import tensorflow", 1.5, 9, "feed"), span("compiling", 6, 1),
  ]  # fmt: skip
  found = startup_runs.summary({"seconds": 10.0, "first_step": 8.5, "spans": spans})
  assert found["phases"] == {"data": 1, "model": 1, "compiling": 3, "rest": 5}
  assert found["beside"] == {"import tensorflow": 9}
  assert sum(found["phases"].values()) == found["seconds"] == 10
  assert found["first_step_seconds"] == 8.5


def test_a_run_tells_its_first_step_once_and_the_benchmark_reads_it(capsys):
  with TrainProgress(3, 0, 16) as progress:
    progress.step_done()
    progress.step_done()
  told = startup_runs._FIRST_STEP.findall(capsys.readouterr().out)
  assert len(told) == 1
  assert float(told[0]) > 0


def test_imports_say_what_they_bring_and_what_stands_in_for_the_floor():
  found = startup.imports(["zsar_jax.report", "zsar_jax.main"], ["numpy"], 1)
  assert set(found) == {"floors", "zsar_jax.report", "zsar_jax.main"}
  for name in ("zsar_jax.report", "zsar_jax.main"):
    assert found[name]["floor"] == "numpy"
    assert found[name]["heavy"] == []  # neither JAX nor TensorFlow before it is known what is asked for
  assert "zsar_jax.main" in startup.table({"imports": found})


def test_unknown_parts_are_refused():
  command = [sys.executable, str(ROOT / "benchmarks/startup.py"), "--parts", "imports,demos"]
  done = subprocess.run(
    command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
  )
  assert done.returncode == 2
  assert "demos" in done.stderr


@pytest.mark.slow
def test_a_dry_run_finds_every_phase(tmp_path):
  out = tmp_path / "startup.json"
  command = [sys.executable, "benchmarks/startup.py", "--small", "--out", str(out)]
  done = subprocess.run(
    command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(out.read_text())
  states = result["first_step"]["e2e"]
  assert {
    "imports",
    "data",
    "videos",
    "records",
    "model",
    "compiling",
    "import tensorflow",
    "waiting for batches",
  } <= set(states["fresh"]["phases"])
  assert "videos" not in states["warm"]["phases"]
  phases = result["demo"]["e2e"]["phases"]
  assert {
    "training, joint phase",
    "validation",
    "checkpoints",
    "embedding",
    "scoring",
    "results",
    "report page",
  } <= set(phases)
  assert set(result["typo_seconds"]) == {"key", "data_set", "class"}
