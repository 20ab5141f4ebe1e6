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
  assert "jpeg_quality: 85 there, 50 asked for" in error
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


@pytest.mark.parametrize("place", ["videos", "videos/records", "link/deep"])
def test_records_do_not_go_among_the_videos(place, videos, tmp_path, capsys):
  (tmp_path / "link").symlink_to(videos)
  assert main(arguments(videos, tmp_path / place)) == 2
  captured = capsys.readouterr()
  assert f"--out {tmp_path / place} lies in --videos {videos}" in captured.err
  assert captured.out == ""
  assert sorted(p.name for p in videos.iterdir()) == ["sit", "walk"]


def test_a_csv_may_lie_beside_its_records(videos, capsys):
  (videos / "list.csv").write_text("walk/a.mp4,walk\n")
  command = ["csv", "--csv", str(videos / "list.csv"), "--videos", str(videos), "--short_side", "24"]
  assert main([*command, "--out", str(videos), "--workers", "1"]) == 2
  assert main([*command, "--out", str(videos / "records"), "--workers", "1"]) == 0


def test_an_out_that_cannot_be_is_told_before_anything_is_listed(videos, tmp_path, capsys):
  (tmp_path / "file").write_text("")
  for out in ("file", "file/out"):
    assert main(arguments(videos, tmp_path / out)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{tmp_path / 'file'} is a file; expected a folder" in captured.err
  assert main(arguments(videos, tmp_path / "out")) == 0
  capsys.readouterr()
  assert main(arguments(videos, tmp_path / "out", "--fps", "5", "--jpeg_quality", "95")) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert "--fps: None there, 5.0 asked for" in captured.err
  assert "--jpeg_quality: 85 there, 95 asked for" in captured.err


def test_what_cannot_be_read_is_not_told_as_writing(tmp_path, capsys):
  name = str(tmp_path / ("x" * 300))
  assert main(["folder", "--videos", name, "--verify"]) == 2
  assert capsys.readouterr().err == f"error: {name}: File name too long\n"


def test_retry_takes_what_was_mended(videos, tmp_path, capsys):
  assert main(arguments(videos, tmp_path / "out")) == 0
  assert "--retry" not in capsys.readouterr().out
  write_video(tmp_path / "good.mp4", ramp_frames(8)).replace(videos / "sit" / "bad.mp4")
  assert main(arguments(videos, tmp_path / "out")) == 0
  assert "4 were done before; --retry decodes the bad ones again" in capsys.readouterr().out
  assert main(arguments(videos, tmp_path / "out", "--retry")) == 0
  told = capsys.readouterr().out
  assert "4 videos, 0 bad" in told
  assert "--retry" not in told
  assert len(open_index(tmp_path / "out")) == 4


def test_options_are_not_abbreviated(videos, tmp_path, capsys):
  assert main(arguments(videos, tmp_path / "out", "--verif")) == 2
  assert "'--verif'; did you mean '--verify'" in capsys.readouterr().err


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
