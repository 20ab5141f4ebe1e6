"""Subsets of one cluster are checked before the first run, on records that are there."""

import pytest
from making_studies import ALL, e2e, make_study, plan
from PIL import Image

from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError
from zsar_jax.studies.checks import check_inputs

BALLS = tuple(
  f"{word} ball" for word in ("throwing", "catching", "kicking", "rolling", "dropping", "shaking")
)
SEEN = (*BALLS, "playing chess", "watching chess", "learning chess")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  """Keys for a seen set of nine classes, six and three of which share a word, and a test set that takes one of the three."""
  folder = tmp_path_factory.mktemp("clusters")
  Image.new("RGB", (32, 32), "white").save(folder / "one.jpg")
  for name, classes in (("mine", SEEN), ("tested", ("learning chess", "singing songs"))):
    entries = [Entry(str(folder / "one.jpg"), 0, "one")]
    build_records(entries, classes, folder / name, short_side=32, kind="image", workers=1)
  return {"data.dir": str(folder), "data.seen": "mine", "data.unseen": "tested", "data.seen_test": "", "data.short_side": 32,
          "data.crop": 32}  # fmt: skip


def diversity(data, cluster, keep, draw=0, **more):
  keys = {"data.num_clusters": 2, "data.cluster": cluster, "data.max_classes": keep, "data.subset_seed": draw}
  return e2e(2, data | keys | more, draw=draw)


def test_a_cluster_that_is_too_small_is_told_before_the_first_run(data, tmp_path):
  runs = [e2e(1, data), diversity(data, 0, 4), diversity(data, 1, 4, draw=1), diversity(data, 1, 4, draw=3)]
  with pytest.raises(InputError) as error:
    check_inputs(plan(make_study(*runs, metrics=[ALL._replace(data_set="tested")]), tmp_path), "mine.py")
  assert str(error.value).count("\n") == 1
  assert "run 'e2e, 2, draw 1' and 1 more: 4 classes of cluster 1, which holds 2" in str(error.value)


def test_clusters_that_hold_enough_pass(data, tmp_path):
  runs = [diversity(data, 0, 6), diversity(data, 1, 2, draw=1)]
  check_inputs(plan(make_study(*runs), tmp_path), "mine.py")
  kept = diversity(data, 1, 3, **{"data.remove_overlap": False})  # the class that is tested too counts here
  check_inputs(plan(make_study(kept), tmp_path), "mine.py")


def test_generated_classes_are_chosen_when_they_are_made(tmp_path):
  keys = {"data.dir": str(tmp_path), "data.num_clusters": 3, "data.max_classes": 24}
  check_inputs(plan(make_study(e2e(3, keys)), tmp_path), "mine.py")


def test_a_class_list_that_cannot_be_read_is_told_once(data, tmp_path):
  runs = [diversity(data, draw % 2, 2, draw, **{"data.seen": "mine:playing ches"}) for draw in range(3)]
  with pytest.raises(InputError, match="no class 'playing ches'") as error:
    check_inputs(plan(make_study(*runs), tmp_path), "mine.py")
  assert str(error.value).count("no class") == 1
