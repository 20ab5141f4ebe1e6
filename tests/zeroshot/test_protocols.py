import json
from pathlib import Path

import jax
import numpy as np
import pytest

from zsar_jax.errors import InputError
from zsar_jax.types import Prototypes
from zsar_jax.zeroshot import classify, protocols
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
  *("mean_per_class", "interval_videos", "interval_classes", "hubness"),
}
STACKING = {"seen", "unseen", "harmonic", "ausuc", "curve", "best", "calibrated"}


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["classes"]))
def test_one_masked_pass_equals_scoring_each_split_with_prototypes_of_its_own(case):
  videos, prototypes = drawn(case)
  split_by_split = score_half(videos, lambda rows: some(prototypes, rows), primary=True)
  assert split_by_split == score_half(videos, prototypes, primary=True)
  everyone, halves = protocols.score_all_and_half(videos, prototypes, primary=True)
  assert halves == split_by_split
  assert everyone == score_all(videos, prototypes, primary=True)


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
  assert row["mean_per_class"] == 50
  assert row["hubness"] == {}
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
  assert set(row) == KEYS | STACKING
  assert (row["num_classes"], row["num_videos"], row["num_skipped"], row["chance_top1"]) == (4, 7, 4, 25)
  assert row["seen"] == pytest.approx(200 / 3)
  assert row["unseen"] == 50
  assert row["harmonic"] == pytest.approx(2 * 50 * 200 / 3 / (50 + 200 / 3))
  assert row["top1"] == pytest.approx(400 / 7)
  assert row["per_class"]["down"] == pytest.approx(200 / 3)
  # Margins of the unseen videos that their own side gets right are -1.34 and -2, of the seen ones 1, -0.45 and 1.
  gammas = [-3, -2, -3 / np.sqrt(5), -1 / np.sqrt(5), 1]
  expected = np.stack([gammas, [100, 100, 100, 200 / 3, 0], [0, 25, 50, 50, 50]], axis=1)
  np.testing.assert_allclose(row["curve"], expected, rtol=1e-6)
  assert row["ausuc"] == pytest.approx(0.5)
  assert row["best"]["seen"] == 100
  assert row["best"]["harmonic"] == pytest.approx(200 / 3)
  assert row["calibrated"] is None
  json.dumps(row, allow_nan=False)


def test_generalized_at_a_gamma():
  rng = np.random.default_rng(8)
  both = [
    EmbeddedVideos(
      name, tuple(f"{name} {k}" for k in range(4)), rng.normal(size=(40, 9)), rng.integers(0, 4, 40), 1
    )
    for name in ("unseen", "seen")
  ]
  P = [Prototypes(videos.names, rng.normal(size=(4, 9)), "visual") for videos in both]
  rows = [score_generalized(*both, *P, primary=False, gamma=gamma) for gamma in (0.0, 0.3)]
  assert rows[0]["calibrated"] == {"gamma": 0} | {key: rows[0][key] for key in ("seen", "unseen", "harmonic")}
  assert rows[1]["calibrated"]["unseen"] > rows[0]["unseen"]
  assert rows[1]["best"]["harmonic"] >= rows[1]["calibrated"]["harmonic"]
  # Averaged scores are products with the mean of unit vectors, which is shorter than 1: margins shrink with it.
  halved = [videos._replace(embeddings=videos.embeddings / np.linalg.norm(videos.embeddings, axis=1)[:, None] / 2,
                            level="scores") for videos in both]  # fmt: skip
  averaged = score_generalized(*halved, *P, primary=False, gamma=0.15)
  for key in ("seen", "unseen", "harmonic"):
    assert averaged["calibrated"][key] == rows[1]["calibrated"][key]


