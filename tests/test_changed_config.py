"""A workdir that holds checkpoints of another config."""

import pathlib

import pytest
from running import arguments, features_keys, make_features

from zsar_jax import main

CONFIG = str(pathlib.Path(__file__).parent.parent / "configs/demo.py:e2e")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
  return make_features(tmp_path_factory.mktemp("data"))


def test_a_changed_config_is_refused_unless_forced(data_dir, tmp_path, capsys):
  def start(*more, **changed):
    return main.main([*arguments(CONFIG, tmp_path, features_keys(CONFIG, data_dir, **changed)), *more])

  assert start() == 0
  assert start(model__dropout=0.2) == 2
  assert "model.dropout: 0.05 in the workdir, 0.2 asked for" in capsys.readouterr().err
  assert start(eval__num_clips=1, checkpoint__keep=1, safety__skip_nonfinite=1) == 0
  assert start("--force", model__dropout=0.2) == 0
