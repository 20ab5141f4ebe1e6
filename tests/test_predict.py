"""Naming videos from the command line, on generated videos with a small model of random weights."""

import csv
import json
import math
import os
import pathlib
import shutil
import signal
import sys

import pytest
from bundles import CANDIDATES, tiny_bundle, tiny_videos

import zsar_jax
from zsar_jax.predict import main
from zsar_jax.predicting.document import document
from zsar_jax.predicting.inputs import find_names, find_videos, passed_over_note
from zsar_jax.predicting.printing import Printer, Screen
from zsar_jax.predicting.timeline import file_stems

NAMES = ",".join(CANDIDATES)
SEEN = "clapping while walking"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return tiny_bundle(tmp_path_factory.mktemp("predict") / "model")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
  """Three good videos, and under bad/ a truncated one, an empty one and a text."""
  folder = tmp_path_factory.mktemp("videos")
  good = tiny_videos(folder)
  (folder / "bad").mkdir()
  (folder / "bad" / "truncated.mp4").write_bytes(good[2].read_bytes()[:-4000])
  (folder / "bad" / "empty.mp4").touch()
  (folder / "bad" / "text.mp4").write_text("no video\n")
  (folder / "bad" / "notes.txt").write_text("passed over\n")
  return folder


def predict(model, *more):
  return main(["--model", str(model), "--classes", NAMES, *map(str, more)])


def test_names_what_it_can_and_tells_the_rest(model, videos, capsys):
  code = predict(model, videos)
  out, err = capsys.readouterr()
  assert code == 1
  lines = [line for line in out.splitlines() if ".mp4" in line]
  assert [line.split()[0] for line in lines] == [str(videos / f"{name}.mp4") for name in "abc"]
  assert all(name in line for line in lines for name in CANDIDATES)
  assert f"'{SEEN}' was trained on as '{SEEN}'" in out
  for name in ("empty", "text", "truncated"):
    assert f"cannot read {videos / 'bad' / name}.mp4: unreadable" in err
  assert "named 3 of 6 videos; could not read 3:" in err
  assert "passed over in folders, as their names are not those of videos: 1 file (1 .txt)" in err


def test_a_table_a_video_says_why(model, videos, capsys):
  assert predict(model, videos / "a.mp4", videos / "b.mp4", "--explain", "--top", 2) == 0
  out, err = capsys.readouterr()
  assert err == ""
  assert out.count("made of seen") == 2
  assert out.count("nearest seen classes of this video") == 2
  assert "1.0 s, 12 frames" in out
  assert " %" in out
  assert "throwing darts" in out


def test_json_is_one_document_with_everything(model, videos, capsys, tmp_path):
  assert predict(model, videos, "--json", "--timeline", tmp_path / "new" / "folder") == 1
  found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
  assert found["complete"]
  assert found["model"]["method"] == "rest"
  assert found["model"]["space"] == "visual"
  assert [pathlib.Path(one["video"]).name for one in found["failures"]] == [
    "empty.mp4",
    "text.mp4",
    "truncated.mp4",
  ]
  assert [one["name"] for one in found["classes"]] == list(CANDIDATES)
  for one in found["classes"]:
    assert (one["seen_as"], one["distance"]) == ((SEEN, 0.0) if one["name"] == SEEN else (None, None))
    assert math.isclose(sum(part["share"] for part in one["recipe"]), 1, abs_tol=1e-4)
    assert one["nearest_seen"]
  assert [one["num_frames"] for one in found["videos"]] == [12, 20, 28]
  for one in found["videos"]:
    scores = [named["score"] for named in one["ranking"]]
    assert scores == sorted(scores, reverse=True)
    assert set(scores) == set(one["scores"].values())
    table = tmp_path / "new" / "folder" / f"{pathlib.Path(one['video']).stem}.csv"
    rows = list(csv.reader(table.read_text().splitlines()))
    assert rows[0] == ["start", "end", *CANDIDATES]
    assert all(-1 <= float(value) <= 1 for row in rows[1:] for value in row[2:])
    assert one["timeline"] == {"csv": str(table), "svg": str(table.with_suffix(".svg"))}
  pictures = sorted(path.name for path in (tmp_path / "new" / "folder").glob("*.svg"))
  assert pictures == ["a.svg", "b.svg", "c.svg"]
  assert ">playing the piano<" in (tmp_path / "new" / "folder" / "a.svg").read_text()


