"""Every shipped config runs, shrunk: two steps a phase and one evaluation, on data sets of the papers' names."""

import json
import pathlib

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image
from running import LEFT_OUT, SHIPPED, TINY, arguments, demo_keys

from zsar_jax import main
from zsar_jax.config import load
from zsar_jax.data import synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.models import BACKBONES
from zsar_jax.models.weights_dir import Weights, save

ROOT = pathlib.Path(__file__).parent.parent
# A few classes in each data set's own spelling; "archery" is in two of them and must be removed from the seen ones.
DATA_SETS = {
  "kinetics700": ("abseiling", "archery", "brush painting", "air drumming"),
  "ucf101": ("Archery", "BabyCrawling", "BenchPress", "Biking"),
  "hmdb51": ("brush_hair", "cartwheel", "catch", "chew"),
  "activitynet200": ("Kayaking", "Knitting", "Ironing clothes", "Plataform diving"),
}
SCENES = ("/a/abbey", "/a/airplane_cabin")  # still images
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
# One large network of each method is run whole; all of them are in tests/models.
WHOLE = ("configs/e2e_r2plus1d.py", "configs/rest18.py")
CLIPS = ("e2e", "r2plus1d", "c3d")
# One of each kind runs always; the demos do in test_end_to_end.
FAST = (
  "configs/rest101.py:activitynet",
  "configs/rest_encoder.py:c3d_frozen",
)


def small_backbone(config):
  return "r2plus1d_tiny" if any(name in config for name in CLIPS) else "resnet_tiny"


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
  build_stills(folder)
  return folder


def build_stills(folder):
  entries = []
  for number in range(6):
    path = folder / f"{number}.png"
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    entries.append(Entry(str(path), number % 2, path.name))
  build_records(entries, SCENES, folder / "sun397", short_side=40, kind="image")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
  """Weights of a clip encoder that was trained on one of the unseen classes among others."""
  model = nnx.jit(lambda: BACKBONES["r2plus1d_tiny"](rngs=nnx.Rngs(3)))()
  arrays = (
    jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, k))) for k in (nnx.Param, nnx.BatchStat)
  )
  folder = tmp_path_factory.mktemp("weights") / "tiny"
  save(Weights("r2plus1d_tiny", *arrays, {}, ("baby crawling", "zumba"), {}), folder)
  return folder


# Vectors made of letters leave some classes without a seen one that is near.
@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
@pytest.mark.parametrize(
  "config", [pytest.param(c, marks=() if c in FAST else pytest.mark.slow) for c in SHIPPED]
)
def test_config_runs(config, data_dir, weights, tmp_path):
  overrides = shrunk(config, data_dir, weights)
  assert main.main(arguments(str(ROOT / config), tmp_path, overrides)) == 0
  report = json.loads((tmp_path / "report.json").read_text())
  if config.startswith("configs/demo.py"):
    return
  if config.endswith(":sun397"):
    assert report["seen_classes"] == list(SCENES)
  else:
    assert report["seen_classes"] == ["abseiling", "brush painting", "air drumming"]
    assert report["removed_classes"] == [{"class": "archery", "collides_with": "Archery", "distance": 0.0}]
  scored = {row["dataset"] for row in report["evaluations"] if row["protocol"] == "all"}
  assert scored == {"ucf101", "hmdb51"} | ({"activitynet200"} if config.endswith(":activitynet") else set())
  if "model.init_from" in overrides:
    leaks = [(leak["class"], leak["collides_with"]) for leak in report["pretraining"]["leaks"]]
    assert leaks == [("baby crawling", "BabyCrawling")]


def shrunk(config, data_dir, weights):
  """The overrides that make a paper's run a matter of seconds; its own switches stay."""
  if config.startswith("configs/demo.py"):
    return demo_keys(config, data_dir, train__joint__steps=2)
  given = LEFT_OUT.get(config, {})
  overrides = SHRUNK | given | {"data.dir": data_dir} | (SMALL_REST if "rest" in config else {})
  if config not in WHOLE and not given:
    overrides |= {"model.backbone": small_backbone(config)}
  if load(str(ROOT / config), given).model.init_from:
    overrides |= {"model.init_from": weights}
  return overrides
