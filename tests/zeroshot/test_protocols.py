import json
from pathlib import Path

import numpy as np
import pytest

from zsar_jax.errors import InputError
from zsar_jax.types import Prototypes
from zsar_jax.zeroshot.protocols import EmbeddedVideos, score_all, score_generalized, score_half

CASES = json.loads((Path(__file__).parents[1] / "golden" / "evaluation.json").read_text())
KEYS = {
  *(
    "dataset",
    "protocol",
    "space",
    "level",
    "primary",
    "num_classes",
    "num_videos",
    "num_skipped",
    "num_clips",
  ),
  *("chance_top1", "top1", "top5", "top1_std", "per_class", "splits"),
}


def drawn(case):
  rng = np.random.default_rng(case["seed"])
  E = rng.standard_normal((case["classes"], 300)).astype(np.float32)
  E /= np.linalg.norm(E, axis=1, keepdims=True)
  label = rng.integers(0, case["classes"], case["videos"])
  noise = rng.standard_normal((case["videos"], 300)) / np.sqrt(300)
  X = (E[label] + case["noise"] * noise).astype(np.float32)
  names = tuple(f"class {row:03d}" for row in range(case["classes"]))
  return EmbeddedVideos("drawn", names, X, label, 25), Prototypes(names, E, "semantic")


def some(prototypes, rows):
  return Prototypes(tuple(prototypes.names[row] for row in rows), prototypes.vectors[rows], prototypes.space)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["classes"]))
def test_released_evaluation(case):
  videos, prototypes = drawn(case)
  row = score_all(videos, prototypes, primary=True)
  np.testing.assert_allclose([row["top1"], row["top5"]], [case["top1"], case["top5"]], atol=1e-4)
  half = score_half(videos, prototypes, primary=False)
  np.testing.assert_allclose([split["top1"] for split in half["splits"]], case["split_top1"], atol=1e-4)
  np.testing.assert_allclose([split["top5"] for split in half["splits"]], case["split_top5"], atol=1e-4)
  np.testing.assert_allclose(half["top1"], np.mean(case["split_top1"]), atol=1e-4)
  np.testing.assert_allclose(half["top1_std"], np.std(case["split_top1"]), atol=1e-4)
  for split, rows in zip(half["splits"], case["split_classes"], strict=True):
    assert split["classes"] == [videos.names[row] for row in rows]


def test_composing_anew_equals_the_masked_pass_where_prototypes_do_not_change():
  videos, prototypes = drawn(CASES[1])
  assert score_half(videos, lambda rows: some(prototypes, rows), primary=True) == score_half(
    videos, prototypes, primary=True
  )


def test_prototypes_composed_anew_are_the_ones_that_score():
  videos, prototypes = drawn(CASES[1])
  backwards = score_half(
    videos, lambda rows: some(prototypes, rows)._replace(vectors=-prototypes.vectors[rows]), primary=True
  )
  assert backwards["top1"] < 1


# Three classes on the axes of a plane: right, up, left.
NAMES = ("right", "up", "left")
AXES = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
POINTS = np.array([[2, 1], [1, 2], [0, 3], [-1, 3]], np.float32)  # nearest: right, up, up, up
VIDEOS = EmbeddedVideos("plane", NAMES, POINTS, np.array([0, 0, 1, 2]), 4, num_skipped=3)
PROTOTYPES = Prototypes(NAMES, AXES, "visual")


def test_a_row_by_hand():
  row = score_all(VIDEOS, PROTOTYPES, primary=True, protocol="validation")
  assert set(row) == KEYS
  assert row["protocol"] == "validation"
  assert (row["dataset"], row["space"], row["level"], row["primary"]) == ("plane", "visual", "video", True)
  assert (row["num_classes"], row["num_videos"], row["num_skipped"], row["num_clips"]) == (3, 4, 3, 4)
  assert row["chance_top1"] == pytest.approx(100 / 3)
  assert (row["top1"], row["top5"], row["top1_std"], row["splits"]) == (50, 100, None, [])
  assert row["per_class"] == {"right": 50, "up": 100, "left": 0}
  json.dumps(row, allow_nan=False)


