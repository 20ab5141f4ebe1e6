"""How cost grows: the fits, and one cheap axis from the command line."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def points(xs, cost):
  return [{"x": x, "work": 10 * x, "seconds": cost(x)} for x in xs]


def test_a_line_through_zero_has_exponent_one():
  from scaling_fits import fitted

  fit = fitted(points((1, 2, 4, 8), lambda x: 0.5 * x), "work")
  assert fit["exponent"] == 1
  assert fit["per_unit"] == pytest.approx(0.05)
  assert fit["deviation"] == 0


def test_what_is_paid_once_is_found():
  from scaling_fits import fitted

  fit = fitted(points((1, 2, 4, 8), lambda x: 3 + 0.5 * x), "work")
  assert fit["fixed"] == pytest.approx(3)
  assert fit["exponent"] < 0.5
  assert fit["deviation"] < 1e-6


def test_the_point_off_the_line_is_named():
  from scaling_fits import fitted

  fit = fitted(points((1, 2, 4, 8, 16), lambda x: x * (1.5 if x == 8 else 1)), "work")
  assert fit["at"] == 8
  assert 0.1 < fit["deviation"] < 0.5


def test_a_cost_that_does_not_grow_lies_on_a_level_line():
  from scaling_fits import fitted

  fit = fitted(points((1, 2, 4, 8), lambda x: 2 - 0.001 * x), "work")
  assert fit["fixed"] == pytest.approx(2, rel=0.01)
  assert fit["per_unit"] == 0
  assert fit["deviation"] < 0.01
  assert abs(fit["exponent"]) < 0.01


def test_devices_are_compared_with_one_and_have_no_exponent(tmp_path):
  import scaling
  import table_cpu
  from table_cells import Stored

  made = [
    {"x": 1, "seconds": 2.0, "times_one_device": 1.0},
    {"x": 8, "seconds": 2.5, "times_one_device": 1.25},
  ]
  axes = {"devices": {"a step": {"unit": "devices", "predicted": "", "points": made}}}
  assert "1.25 x one device" in scaling.table({"axes": axes})
  (tmp_path / "scaling-cpu.json").write_text(json.dumps({"axes": axes}))
  text = table_cpu.scaling(Stored(tmp_path))
  assert "| a step | 8 | 2.50 s | 1.25 | – |" in text
  assert "exponent" not in text


def test_every_axis_is_there():
  import scaling
  import scaling_axes

  assert tuple(scaling_axes.AXES) == scaling.AXES


def test_an_unknown_axis_is_wrong_use():
  command = [sys.executable, "benchmarks/scaling.py", "--axes", "batch,colour", "--rounds", "0"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert "colour" in done.stderr
  assert "--rounds" in done.stderr


@pytest.mark.slow
def test_small_axes(tmp_path):
  command = [
    sys.executable,
    "benchmarks/scaling.py",
    "--small",
    "--rounds",
    "1",
    "--out",
    str(tmp_path / "s.json"),
  ]
  subprocess.run(
    [*command, "--axes", "frames,clips,classes,videos"], cwd=ROOT, check=True, capture_output=True
  )
  result = json.loads((tmp_path / "s.json").read_text())
  assert set(result["axes"]) == {"frames", "clips", "classes", "videos"}
  for cases in result["axes"].values():
    for case in cases.values():
      assert len(case["points"]) == 2
      assert all(point["seconds"] > 0 for point in case["points"])


def test_names_of_a_made_up_index_are_one_whole(tmp_path):
  import made_up

  from zsar_jax.data.index import open_index

  made_up.sparse_index(tmp_path, 300, 2, 3)
  index = open_index(tmp_path)
  assert len(set(index.video_ids(range(300)))) == 300
  assert index.video_id(299).endswith("_000299")
