import json
from pathlib import Path

import numpy as np
import pytest

from zsar_jax.classes.embeddings import class_set, class_sets, join_class_sets
from zsar_jax.classes.overlap import find_overlap
from zsar_jax.errors import InputError
from zsar_jax.types import ClassSet

GOLDEN = Path(__file__).parents[1] / "golden"


def at_angles(*degrees, letter="s"):
  angle = np.deg2rad(degrees)
  vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
  names = tuple(f"{letter}{number}" for number in range(len(degrees)))
  return ClassSet(names, tuple((name,) for name in names), vectors)


def test_classes_at_known_angles():
  seen, unseen = at_angles(0, 30, 92, 180), at_angles(10, 90, letter="u")
  overlap = find_overlap(seen, unseen, threshold=1 - np.cos(np.deg2rad(15)))
  np.testing.assert_array_equal(overlap.kept, [1, 3])
  assert [(name, other) for name, other, _ in overlap.removed] == [("s0", "u0"), ("s2", "u1")]
  far = [distance for _, _, distance in overlap.removed]
  np.testing.assert_allclose(far, 1 - np.cos(np.deg2rad([10, 2])), atol=1e-6)
  assert overlap.as_dicts()[0] == {"class": "s0", "collides_with": "u0", "distance": far[0]}


def test_identical_classes_collide_at_threshold_zero_too():
  overlap = find_overlap(at_angles(0, 33, 71), at_angles(71, letter="u"), threshold=0)
  assert overlap.removed == (("s2", "u0", 0.0),)
  np.testing.assert_array_equal(overlap.kept, [0, 1])


@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_the_36_classes_of_kinetics_700(threshold):
  words = json.loads((GOLDEN / "words.json").read_text())
  sets = class_sets({source: list(names) for source, names in words.items()}, "hash:300")
  overlap = find_overlap(sets["kinetics700"], join_class_sets([sets["ucf101"], sets["hmdb51"]]), threshold)
  assert {name for name, _, _ in overlap.removed} == set(
    (GOLDEN / "removed_36.txt").read_text().split("\n")
  ) - {""}
  assert len(overlap.kept) == 664
  everything = join_class_sets([sets["ucf101"], sets["hmdb51"], sets["activitynet200"]])
  assert len(find_overlap(sets["kinetics700"], everything, threshold).removed) == 113


@pytest.mark.parametrize("threshold", [-0.1, 2.5, float("nan")])
def test_bad_threshold(threshold):
  with pytest.raises(InputError, match="overlap_threshold"):
    find_overlap(at_angles(0), at_angles(1), threshold)


def test_vectors_of_another_width():
  wide = ClassSet(("a",), (("a",),), np.ones((1, 3), np.float32))
  with pytest.raises(InputError, match="3 wide"):
    find_overlap(wide, at_angles(0))


def test_the_same_name_collides_whatever_the_word_rules_made_of_it():
  # Kinetics' rules make "rid", a user folder's make "ride".
  seen = class_set(["riding mule", "abseiling"], "kinetics700", "hash:300")
  unseen = class_set(["riding_mule", "fencing"], "folder", "hash:300")
  overlap = find_overlap(seen, unseen)
  assert overlap.removed == (("riding mule", "riding_mule", 0.0),)
  assert overlap.kept.tolist() == [1]
