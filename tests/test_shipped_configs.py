"""Every shipped config runs, shrunk: two steps a phase and one evaluation, on data sets of the papers' names."""

import json
import pathlib

import pytest
from running import TINY, arguments, demo_keys

from zsar_jax import main
from zsar_jax.data import synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.records import Entry

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = [f"configs/{path.name}" for path in sorted((ROOT / "configs").glob("*.py"))] + [
  "configs/demo.py:e2e"
]
# A few classes in each data set's own spelling; "archery" is in two of them and must be removed from the seen ones.
DATA_SETS = {
  "kinetics700": ("abseiling", "archery", "brush painting", "air drumming"),
  "ucf101": ("Archery", "BabyCrawling", "BenchPress", "Biking"),
  "hmdb51": ("brush_hair", "cartwheel", "catch", "chew"),
}
SHRUNK = TINY | {
  "vectors": "hash:300",
  "data.short_side": 40,
  "data.crop": 32,
  "data.num_frames": 4,
  "data.stride": 1,
  "model.bn_group_size": 0,
  "train.joint.steps": 2,
  "checkpoint.every_steps": 100,
}
SMALL_REST = {
  "model.width": 32,
  "model.num_layers": 1,
  "model.num_heads": 2,
  "model.hidden": 64,
  "train.warmup.steps": 2,
}
# The large networks are run whole in tests/models.
SMALL_BACKBONE = {"configs/rest34.py": "resnet_tiny", "configs/rest101.py": "resnet_tiny"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp("data")
  look_alikes = synthetic.CLASS_NAMES[:4]
  synthetic.write_videos(folder / "videos", look_alikes, 3, 0, "studio", size=40, num_frames=6)
  for name, classes in DATA_SETS.items():
    entries = [
      Entry(
        str(synthetic.video_path(folder / "videos", look_alikes[label], i)), label, f"{classes[label]}/{i}"
      )
      for label in range(4)
      for i in range(3)
    ]
    build_records(entries, classes, folder / name, short_side=40)
  return folder


# Vectors made of letters leave some classes without a seen one that is near.
@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
@pytest.mark.parametrize("config", CONFIGS)
def test_config_runs(config, data_dir, tmp_path):
  if config.startswith("configs/demo.py"):
    overrides = demo_keys(config, data_dir, train__joint__steps=2)
  else:
    overrides = SHRUNK | {"data.dir": data_dir} | (SMALL_REST if "rest" in config else {})
    if config in SMALL_BACKBONE:
      overrides |= {"model.backbone": SMALL_BACKBONE[config]}
  assert main.main(arguments(str(ROOT / config), tmp_path, overrides)) == 0
  report = json.loads((tmp_path / "report.json").read_text())
  if not config.startswith("configs/demo.py"):
    assert report["seen_classes"] == ["abseiling", "brush painting", "air drumming"]
    assert report["removed_classes"] == [{"class": "archery", "collides_with": "Archery", "distance": 0.0}]
    assert {row["dataset"] for row in report["evaluations"] if row["protocol"] == "all"} == {
      "ucf101",
      "hmdb51",
    }
