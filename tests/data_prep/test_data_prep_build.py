import json
import pathlib
import subprocess
import sys

import pytest
from tiny_videos import ramp_frames, write_video

from data_prep.build import main
from zsar_jax.data.index import open_index

ROOT = pathlib.Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "video"


@pytest.fixture
def videos(tmp_path):
  root = tmp_path / "videos"
  for name in ("walk/a.mp4", "walk/b.avi", "sit/c.gif"):
    write_video(root / name, ramp_frames(8))
  (root / "sit" / "bad.mp4").write_bytes(b"")
  return root


def arguments(videos, out, *more):
  return ["folder", "--videos", str(videos), "--out", str(out), "--short_side", "24", "--workers", "1", *more]


def run(*command):
  return subprocess.run(
    [sys.executable, "-m", "data_prep.build", *command], cwd=ROOT, capture_output=True, text=True, timeout=120
  )


def test_the_command_builds_and_tells(videos, tmp_path):
  done = run(*arguments(videos, tmp_path / "out", "--fps", "5"))
  assert done.returncode == 0, done.stderr
  assert done.stderr == ""
  assert "4 videos in 2 classes" in done.stdout
  assert "      2  walk" in done.stdout
  assert "3 videos, 1 bad" in done.stdout
  assert "bad.mp4: unreadable: the file is empty" in done.stdout
  index = open_index(tmp_path / "out")
  assert index.class_names == ("sit", "walk")
  assert index.num_frames.tolist() == [4, 4, 4]
  (line,) = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
  assert json.loads(line)["reason"] == "unreadable: the file is empty"


def test_again_resumes_and_other_options_are_refused(videos, tmp_path, capsys):
  assert main(arguments(videos, tmp_path / "out")) == 0
  assert main(arguments(videos, tmp_path / "out")) == 0
  assert "0 decoded" in capsys.readouterr().out
  assert main(arguments(videos, tmp_path / "out", "--jpeg_quality", "50")) == 2
  error = capsys.readouterr().err
  assert "jpeg_quality: 95 there, 50 asked for" in error
  assert len(error.splitlines()) < 24


@pytest.mark.parametrize("fault", ["absent", "empty class", "unwritable", "option"])
def test_wrong_input_ends_with_2_and_no_traceback(fault, videos, tmp_path, capsys):
  out, more = tmp_path / "out", []
  if fault == "absent":
    videos = tmp_path / "nothing"
  elif fault == "empty class":
    (videos / "run").mkdir()
  elif fault == "unwritable":
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
  else:
    more = ["--jpeg_quality", "200"]
  assert main(arguments(videos, out, *more)) == 2
  error = capsys.readouterr().err
  assert error.startswith("error: ")
  named = {"absent": "nothing", "empty class": "run", "unwritable": "file/out", "option": "jpeg_quality 200"}
  assert named[fault] in error


def test_a_missing_argument_ends_with_2():
  with pytest.raises(SystemExit) as error:
    main(["folder", "--videos", "a"])
  assert error.value.code == 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample videos are not there")
def test_real_videos(tmp_path):
  command = [
    "folder",
    "--videos",
    str(SHARED / "ucf101"),
    "--out",
    str(tmp_path / "out"),
    "--short_side",
    "64",
  ]
  assert main([*command, "--workers", "2"]) == 0
  index = open_index(tmp_path / "out")
  assert len(index) == 15
  assert index.class_names == ("ApplyEyeMakeup", "BenchPress", "Diving")
  assert set(index.height.tolist()) == {64}
