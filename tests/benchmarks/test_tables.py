"""The pages' tables: they are what the results say, and missing figures are told."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def copy(tmp_path):
  """The two pages and all results, to be changed."""
  (tmp_path / "docs").mkdir()
  for page in ("README.md", "docs/performance.md"):
    shutil.copy(ROOT / page, tmp_path / page)
  shutil.copytree(ROOT / "benchmarks/results", tmp_path / "results")
  return tmp_path


def test_pages_hold_what_the_results_say():
  done = subprocess.run(
    [sys.executable, "benchmarks/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_result_is_found_and_written(copy, capsys):
  import tables

  path = copy / "results/evaluate-cpu.json"
  result = json.loads(path.read_text())
  result["evaluation"]["ratio"]["released / ours"] = 0.123
  path.write_text(json.dumps(result))
  assert tables.run(copy, copy / "results", check=True) == 1
  told = capsys.readouterr().out
  assert "README.md: readme differ" in told
  assert "docs/performance.md: aims, evaluation differ" in told
  assert tables.run(copy, copy / "results", check=False) == 0
  assert tables.run(copy, copy / "results", check=True) == 0
  page = (copy / "README.md").read_text()
  told = "scoring 13,320 videos × 101 classes and ten halves 0.12: no reason was looked for"
  assert told in " ".join(page.split())


def test_a_hand_in_a_table_is_found(copy):
  import tables

  path = copy / "README.md"
  path.write_text(
    path.read_text().replace("| R3D-18: training step; embedding | PyTorch eager | ", "| R3D-18 | eager | 9")
  )
  assert tables.run(copy, copy / "results", check=True) == 1


def test_without_any_result_every_table_says_so(tmp_path):
  import tables
  from table_cells import Stored

  for name, make in tables.TABLES.items():
    text = make(Stored(tmp_path))
    assert text, name
  assert "Not measured" in tables.TABLES["readme"](Stored(tmp_path))
  assert "H200 are missing" in tables.TABLES["accelerator"](Stored(tmp_path))


def test_every_ratio_below_one_is_told_with_a_reason():
  import table_ratios
  from table_cells import Stored, times

  stored = Stored(ROOT / "benchmarks/results")
  told = table_ratios.below_one(stored)
  for row in table_ratios.rows(stored):
    for one in row.ratios:
      assert one.reason in table_ratios.REASONS
      if one.value is not None and one.value < 1:
        assert times(one.value) in told


def test_a_slower_model_is_told_with_its_own_reason_and_shares(tmp_path):
  import table_ratios
  from table_cells import Stored

  used = {"ours": 0.3, "torch": 0.5, "torch_compiled": 0.6}
  train = {"ratio": {"torch": 0.6, "torch_compiled": 0.5}, "utilization": used}
  embed = {"ratio": {"torch": 0.9, "torch_compiled": 1.1}}
  (tmp_path / "models-cpu.json").write_text(
    json.dumps({"models": {"googlenet": {"train": train, "embed": embed}}})
  )
  shared = {"rest101": {"ratio": 0.99}, "rest18": {"ratio": 0.98}}
  (tmp_path / "embedding-cpu.json").write_text(json.dumps({"models": shared}))
  told = " ".join(table_ratios.below_one(Stored(tmp_path)).split())
  assert "ResT GoogLeNet training step 0.60 (30 % and 50 %): training of many small layers" in told
  assert "ResT GoogLeNet embedding 0.90: probably PyTorch's convolutions" in told
  assert "ResT GoogLeNet training step 0.50 (30 % and 60 %): probably the same" in told
  assert "ResT-101 0.99: its 25 clips" in told
  assert "ResT-18 0.98: no reason was looked for" in told


@pytest.mark.parametrize(
  "emptied",
  ["{}", '{"models": {"c3d": {"train": {}}}, "rows": [{}], "variants": [{}], "imports": {"a": {}}}'],
)
def test_a_result_that_lacks_its_keys_is_not_measured(tmp_path, emptied):
  import tables
  from table_cells import Stored

  for path in (ROOT / "benchmarks/results").glob("*.json"):
    (tmp_path / path.name).write_text(emptied)
  for name in ("input-variants", "feeding", "operations-cpu", "startup-cpu", "scaling-cpu", "models-h200"):
    (tmp_path / f"{name}.json").write_text(emptied)
  (tmp_path / "demo.json").unlink()
  for name, make in tables.TABLES.items():
    text = make(Stored(tmp_path))
    assert "ot measured" in text or name == "accelerator", name
    assert "None" not in text, name


def test_aims_say_what_is_missed(tmp_path):
  import table_aims
  from table_cells import Stored

  rows = {
    "16x224": {"ratio": {"torch_raw": {"clips_per_second": 8.0}, "plain_raw": {"clips_per_second": 14.0}}}
  }
  (tmp_path / "input-cpu.json").write_text(json.dumps({"rows": rows}))
  text = table_aims.aims(Stored(tmp_path))
  assert "skipping what no frame needs | 10 | 8.00 | **missed** |" in text
  assert "against DataLoader + PyAV | 10 | 14.0 | met |" in text
  assert "against DataLoader + PyAV | 12 | not measured | |" in text


def test_an_accelerator_has_a_table_once_it_was_measured(tmp_path):
  import table_models
  from table_cells import Stored

  task = {
    "clips_per_second": {"ours": 1500.4, "torch": 1000.0},
    "ratio": {"torch": 1.5},
    "utilization": {"ours": 0.61},
    "utilization_of_reachable": {"ours": 0.47},
  }
  facts = {"machine": "x86_64, 16 cores", "versions": {"jax": "0.11.0", "torch": None}, "date": "2026-01-02"}
  (tmp_path / "models-h200.json").write_text(
    json.dumps({"models": {"c3d": {"train": task, "embed": task}, "vgg16": {"disagrees": ["x"]}}} | facts)
  )
  text = table_models.accelerator(Stored(tmp_path))
  assert "| C3D, training step | 1,500 | 1.50 | not measured | 47 % |" in text
  assert "| ResT VGG16, training step | not measured |" in text
  assert "x86_64, 16 cores, with jax 0.11.0; 2026-01-02" in text


def test_a_marker_without_its_end_is_wrong_use(copy, capsys):
  import tables

  path = copy / "docs/performance.md"
  path.write_text(path.read_text() + "\n<!-- table: input -->\n")
  assert tables.run(copy, copy / "results", check=True) == 2
  path.write_text((ROOT / "docs/performance.md").read_text().replace("table: input", "table: inputs"))
  assert tables.run(copy, copy / "results", check=True) == 2
  assert "inputs" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("value", "digits", "text"),
  [
    (0.428, 2, "0.43"),
    (1.068, 3, "1.07"),
    (19.08, 3, "19.1"),
    (131.99, 3, "132"),
    (1234.5, 3, "1,234"),
    (None, 3, "not measured"),
  ],
)
def test_digits(value, digits, text):
  from table_cells import number

  assert number(value, digits) == text
