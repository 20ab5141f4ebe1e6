import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsar_jax.classes import splits
from zsar_jax.errors import InputError

CASES = json.loads((Path(__file__).parents[1] / "golden" / "evaluation.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["classes"]))
def test_released_splits(case):
  assert splits.half_class_splits(case["classes"]).tolist() == case["split_classes"]


def test_global_random_state_is_left_alone():
  np.random.seed(7)
  before = np.random.get_state()[1].copy()
  splits.half_class_splits(20)
  np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_order_is_that_of_code_points_with_underscores():
  names = ["b", "Rock climbing", "Rock-paper-scissors", "a"]
  assert [names[row] for row in splits.released_order(names)] == [
    "Rock-paper-scissors",
    "Rock climbing",
    "a",
    "b",
  ]


@given(st.integers(2, 60), st.randoms())
def test_a_split_is_the_same_classes_whatever_order_they_come_in(num_classes, random):
  names = [f"class {row}" for row in range(num_classes)]
  shuffled = random.sample(names, num_classes)
  one = [{names[row] for row in rows} for rows in splits.half_class_rows(names)]
  other = [{shuffled[row] for row in rows} for rows in splits.half_class_rows(shuffled)]
  assert one == other
  assert {len(classes) for classes in one} == {num_classes // 2}


def test_masks():
  expected = [[1, 0, 1, 0], [0, 1, 1, 0]]
  np.testing.assert_array_equal(splits.class_masks(np.array([[0, 2], [2, 1]]), 4), np.array(expected, bool))


@pytest.mark.parametrize("num_classes", [0, 1])
def test_too_few_classes(num_classes):
  with pytest.raises(InputError, match="at least 2"):
    splits.half_class_splits(num_classes)