def test_without_matplotlib_the_numbers_are_written(model, videos, tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, "matplotlib", None)
  assert predict(model, videos / "a.mp4", videos / "b.mp4", "--timeline", tmp_path) == 0
  assert capsys.readouterr().err.count("CSV only") == 1
  assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_names_that_look_like_markup_or_codes(model, videos, tmp_path, capsys):
  odd, dots = tmp_path / "[red]\x1b[31m odd\n.mp4", tmp_path / "..mp4"
  for path in (odd, dots):
    shutil.copy(videos / "a.mp4", path)
  classes = ["--classes", "[bold]fencing, :smile: archery"]
  timeline = ["--timeline", str(tmp_path / "along")]
  assert main(["--model", str(model), *classes, *timeline, str(odd), str(dots)]) == 0
  out = capsys.readouterr().out
  assert "\x1b" not in out
  assert r"[red]\x1b[31m odd\n.mp4" in out.replace("\n", "")
  assert "[bold]fencing" in out
  assert ":smile: archery" in out
  pictures = {path.name for path in (tmp_path / "along").glob("*.svg")}
  assert pictures == {"[red]_[31m odd_.svg", "..svg"}


def test_an_interrupt_keeps_what_was_named(model, videos, capsys, monkeypatch):
  answer = Printer.answer

  def then_interrupted(self, one):
    answer(self, one)
    signal.raise_signal(signal.SIGINT)

  monkeypatch.setattr(Printer, "answer", then_interrupted)
  # A shell that starts something in the background has it ignore the signal.
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    assert predict(model, videos / "a.mp4", videos / "b.mp4") == 130
  finally:
    signal.signal(signal.SIGINT, before)
  out, err = capsys.readouterr()
  assert "a.mp4" in out
  assert "b.mp4" not in out
  assert "interrupted: 1 of 2 videos were named" in err


def test_a_reader_that_has_seen_enough(model, videos, monkeypatch, capsys):
  reading, writing = os.pipe()
  os.close(reading)
  with os.fdopen(writing, "w") as nobody:
    monkeypatch.setattr(sys, "stdout", nobody)
    assert predict(model, videos / "a.mp4") == 0
    assert predict(model, videos / "a.mp4", "--json") == 0
  assert capsys.readouterr().err == ""


def test_everything_wrong_is_told_at_once(tmp_path, capsys):
  (tmp_path / "file").touch()
  (tmp_path / "nothing").mkdir()
  (tmp_path / "clip.mp4").touch()
  given = ["https://example.org/a.mp4", str(tmp_path / "clop.mp4"), str(tmp_path / "nothing")]
  options = ["--classes", "walking,,walking", "--vectors", "words.doc", "--top", "0", "--num_clips", "0"]
  code = main(
    [*given, *options, "--model", str(tmp_path / "none"), "--timeline", str(tmp_path / "file" / "folder")]
  )
  err = capsys.readouterr().err
  assert code == 2
  told = [
    "is a URL", "did you mean 'clip.mp4'?", "holds no video (.3g2", "class 2 has an empty name", "'walking' is repeated",
    "word vectors 'words.doc'", "--top is 0", "--num_clips is 0", "zsar_jax.export wrote", "file' is a file",
  ]  # fmt: skip
  assert [text for text in told if text not in err] == []