def test_rows_of_other_levels_and_protocols():
  videos, prototypes = drawn(CASES[1])
  primary = score_all(videos, prototypes, primary=True)
  assert set(primary["hubness"]) == {"1", "5", "10"}
  for key in ("interval_videos", "interval_classes"):
    low, high = primary[key]
    assert low < primary["top1"] < high
  for level in ("scores", "single", "clip"):
    row = score_all(videos._replace(level=level), prototypes, primary=False)
    assert set(row) == KEYS
    assert (row["level"], row["hubness"], row["interval_videos"], row["interval_classes"]) == (
      level,
      {},
      None,
      None,
    )
    assert (
      row["mean_per_class"]
      == primary["mean_per_class"]
      == pytest.approx(np.mean(list(row["per_class"].values())))
    )
  half = score_half(videos, prototypes, primary=True)
  assert half["interval_videos"][0] < half["top1"] < half["interval_videos"][1]


def test_clips_are_samples_of_their_own():
  twice = VIDEOS._replace(
    embeddings=np.repeat(POINTS, 2, axis=0), label=np.repeat(VIDEOS.label, 2), level="clip"
  )
  row = score_all(twice, PROTOTYPES, primary=False)
  assert (row["num_videos"], row["top1"]) == (8, 50)


def test_embeddings_on_a_mesh_are_scored_where_they_lie():
  videos, prototypes = drawn(CASES[1])
  mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
  whole = len(videos.label) // 8 * 8
  plain = videos._replace(embeddings=videos.embeddings[:whole], label=videos.label[:whole])
  placed = jax.device_put(
    plain.embeddings, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  )
  assert len(placed.sharding.device_set) == 8
  assert len(classify.scores(placed, prototypes.vectors).sharding.device_set) == 8
  sharded = plain._replace(embeddings=placed)
  for score in (score_all, score_half):
    assert score(sharded, prototypes, primary=True) == score(plain, prototypes, primary=True)


def test_chunks_change_nothing(monkeypatch):
  videos, prototypes = drawn(CASES[1])
  before = [score(videos, prototypes, primary=False) for score in (score_all, score_half)]
  monkeypatch.setattr(protocols, "_CHUNK", 900)
  assert [score(videos, prototypes, primary=False) for score in (score_all, score_half)] == before


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
    (
      VIDEOS._replace(embeddings=POINTS * [[1], [np.nan], [1], [np.inf]], video_ids=("a", "b", "c", "d")),
      PROTOTYPES,
      "2 embedding(s) are not finite (2 videos 'b', 'd')",
    ),
    (
      VIDEOS,
      PROTOTYPES._replace(vectors=AXES * np.nan),
      "3 prototype(s) are not finite (3 classes 'right', ",
    ),
    (VIDEOS._replace(video_ids=("a",)), PROTOTYPES, "one video id for each of 4 embeddings"),
    (VIDEOS._replace(level="frame"), PROTOTYPES, "expected one of video, scores, single, clip"),
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


def test_at_most_ten_videos_are_named():
  clips = np.ones((30, 2), np.float32)
  clips[::2] = np.nan
  videos = EmbeddedVideos("many", NAMES, clips, np.zeros(30, int), 1, level="clip")
  with pytest.raises(InputError, match=r"15 embedding\(s\) are not finite \(rows 0, 2, .*18, \.\.\.\)"):
    score_all(videos, PROTOTYPES, primary=False)
  videos = videos._replace(video_ids=[f"v{row // 2:02d}" for row in range(30)])
  with pytest.raises(InputError, match=r"15 videos 'v00', 'v01', .*'v09', \.\.\.\)"):
    score_all(videos, PROTOTYPES, primary=False)


def test_numbers_whose_sum_overflows_are_finite():
  huge = VIDEOS._replace(embeddings=POINTS * np.float32(1e38))
  assert score_all(huge, PROTOTYPES, primary=False)["top1"] == 50


def test_one_unseen_class_is_refused():
  one = EmbeddedVideos("one", ("up",), AXES[:1], np.zeros(1, int), 1)
  prototypes = Prototypes(("up",), AXES[:1], "visual")
  for score in (score_all, score_half):
    with pytest.raises(InputError, match="one: expected at least 2 unseen classes: got 'up'"):
      score(one, prototypes, primary=True)
  with pytest.raises(InputError, match="at least 2 unseen classes"):
    score_generalized(one, VIDEOS, prototypes, PROTOTYPES, primary=True)
  assert score_all(one, prototypes, primary=True, protocol="validation")["top1"] == 100
