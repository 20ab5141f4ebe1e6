import json
import os
import pathlib
import subprocess
import sys

import pytest

BENCHMARK = pathlib.Path(__file__).parents[2] / "benchmarks" / "evaluate.py"


@pytest.mark.slow
def test_the_benchmark_at_a_twentieth_of_its_size(tmp_path):
  environment = os.environ | {"PYTHONPATH": str(BENCHMARK.parents[1])}
  out = tmp_path / "result.json"
  command = [sys.executable, BENCHMARK, "--json", "--small", "--rounds", "1", "--out", out]
  done = subprocess.run(
    command, cwd=BENCHMARK.parents[1], env=environment, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout)
  assert result == json.loads(out.read_text())
  assert set(result["evaluation"]["ratio"]) == {
    *("released / ours", "scipy / ours", "released / ours, whole rows", "released, 25 clips / ours, 25 clips")
  }
  assert set(result["transfer"]["101 x 664"]["seconds"]) == {"closed form", "reduced program", "full program"}
