"""A run on precomputed features, from arrays to the report (E2E's and ResT's rows of pretrained features)."""

import json
import pathlib

import pytest
from running import WIDTH, arguments, features_keys, make_features

from zsar_jax import main

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  return make_features(tmp_path_factory.mktemp("data"))


@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
@pytest.mark.parametrize(
  "config", [pytest.param("configs/demo.py", marks=pytest.mark.slow), "configs/demo.py:e2e"]
)
def test_a_run_on_features(config, data_dir, tmp_path):
  keys = features_keys(config, data_dir)
  assert main.main(arguments(str(ROOT / config), tmp_path, keys)) == 0
  report = json.loads((tmp_path / "report.json").read_text())
  assert report["seen_classes"] == ["running", "walking"]
  (row,) = [r for r in report["evaluations"] if r["protocol"] == "all" and r["primary"]]
  assert row["num_videos"] == 12


def test_a_wrong_width_and_a_wrong_encoder_are_refused(data_dir, tmp_path, capsys):
  keys = features_keys("configs/demo.py:e2e", data_dir) | {"model.num_features": 8}
  assert main.main(arguments(str(ROOT / "configs/demo.py:e2e"), tmp_path, keys)) == 2
  error = capsys.readouterr().err
  assert f"mine: holds features of {WIDTH} numbers, 'model.num_features' is 8" in error
  keys |= {"model.num_features": 0, "model.backbone": "r2plus1d_tiny"}
  assert main.main(arguments(str(ROOT / "configs/demo.py:e2e"), tmp_path, keys)) == 2
  assert (
    "mine: holds features of 9 numbers, not pictures: use the backbone 'features'" in capsys.readouterr().err
  )