@pytest.mark.parametrize(("given", "told"), [
  ("x" * 300, "no such folder, expected one that zsar_jax.export wrote"),
  ("a\0b", "no such folder"),
  (".", "is no exported model: expected a folder that this wrote"),
], ids=["too long", "no name", "another folder"])  # fmt: skip
def test_what_is_no_model_is_told_with_the_rest(given, told, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert predict(given, "clop.mp4", "--num_clips", 251, "--timeline", "new/folder") == 2
  err = capsys.readouterr().err
  assert [text for text in (told, "'clop.mp4': no such file", "expected 1 to 250") if text not in err] == []
  assert not list(tmp_path.iterdir())
  assert predict(given, "a.mp4", "--timeline", "x" * 300) == 2
  assert "cannot be written: File name too long" in capsys.readouterr().err


def test_no_folder_is_made_for_names_that_cannot_be_used(model, videos, tmp_path, capsys):
  assert (
    main(
      ["--model", str(model), "--classes", "..., fencing", "--timeline", str(tmp_path / "new"), str(videos)]
    )
    == 2
  )
  assert "'...' holds no word" in capsys.readouterr().err
  assert not (tmp_path / "new").exists()


def test_names_without_a_vector_and_other_models_are_refused(model, videos, tmp_path, capsys):
  words = tmp_path / "words.txt"
  words.write_text("wave 1 0\nclap 0 1\nwalk 1 1\n")
  assert predict(model, videos / "a.mp4", "--vectors", words) == 2
  assert "juggling balls" in capsys.readouterr().err
  assert predict(videos, videos / "a.mp4") == 2
  assert capsys.readouterr().err.startswith("error: ")


def test_videos_are_found_once_and_in_order(tmp_path):
  for name in ("b/2.MP4", "b/1.avi", "a.mp4", ".hidden/x.mp4", "b/.y.mp4", "b/notes.txt"):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  given = [tmp_path / "b" / "notes.txt", tmp_path / "a.mp4", tmp_path]
  found, problems, passed_over = find_videos(list(map(str, given)))
  assert [os.path.relpath(path, tmp_path) for path in found] == ["b/notes.txt", "a.mp4", "b/1.avi", "b/2.MP4"]
  assert problems == []
  assert passed_over == {".txt": 1}


def test_linked_folders_are_searched_once(tmp_path):
  (tmp_path / "far").mkdir()
  for name in ("far/1.MTS", "far/2.wmv", "far/notes.TXT", "far/README", "far/a.\x1bz"):
    (tmp_path / name).touch()
  (tmp_path / "near").mkdir()
  (tmp_path / "near" / "link").symlink_to(tmp_path / "far")
  (tmp_path / "far" / "back").symlink_to(tmp_path / "near")
  found, problems, passed_over = find_videos([str(tmp_path / "near")])
  assert [os.path.relpath(path, tmp_path) for path in found] == ["near/link/1.MTS", "near/link/2.wmv"]
  assert (problems, passed_over) == ([], {".txt": 1, "": 1, ".\x1bz": 1})
  told = passed_over_note(passed_over)
  assert "3 files (" in told
  assert r"1 .\x1bz" in told
  assert "1 without a suffix" in told


def test_names_that_nothing_stands_for_are_noted(model, videos, capsys):
  recognizer = zsar_jax.load(model)
  candidates = recognizer.candidates(CANDIDATES)._replace(notes=("no seen class is admissible",))
  Printer(Screen(), recognizer.bundle.facts, candidates, ["a.mp4"], False).notes()
  assert "note  no seen class is admissible" in capsys.readouterr().out
  assert document(recognizer.bundle, candidates, [], {}, True)["notes"] == ["no seen class is admissible"]


def test_class_names_come_from_a_text_a_file_or_a_shipped_list(tmp_path):
  file = tmp_path / "mine.txt"
  file.write_text("rock, paper, scissors\nfencing\n")
  assert find_names(str(file))[0].names == ("rock, paper, scissors", "fencing")
  assert find_names(" fencing ,rock climbing,")[0] == (("fencing", "rock climbing"), "folder")
  assert (len(find_names("ucf101")[0].names), find_names("ucf101")[0].source) == (101, "ucf101")
  assert "did you mean 'ucf101'" in find_names("ucf11")[1][0]
  assert "no such file" in find_names("lists/mine.txt")[1][0]
  assert "is empty" in find_names(" ")[1][0]
  file.write_text("fencing\n\nfencing\n")
  assert "line 3" in find_names(str(file))[1][0]


def test_equal_stems_get_files_of_their_own():
  given = ["x/a.mp4", "y/a.avi", "a-2.mp4", "A.mp4", "z/" + "é" * 250 + ".mp4", "..mp4", "q:r?.mp4"]
  stems = file_stems(given)
  assert stems[:4] == ["a", "a-2", "a-2-2", "A-3"]
  assert stems[6] == "q_r_"
  assert len({stem.casefold() for stem in stems}) == len(given)
  assert all(0 < len(f"{stem}.csv".encode()) <= 255 for stem in stems)
