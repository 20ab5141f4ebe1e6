"""Real videos and pictures through the command: build, verify, build again at another size."""

import json
import time

import numpy as np
import PIL.Image
import pytest
from making import write
from tfds_sets import write_tfds
from tiny_videos import ramp_frames, write_audio, write_video

import data_prep.index
from data_prep import build, verify
from data_prep.build import main
from data_prep.estimate import estimate_bytes
from data_prep.verify import verify_entries
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry, RecordOptions
from zsar_jax.data.tensorflow_import import tensorflow_datasets


def command(*arguments):
  return main([*map(str, arguments), "--workers", "1"])


@pytest.fixture
def ucf(tmp_path):
  root = tmp_path / "UCF-101"
  for name, frames in (
    ("Archery/v_Archery_g01_c01", 9),
    ("Archery/v_Archery_g01_c02", 1),
    ("Diving/v_Diving_g01_c01", 12),
  ):
    write_video(root / f"{name}.avi", ramp_frames(frames, 48, 64))
  return root


def test_ucf101_with_a_list_then_again_at_another_size(ucf, tmp_path, capsys):
  lines = [
    f"{p.parent.name}/{p.stem} 9 {2 if p.parent.name == 'Archery' else 25}"
    for p in sorted(ucf.rglob("*.avi"))
  ]
  file = write(tmp_path / "list.txt", *lines, "Diving/v_Diving_g09_c09 100 25")
  arguments = ["ucf101", "--videos", ucf, "--list", file, "--out", tmp_path / "out", "--short_side", 32]
  assert command(*arguments) == 2
  assert "99 of 101 classes have no video" in capsys.readouterr().err
  assert command(*arguments, "--allow_missing") == 0
  told = capsys.readouterr().out
  assert "ucf101: 3 of 4 videos in 2 classes" in told
  assert "      1 of 2      Diving" in told
  assert "cannot be used: 1 missing" in told
  assert "estimated from 3 of 3" in told
  assert "3 videos, 1 bad" in told
  assert "1 have a single frame" in told
  (bad,) = map(json.loads, (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines())
  assert bad["reason"].startswith("missing: ")
  stored = open_index(tmp_path / "out")
  assert stored.class_names == ("Archery", "Diving")

  for number, source in enumerate((["records", "--records"], ["ucf101", "--tfds"])):
    out = tmp_path / f"small{number}"
    assert command(*source, tmp_path / "out", "--out", out, "--short_side", 16) == 0
    small = open_index(out, short_side=16)
    assert [small.video_id(r) for r in range(3)] == [stored.video_id(r) for r in range(3)]
    np.testing.assert_array_equal(small.num_frames, stored.num_frames)
    np.testing.assert_array_equal(small.label, stored.label)


def test_records_without_an_index_say_how_to_make_one(tmp_path, capsys):
  (tmp_path / "records").mkdir()
  assert (
    command("records", "--records", tmp_path / "records", "--out", tmp_path / "out", "--short_side", 16) == 2
  )
  assert f"python -m data_prep.index {tmp_path / 'records'}" in capsys.readouterr().err


def test_sun397_stills(tmp_path):
  for name, color in (("a/abbey/sun_a.jpg", 40), ("a/apse/indoor/sun_b.jpg", 200)):
    path = tmp_path / "SUN397" / name
    path.parent.mkdir(parents=True)
    PIL.Image.fromarray(np.full((40, 60, 3), color, np.uint8)).save(path)
  images = (
    "sun397",
    "--images",
    tmp_path / "SUN397",
    "--out",
    tmp_path / "out",
    "--short_side",
    20,
    "--allow_missing",
  )
  assert command(*images) == 0
  index = open_index(tmp_path / "out")
  assert index.kind == "image"
  assert index.class_names == ("/a/abbey", "/a/apse/indoor")
  assert (index.num_frames.tolist(), index.height.tolist(), index.width.tolist()) == (
    [1, 1],
    [20, 20],
    [30, 30],
  )


def test_segments_of_a_csv_are_cut(tmp_path):
  write_video(tmp_path / "a.mp4", ramp_frames(25))  # 10 frames a second
  file = write(tmp_path / "list.csv", "a.mp4,walk,0.5,1.5", "a.mp4,run,1.5,")
  assert command("csv", "--csv", file, "--out", tmp_path / "out", "--short_side", 24) == 0
  index = open_index(tmp_path / "out")
  lengths = {index.video_id(row): int(index.num_frames[row]) for row in range(2)}
  assert lengths == {"a.mp4#0.5-1.5": 10, "a.mp4#1.5-": 10}


def test_verify_writes_nothing_and_ends_with_1_where_something_is_wrong(ucf, tmp_path, capsys):
  arguments = ("ucf101", "--videos", ucf, "--verify")
  assert command(*arguments, "--allow_missing") == 0
  assert "verified: 3 of 3 can be opened" in capsys.readouterr().out
  assert command(*arguments) == 1
  assert "left out 99 classes that have none: ApplyEyeMakeup, " in capsys.readouterr().out
  (ucf / "Diving" / "empty.avi").write_bytes(b"")
  assert command(*arguments, "--allow_missing", "--out", tmp_path / "out", "--short_side", 32) == 1
  told = capsys.readouterr().out
  assert "verified: 3 of 4 can be opened" in told
  assert "size on disk: about" in told
  assert "cannot be opened: 1 unreadable" in told
  assert not (tmp_path / "out").exists()


def test_verify_gives_reasons_and_ends_what_hangs(tmp_path, monkeypatch):
  good = write_video(tmp_path / "good.mp4", ramp_frames(10))
  sound = write_audio(tmp_path / "sound.mp4")
  entries = [Entry(str(p), 0, p.name) for p in (good, sound, tmp_path / "none.mp4")]
  entries.append(Entry(str(good), 0, "late", 60.0, 70.0))
  bad = verify_entries(entries, "video", workers=2, timeout=30)
  assert [one.reason.split(":")[0] for one in bad] == [
    "no video stream",
    "unreadable",
    "segment outside the video",
  ]
  monkeypatch.setattr(verify, "open_entry", _hang)
  (one,) = verify_entries(entries[:1], "video", workers=1, timeout=0.5)
  assert one.reason == "timeout: not done after 0.5 s"


def _hang(entry, kind):
  time.sleep(60)


def test_verify_goes_on_after_what_nobody_foresaw(monkeypatch):
  monkeypatch.setattr(verify, "open_entry", _fail)
  bad = verify_entries([Entry("a", 0, "a"), Entry("b", 0, "b")], "video", workers=1, timeout=30)
  assert [one.reason for one in bad] == ["unreadable: KeyError: 'unforeseen'"] * 2


def _fail(entry, kind):
  raise KeyError("unforeseen")


def test_the_estimate_is_near_what_is_stored(tmp_path, capsys):
  random = np.random.default_rng(0)
  for number in range(24):
    frames = random.integers(0, 255, (4 + number, 24, 32, 3), np.uint8)
    write_video(tmp_path / "videos" / "walk" / f"{number}.mp4", frames)
  entries = [Entry(str(p), 0, p.name) for p in (tmp_path / "videos" / "walk").iterdir()]
  estimate = estimate_bytes(entries, RecordOptions(24), 60)
  assert estimate.num_decoded == 16
  assert 0 < estimate.error < 0.5
  assert (
    command("folder", "--videos", tmp_path / "videos", "--out", tmp_path / "out", "--short_side", 24) == 0
  )
  stored = sum(p.stat().st_size for p in (tmp_path / "out").glob("*.tfrecord*"))
  assert abs(estimate.num_bytes / stored - 1) < max(0.1, 1.5 * estimate.error)


def test_too_little_room_is_told(ucf, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(build, "free_bytes", lambda _: 100)
  arguments = (
    "ucf101",
    "--videos",
    ucf,
    "--allow_missing",
    "--out",
    tmp_path / "out",
    "--short_side",
    32,
    "--verify",
  )
  assert command(*arguments) == 0
  assert "WARNING: this will probably not fit" in capsys.readouterr().out


@pytest.mark.parametrize(
  "more",
  [["--workers", "0"], ["--timeout", "0"], ["--fps", "-1"], ["--short_side", "0"], ["--jpeg_quality", "101"]],
)
def test_wrong_options_are_told_before_anything_is_listed(more, ucf, tmp_path, capsys):
  arguments = ["ucf101", "--videos", str(ucf), "--out", str(tmp_path / "out"), "--short_side", "32", *more]
  assert main(arguments) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert more[0] in captured.err


def test_beam_options_need_beam(ucf, capsys):
  with pytest.raises(SystemExit) as error:
    main(["folder", "--videos", str(ucf), "--verify", "--beam_args", "--x=1"])
  assert error.value.code == 2
  assert "--beam_args needs --runner beam" in capsys.readouterr().err


def test_records_that_tfds_wrote_are_stored_again(tmp_path, capsys):
  kinds = tensorflow_datasets().features
  random = np.random.default_rng(0)
  examples = [{"video": random.integers(0, 256, (n, 24, 24, 3), np.uint8), "label": n % 2} for n in (3, 5)]
  features = {
    "video": kinds.Video(shape=(None, 24, 24, 3)),
    "label": kinds.ClassLabel(names=("Archery", "Diving")),
  }
  folder = write_tfds(tmp_path, features, {"train": examples})
  arguments = ("ucf101", "--tfds", folder, "--out", tmp_path / "out", "--short_side", 16)
  assert command(*arguments) == 2
  assert f"python -m data_prep.index {folder}" in capsys.readouterr().err
  assert data_prep.index.main([str(folder)]) == 0
  assert command(*arguments) == 0
  index = open_index(tmp_path / "out", short_side=16)
  assert sorted(index.num_frames.tolist()) == [3, 5]
  assert index.class_names == ("Archery", "Diving")


def test_beam_is_given_the_rest_of_the_line(ucf, tmp_path, capsys):
  pytest.importorskip("apache_beam")
  arguments = [
    "folder",
    "--videos",
    str(ucf),
    "--out",
    str(tmp_path / "out"),
    "--short_side",
    "32",
    "--runner",
    "beam",
  ]
  assert main([*arguments, "--beam_args", "--no_such_option=1"]) == 2
  assert "no_such_option" in capsys.readouterr().err
  assert main([*arguments, "--beam_args", "--runner=DirectRunner"]) == 0
  assert len(open_index(tmp_path / "out")) == 3
