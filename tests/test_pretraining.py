"""Where a run's weights came from is neither lost nor rewritten when it goes on."""

import json
import pathlib

import pytest

from zsar_jax import config as configs
from zsar_jax.errors import InputError
from zsar_jax.models.weights_dir import read_classes, write_class_file
from zsar_jax.pretraining import Pretraining, find_source, remember

DEMO = str(pathlib.Path(__file__).parent.parent / "configs/demo.py:e2e")


def config(init_from=""):
  return configs.load(DEMO, {"model.init_from": str(init_from)})


@pytest.fixture
def workdir(tmp_path):
  """A run that started from weights which had seen archery and zumba, and has a checkpoint."""
  (tmp_path / "checkpoints" / "5").mkdir(parents=True)
  write_class_file(tmp_path, ("jumping",), {"from": "weights/a", "classes": ["archery", "zumba"]})
  return tmp_path


def test_a_run_that_goes_on_reads_no_weights(workdir):
  assert find_source(config("weights/a"), workdir) is None


@pytest.mark.parametrize("other", ["", "weights/b"])
def test_other_weights_than_it_started_from_are_refused(workdir, other):
  with pytest.raises(InputError, match=r"started from 'weights/a' and would not read it"):
    find_source(config(other), workdir)


def test_classes_add_up_over_runs(workdir):
  assert read_classes(workdir) == ("jumping", "archery", "zumba")
  before = Pretraining("weights/a", ("archery", "zumba"), None, ())
  remember(workdir, ("kicking",), before)
  assert read_classes(workdir) == ("jumping", "kicking", "archery", "zumba")


def test_a_fresh_run_forgets_what_another_left_in_its_workdir(tmp_path):
  write_class_file(tmp_path, ("jumping",), None)
  remember(tmp_path, ("kicking",), None)
  assert read_classes(tmp_path) == ("kicking",)


def test_unknown_classes_stay_unknown(tmp_path):
  remember(tmp_path, ("kicking",), Pretraining("weights/a", None, None, ()))
  assert json.loads((tmp_path / "classes.json").read_text())["pretrained"] == {
    "from": "weights/a",
    "classes": None,
  }
  assert read_classes(tmp_path) is None
  assert read_classes(tmp_path / "none") is None
