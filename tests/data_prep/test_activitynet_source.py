import json

import pytest
from making import touch, write

from data_prep.activitynet import list_segments, list_whole
from data_prep.options import SOURCES, parse
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

NAMES = ["Archery", "Ballet", "Kayaking"]


def video(subset, duration, *annotations):
  told = [{"segment": [start, end], "label": label} for start, end, label in annotations]
  return {
    "subset": subset,
    "duration": duration,
    "annotations": told,
    "url": "https://…",
    "resolution": "320x240",
  }


@pytest.fixture
def annotations(tmp_path):
  database = {
    "abc": video("training", 60.0, (1.5, 10, "Kayaking"), (20, 60.4, "Archery"), (70, 80, "Archery")),
    "v_345678901": video("validation", 30.0, (0, 30, "Archery")),
    "gone": video("training", 10.0, (5, 5, "Ballet"), (0, 5, "Ballet")),
    "secret": video("testing", 12.3),
  }
  return write(tmp_path / "anet.json", json.dumps({"version": "1.3", "database": database}))


def test_every_labelled_segment_is_a_video(annotations, tmp_path):
  videos = touch(tmp_path / "videos", "train/v_abc.mp4", "val/v_345678901.mkv", "v_other.webm")
  with pytest.raises(InputError, match=r"(?s)1 of 3 classes have no video.*Ballet"):
    list_segments(annotations, videos, NAMES)
  listing = list_segments(annotations, videos, NAMES, allow_missing=True)
  assert listing.class_names == ["Archery", "Kayaking"]
  assert listing.entries == [
    Entry(f"{videos}/train/v_abc.mp4", 1, "abc_0", 1.5, 10.0),
    Entry(f"{videos}/train/v_abc.mp4", 0, "abc_1", 20.0, 60.0),
    Entry(f"{videos}/val/v_345678901.mkv", 0, "v_345678901_0", 0.0, 30.0),
  ]
  assert [(bad.path, bad.reason) for bad in listing.quarantined] == [
    ("abc_2", "segment outside the video: 70 to 80 s of 60 s in the annotations"),
    ("gone_0", "segment outside the video: 5 to 5 s of 10 s in the annotations"),
    ("gone_1", "missing: no v_gone.* or gone.*"),
  ]
  assert listing.expected == [3, 1]
  assert listing.notes == ["passed over 1 videos of subset 'testing'"]


def test_one_subset(annotations, tmp_path):
  videos = touch(tmp_path / "videos", "abc.mp4", "v_345678901.mp4")
  arguments = [
    "activitynet",
    "--annotations",
    str(annotations),
    "--videos",
    str(videos),
    "--subset",
    "validation",
  ]
  listing = SOURCES["activitynet"][0].from_options(parse(None, [*arguments, "--verify", "--allow_missing"]))
  assert listing.class_names == ["Archery"]
  assert [entry.video_id for entry in listing.entries] == ["v_345678901_0"]


def test_whole_videos_of_a_list(tmp_path):
  videos = touch(tmp_path / "videos", "v_sJFgo9H6zNo.mp4", "v_345678901.mp4", "v_v_345678902.mp4")
  lines = ("x//sJFgo9H6zNo 141 1", "x/v_345678901 1 0", "x/v_345678902 1 2", "x/none 2 0")
  listing = list_whole(write(tmp_path / "list.txt", *lines), videos, NAMES)
  assert [(e.video_id, e.label, e.end) for e in listing.entries] == [
    ("sJFgo9H6zNo", 1, None),
    ("v_345678901", 0, None),
    ("v_345678902", 2, None),
  ]
  assert [bad.path for bad in listing.quarantined] == ["x/none"]


@pytest.mark.parametrize(
  ("text", "reason"),
  [
    ("{", "expected JSON"),
    ("[]", "expected JSON"),
    ('{"database": {"a": {"subset": "training"}, "b": 3}}', r"(?s)a: expected subset.*b: expected"),
    (
      '{"database": {"a": {"subset": "training", "duration": 3, "annotations": [{"segment": [1], "label": "x"}]}}}',
      r"a: a segment is \[1\]",
    ),
    (
      '{"database": {"a": {"subset": "training", "duration": 3, "annotations": [{"segment": [1, 2], "label": "Balet"}]}}}',
      "'Balet'; did you mean 'Ballet'",
    ),
  ],
)
def test_wrong_annotations(text, reason, tmp_path):
  with pytest.raises(InputError, match=reason):
    list_segments(write(tmp_path / "anet.json", text), tmp_path, NAMES)


def test_numbers_as_texts_are_numbers(tmp_path):
  told = {
    "subset": "training",
    "duration": "12.5",
    "annotations": [{"segment": ["1", 3], "label": "Archery"}],
  }
  file = write(tmp_path / "anet.json", json.dumps({"database": {"abc": told}}))
  listing = list_segments(file, touch(tmp_path / "videos", "abc.mp4"), NAMES, allow_missing=True)
  assert [(e.start, e.end) for e in listing.entries] == [(1.0, 3.0)]


def test_everything_wrong_with_numbers_is_told(tmp_path):
  database = {
    "a": video("training", float("nan"), (0, float("inf"), "Archery"), ("x", 2, "Archery")),
    "b": video("training", True, (0, 10**400, "Archery"), (0, None, 7)),
    "c": video(3, "long", (0, 1, "Archery")),
  }
  with pytest.raises(InputError) as error:
    list_segments(write(tmp_path / "anet.json", json.dumps({"database": database})), tmp_path, NAMES)
  assert [line[4:40].split(",")[0].strip() for line in str(error.value).splitlines()[1:]] == [
    "a: its duration is nan",
    "a: a segment is [0",
    "a: a segment is ['x'",
    "b: its duration is True",
    "b: a segment is [0",
    "b: a segment is [0",
    "b: a label is 7",
    "c: its subset is 3",
    "c: its duration is 'long'",
  ]


def test_one_of_annotations_and_list(tmp_path):
  with pytest.raises(InputError, match="one of the two"):
    SOURCES["activitynet"][0].from_options(
      parse(None, ["activitynet", "--videos", str(tmp_path), "--verify"])
    )
