"""The config: files, overrides, and every kind of wrong input."""

import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import LEFT_OUT, SHIPPED

from zsar_jax import config as configs
from zsar_jax.errors import InputError

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.parametrize("path", SHIPPED)
def test_shipped_configs_load_and_survive_json(path):
  config = configs.load(str(ROOT / path), LEFT_OUT.get(path))
  assert configs.from_flat(configs.to_flat(config), path) == config
  assert not configs.differences(json.loads(json.dumps(configs.to_dict(config))), config)


def test_papers_values():
  e2e = configs.load(str(ROOT / "configs/e2e_r2plus1d.py"))
  assert (e2e.train.batch_size, e2e.train.joint.learning_rate, e2e.train.joint.epochs) == (22, 1e-3, 150)
  assert e2e.train.joint.milestones == (60, 120)
  assert (e2e.data.num_frames, e2e.data.crop, e2e.data.short_side, e2e.eval.num_clips) == (16, 112, 128, 25)
  for depth, frames in ((18, 16), (34, 8), (101, 4)):
    rest = configs.load(str(ROOT / f"configs/rest{depth}.py"))
    assert (rest.model.backbone, rest.data.num_frames, rest.data.stride) == (f"resnet{depth}", frames, 6)
    assert (rest.train.warmup.epochs, rest.train.warmup.learning_rate) == (150, 0.01)
    assert (rest.train.joint.epochs, rest.train.joint.learning_rate, rest.train.joint.weight_decay) == (
      50,
      1.5e-4,
      0.05,
    )


def test_overrides_are_typed():
  config = configs.load(
    str(ROOT / "configs/demo.py"),
    {
      "train.batch_size": "32",
      "data.flip": "false",
      "train.joint.learning_rate": "1e-2",
      "data.unseen": "a:x+y,b",
      "train.joint.milestones": "3,4.5",
    },
  )
  assert config.train.batch_size == 32
  assert config.data.flip is False
  assert config.train.joint.learning_rate == 0.01
  assert config.data.unseen == ("a:x+y", "b")
  assert config.train.joint.milestones == (3.0, 4.5)


def test_all_problems_are_listed_at_once():
  wrong = {
    "train.batchsize": "3",
    "data.stride": "two",
    "method": "i3d",
    "eval.num_clips": "0",
    "data.crop": "57",
  }
  with pytest.raises(InputError) as error:
    configs.load(str(ROOT / "configs/demo.py"), wrong)
  message = str(error.value)
  assert "'train.batchsize'" in message
  assert "'train.batch_size'" in message
  assert "a whole number" in message
  assert "one of e2e, rest" in message
  assert "at least 1" in message
  assert "larger than 'data.short_side'" in message


def test_impossible_subsets_and_windows_are_named():
  wrong = {
    "data.max_videos": "-1",
    "data.max_videos_per_class": "-2",
    "data.max_classes": "1",
    "data.num_clusters": "3",
    "data.cluster": "3",
    "data.scales": "1,0,1.5",
    "data.verify": "sha",
    "eval.clips": "center",
  }
  with pytest.raises(InputError) as error:
    configs.load(str(ROOT / "configs/demo.py"), wrong)
  message = str(error.value)
  for line in (
    "'data.max_videos' is -1, expected 0 or more",
    "'data.max_videos_per_class' is -2, expected 0 or more",
    "'data.max_classes' is 1, expected 0 (all) or at least 2",
    "'data.cluster' is 3, expected one of the 'data.num_clusters' 3, counted from 0",
    "'data.scales' is (1.0, 0.0, 1.5), expected numbers above 0, at most 1",
    "'data.verify' is 'sha', expected one of size, full, off",
    "'eval.clips' is 'center', expected one of even, random, released",
  ):
    assert line in message
  with pytest.raises(InputError, match=r"'data.cluster' is 1, expected one of the 'data.num_clusters' 0"):
    configs.load(str(ROOT / "configs/demo.py"), {"data.cluster": "1"})


@pytest.mark.parametrize(
  ("key", "value", "told"),
  [
    ("data.scales", "1,abc", "'data.scales' is '1,abc', expected a comma-separated list of numbers"),
    ("data.unseen", (1, 2), r"'data.unseen' is (1, 2), expected a comma-separated list of texts"),
  ],
)
def test_lists_of_the_wrong_kind(key, value, told):
  with pytest.raises(InputError) as error:
    configs.load(str(ROOT / "configs/demo.py"), {key: value})
  assert told in str(error.value)


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz._", min_size=1, max_size=20))
def test_unknown_keys_never_pass(key):
  known = configs.to_flat(configs.load(str(ROOT / "configs/demo.py")))
  if key in known:
    return
  with pytest.raises(InputError, match="unknown key"):
    configs.load(str(ROOT / "configs/demo.py"), {key: "1"})


def test_missing_or_broken_config_file(tmp_path):
  with pytest.raises(InputError, match="no such config file"):
    configs.load(str(tmp_path / "demo.py"))
  (tmp_path / "broken.py").write_text("def get_config(variant):\n  return variant.nothing\n")
  with pytest.raises(InputError, match="AttributeError"):
    configs.load(str(tmp_path / "broken.py"))


def test_unknown_variant_is_named():
  with pytest.raises(InputError, match="'i3d'"):
    configs.load(str(ROOT / "configs/demo.py:i3d"))


def test_what_may_differ_on_resume():
  config = configs.load(str(ROOT / "configs/demo.py"))
  saved = configs.to_dict(config)
  free = configs.load(
    str(ROOT / "configs/demo.py"),
    {"data.dir": "x", "eval.num_clips": "1", "logging.every_steps": "7", "data.verify": "off"},
  )
  assert not configs.differences(saved, free)
  other = configs.load(str(ROOT / "configs/demo.py"), {"seed": "1", "train.batch_size": "8"})
  assert [line.split(":")[0] for line in configs.differences(saved, other)] == ["seed", "train.batch_size"]