def test_half_of_three_classes_is_one_and_always_right():
  row = score_half(VIDEOS, PROTOTYPES, primary=True)
  assert set(row) == KEYS
  assert (row["num_classes"], row["chance_top1"], row["top1"], row["top1_std"]) == (1, 100, 100, 0)
  assert set(row["per_class"].values()) == {100}
  json.dumps(row, allow_nan=False)


def test_half_per_class_accuracy_is_the_mean_over_its_splits():
  videos, prototypes = drawn(CASES[1])
  row = score_half(videos, prototypes, primary=True)
  name = videos.names[3]
  ours = videos._replace(
    embeddings=videos.embeddings[videos.label == 3], label=videos.label[videos.label == 3]
  )
  alone = score_half(ours, prototypes, primary=True)
  assert row["per_class"][name] == pytest.approx(alone["top1"])
  assert [split["seed"] for split in alone["splits"]] == [
    s["seed"] for s in row["splits"] if name in s["classes"]
  ]


def test_generalized_by_hand():
  seen = EmbeddedVideos(
    "seen", ("down",), np.array([[0, -2], [2, -1], [0, -1]], np.float32), np.zeros(3, int), 4, 1
  )
  down = Prototypes(("down",), np.array([[0, -1]], np.float32), "visual")
  row = score_generalized(VIDEOS, seen, PROTOTYPES, down, primary=True)
  assert set(row) == KEYS | {"seen", "unseen", "harmonic"}
  assert (row["num_classes"], row["num_videos"], row["num_skipped"], row["chance_top1"]) == (4, 7, 4, 25)
  assert row["seen"] == pytest.approx(200 / 3)
  assert row["unseen"] == 50
  assert row["harmonic"] == pytest.approx(2 * 50 * 200 / 3 / (50 + 200 / 3))
  assert row["top1"] == pytest.approx(400 / 7)
  assert row["per_class"]["down"] == pytest.approx(200 / 3)


def test_generalized_refuses_a_class_on_both_sides():
  with pytest.raises(InputError, match="'up' is both seen and unseen"):
    score_generalized(VIDEOS, VIDEOS, PROTOTYPES, PROTOTYPES, primary=True)


@pytest.mark.parametrize(
  ("videos", "prototypes", "told"),
  [
    (
      VIDEOS._replace(embeddings=POINTS * [[1], [np.nan], [1], [np.inf]]),
      PROTOTYPES,
      "2 embedding(s) are not finite (rows 1, 3)",
    ),
    (VIDEOS, PROTOTYPES._replace(vectors=AXES * np.nan), "prototype(s) are not finite"),
    (VIDEOS, PROTOTYPES._replace(vectors=np.ones((3, 5))), "same model"),
    (VIDEOS, PROTOTYPES._replace(names=NAMES[::-1]), "another order"),
    (VIDEOS._replace(label=np.array([0, 1, 2, 3])), PROTOTYPES, "label from 0 to 2"),
    (VIDEOS._replace(label=np.zeros(0, int), embeddings=POINTS[:0]), PROTOTYPES, "no video"),
  ],
)
def test_wrong_input(videos, prototypes, told):
  for score in (score_all, score_half):
    with pytest.raises(InputError) as caught:
      score(videos, prototypes, primary=True)
    assert told in str(caught.value)
    assert "plane" in str(caught.value)


def test_half_of_one_class_is_refused():
  one = EmbeddedVideos("one", ("up",), AXES[:1], np.zeros(1, int), 1)
  with pytest.raises(InputError, match="at least 2"):
    score_half(one, Prototypes(("up",), AXES[:1], "visual"), primary=True)
