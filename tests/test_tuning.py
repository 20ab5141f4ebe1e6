"""Coefficients that were tuned: where they are read, and what is said of them."""

import json
import pathlib

import pytest

from zsar_jax import config as configs
from zsar_jax.errors import InputError
from zsar_jax.tuning import read_tuned, warn_if_outdated, with_tuned

ROOT = pathlib.Path(__file__).parent.parent
CHOSEN = {"num_neighbors": 7, "max_seen_per_unseen": 3, "distinctiveness": 0.25, "gamma": 0.1, "score": 50.0}


def load(config="configs/demo.py", **keys):
  return configs.load(str(ROOT / config), {k.replace("__", "."): v for k, v in keys.items()})


def write(folder, held):
  (folder / "tuning.json").write_text(json.dumps(held))


def test_what_was_tuned_replaces_the_configs_coefficients(tmp_path):
  write(tmp_path, {"checkpoint": "abc", "chosen": CHOSEN})
  tuned = read_tuned(load(), tmp_path)
  assert tuned is not None
  transfer = with_tuned(load(), tuned).transfer
  assert (transfer.num_neighbors, transfer.max_seen_per_unseen, transfer.distinctiveness) == (7, 3, 0.25)
  assert tuned.gamma == 0.1


@pytest.mark.parametrize(
  ("config", "keys"), [("configs/demo.py", {"transfer__use_tuned": "false"}), ("configs/demo.py:e2e", {})]
)
def test_not_where_it_is_not_wanted_or_means_nothing(tmp_path, config, keys):
  write(tmp_path, {"checkpoint": "abc", "chosen": CHOSEN})
  assert read_tuned(load(config, **keys), tmp_path) is None
  assert with_tuned(load(), None) == load()


def test_a_negative_gamma_lifts_the_seen_classes(tmp_path):
  write(tmp_path, {"checkpoint": "abc", "chosen": CHOSEN | {"gamma": -0.2}})
  tuned = read_tuned(load(), tmp_path)
  assert tuned is not None
  assert tuned.gamma == -0.2


def test_no_file_is_no_tuning(tmp_path):
  assert read_tuned(load(), tmp_path) is None


@pytest.mark.parametrize(
  "held",
  [
    [],
    {"chosen": {}},
    {"checkpoint": "a", "chosen": CHOSEN | {"num_neighbors": "x"}},
    {"checkpoint": "a", "chosen": CHOSEN | {"gamma": float("inf")}},
  ],
)
def test_another_file_of_that_name_is_refused(tmp_path, held):
  write(tmp_path, held)
  with pytest.raises(InputError, match=r"tuning\.json is not what zsar_jax.tune writes"):
    read_tuned(load(), tmp_path)


def test_coefficients_of_another_checkpoint_are_used_with_a_warning(tmp_path):
  write(tmp_path, {"checkpoint": "abc", "chosen": CHOSEN})
  tuned = read_tuned(load(), tmp_path)
  warn_if_outdated(tuned, "abc")
  with pytest.warns(UserWarning, match=r"searched with another checkpoint \(abc, this one is xyz\)"):
    warn_if_outdated(tuned, "xyz")
