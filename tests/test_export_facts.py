"""What an export says of a run: the accuracy that predictions have, and every class that the weights saw."""

import json

import pytest
from bundles import make_bundle

import zsar_jax
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes.embeddings import class_set
from zsar_jax.config import to_dict
from zsar_jax.exporting.evaluation import evaluation_rows
from zsar_jax.exporting.known import known_classes
from zsar_jax.models.weights_dir import write_class_file

ROW = {"dataset": "ucf101", "protocol": "all", "top1": 12.5, "num_clips": 2, "primary": True, "other": 1}


@pytest.fixture(scope="module")
def bundle():
  return make_bundle()


def report(bundle, **given):
  """A report whose config differs by `given`, `__` for dots."""
  held = to_dict(bundle.config)
  for key, value in given.items():
    section, _, name = key.rpartition("__")
    (held[section] if section else held)[name] = value
  transfer = {"num_neighbors": bundle.config.transfer.num_neighbors, "tuned": False}
  rows = [ROW, ROW | {"primary": False}]
  return {"checkpoint": "abc", "config": held, "transfer": transfer, "evaluations": rows}


def told(bundle, workdir, held):
  (workdir / "report.json").write_text(json.dumps(held))
  return evaluation_rows(workdir, bundle.config, "abc")


def test_rows_that_count_come_along(bundle, tmp_path):
  rows, why = told(bundle, tmp_path, report(bundle))
  assert rows == [{key: value for key, value in ROW.items() if key not in ("primary", "other")}]
  assert why == ""


@pytest.mark.parametrize(
  ("given", "why"),
  [
    ({"eval__clips": "random", "eval__num_clips": 1}, "1 random clip a video; predictions use 2 evenly spaced clips"),
    ({"eval__clips": "released"}, "2 consecutive clips a video; predictions use 2 evenly"),
    ({"eval__num_clips": 25}, "25 evenly spaced clips a video; predictions use 2 evenly"),
    ({"eval__frame_order": "shuffled"}, "frames out of order"),
    ({"data__stride": 7}, "another size, length or stride"),
    ({"vectors": "other.bin"}, "other word vectors"),
  ],
)  # fmt: skip
def test_what_was_evaluated_otherwise_is_no_accuracy_of_the_bundle(bundle, tmp_path, given, why):
  rows, found = told(bundle, tmp_path, report(bundle, **given))
  assert rows == []
  assert why in found


def test_reports_of_other_weights_and_broken_ones_give_none(bundle, tmp_path):
  assert evaluation_rows(tmp_path, bundle.config, "abc") == ([], "the run holds no report.json")
  held = report(bundle)
  assert "another checkpoint" in told(bundle, tmp_path, held | {"checkpoint": "abd"})[1]
  assert (
    "other transfer coefficients" in told(bundle, tmp_path, held | {"transfer": {"num_neighbors": 99}})[1]
  )
  for broken in ({}, [], held | {"evaluations": 3}, held | {"config": None}):
    assert told(bundle, tmp_path, broken) == ([], "the run's report.json cannot be read")


def test_readable_spellings_of_seen_classes_are_told_as_seen(bundle, tmp_path):
  """Classes in the spelling of UCF101, read by its own rules; one more that the weights saw before, in Kinetics's."""
  names = ("HorseRiding", "JugglingBalls", "PlayingPiano", "HandstandPushups")
  seen = class_set(names, "ucf101", bundle.config.vectors)
  write_class_file(tmp_path, names, {"from": "old", "classes": ["throwing discus", "horseriding"]})
  known, is_all = known_classes(seen, tmp_path, bundle.config.vectors)
  assert is_all
  assert known.names[: len(names)] == names
  assert known.words[: len(names)] == seen.words
  assert len(set(zip(known.names, known.words, strict=True))) == len(known.names)
  write_bundle(make_bundle("e2e")._replace(seen=seen, known=known), tmp_path / "model")
  typed = ("horse riding", "riding a horse", "balls juggling", "playing piano", "discus throwing", "archery")
  candidates = zsar_jax.load(tmp_path / "model").candidates(typed)
  assert {leak.name for leak in candidates.leaks} == set(typed) - {"archery"}
