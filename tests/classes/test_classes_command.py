"""`python -m zsar_jax.classes check|embed|overlap`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zsar_jax.classes.__main__ import main
from zsar_jax.classes.class_lists import read_class_list
from zsar_jax.classes.embeddings import class_sets, load_word_vectors
from zsar_jax.classes.overlap import BORDER

GOLDEN = Path(__file__).parents[1] / "golden"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "wordvec"


def run(capsys, *argv):
  code = main([str(each) for each in argv])
  out, err = capsys.readouterr()
  return code, out, err


def vectors(path, *words):
  np.savez(path, words=np.array(words), vectors=np.random.default_rng(0).normal(size=(len(words), 40)))
  return path


# Whole classes. The page beside the files says 476 for GloVe and Kinetics-700, one fewer than hold every word in the file by
# the published words: the second test counts them without our code.
WHOLE = {
  "googlenews_subset_unit": {"kinetics700": 327, "ucf101": 57, "hmdb51": 36, "activitynet200": 77},
  "glove6B300_q8_9910_unit": {"kinetics700": 477, "ucf101": 74, "hmdb51": 41, "activitynet200": 124},
}


@pytest.mark.parametrize("file", WHOLE)
def test_coverage_of_real_vectors(file, capsys):
  path = SHARED / f"{file}.npz"
  if not path.is_file():
    pytest.skip("../shared/data/wordvec is absent")
  code, out, _ = run(capsys, "check", "--classes", *WHOLE[file], "--vectors", path, "--json")
  report = json.loads(out)
  assert code == 1
  assert report["usable"] is False
  assert {one["set"]: one["num_whole"] for one in report["sets"]} == WHOLE[file]
  words = json.loads((GOLDEN / "words.json").read_text())
  with np.load(path) as arrays:
    held = set(arrays["words"].tolist())
  assert {own: sum(held.issuperset(w) for w in names.values()) for own, names in words.items()} == WHOLE[file]
  for one in report["sets"]:
    distinct = {word for each in words[one["set"]].values() for word in each}
    assert (one["num_words"], one["num_words_found"]) == (len(distinct), len(distinct & held))
    assert {each["word"] for each in one["unknown"]} == distinct - held


def test_check_tells_everything_that_stands_in_the_way(tmp_path, capsys):
  (tmp_path / "mine.txt").write_text("walking\n\nwaving hand\nwalking\n__\nwaving flag\n", encoding="utf-8")
  spec = vectors(tmp_path / "v.npz", "walk", "hand", "waves", "flat")
  code, out, err = run(capsys, "check", "--classes", tmp_path / "mine.txt", "--vectors", spec, "--json")
  assert (code, err) == (1, "")
  (one,) = json.loads(out)["sets"]
  assert one["rules"] == "folder"
  assert (one["num_classes"], one["num_whole"]) == (5, 2)
  assert (one["num_words"], one["num_words_found"]) == (4, 2)
  assert one["repeated"] == [{"class": "walking", "lines": [1, 4]}]
  assert one["wordless"] == ["__"]
  assert one["unknown"] == [
    {"word": "flag", "classes": ["waving flag"], "nearest": ["flat"]},
    {"word": "wave", "classes": ["waving hand", "waving flag"], "nearest": ["waves"]},
  ]
  code, out, _ = run(capsys, "check", "--classes", tmp_path / "mine.txt", "--vectors", spec)
  assert code == 1
  for part in (
    "line 4 repeats line 1",
    "'__' holds no word",
    "'wave' (nearest: waves)",
    "not usable",
  ):
    assert part in out


def test_check_of_usable_lists(capsys):
  code, out, _ = run(capsys, "check", "--classes", "kinetics700,ucf101", "sun397", "--vectors", "hash:8")
  assert code == 0
  assert "kinetics700 (word rules: kinetics700): 700 of 700 classes whole, 778 of 778 words found" in out
  assert "sun397" in out


def test_embed_writes_a_file_that_serves_as_vectors(tmp_path, capsys):
  out = tmp_path / "classes.npz"
  code, said, _ = run(capsys, "embed", "--classes", "ucf101", "hmdb51", "--vectors", "hash:50", "--out", out)
  assert code == 0
  assert "152 classes" in said
  names = {own: read_class_list(own).names for own in ("ucf101", "hmdb51")}
  expected = class_sets(names, "hash:50")
  with np.load(out) as arrays:
    assert arrays["class_names"].tolist() == [*names["ucf101"], *names["hmdb51"]]
    assert arrays["class_lists"].tolist() == ["ucf101"] * 101 + ["hmdb51"] * 51
    assert arrays["class_words"][0] == "apply eye makeup"
    assert arrays["semantic_embeddings"].dtype == arrays["vectors"].dtype == np.float32
    np.testing.assert_array_equal(
      arrays["semantic_embeddings"], np.concatenate([one.semantic_embeddings for one in expected.values()])
    )
    words = arrays["words"].tolist()
  again = class_sets(names, str(out))
  for own in names:
    assert again[own].words == expected[own].words
    np.testing.assert_allclose(again[own].semantic_embeddings, expected[own].semantic_embeddings, atol=1e-6)
  assert set(load_word_vectors(str(out), [*words, "zebra"])) == set(words)
  assert [file.name for file in tmp_path.iterdir()] == ["classes.npz"]


def test_embed_refuses_classes_without_vectors_and_bad_places(tmp_path, capsys):
  spec = vectors(tmp_path / "v.npz", "walk")
  code, _, err = run(capsys, "embed", "--classes", "hmdb51", "--vectors", spec, "--out", tmp_path / "a.npz")
  assert code == 2
  assert "'brush'" in err
  assert not (tmp_path / "a.npz").exists()
  for out, told in ((tmp_path / "a.txt", "ending in .npz"), (tmp_path / "no" / "a.npz", "no folder")):
    code, _, err = run(capsys, "embed", "--classes", "hmdb51", "--vectors", "hash:8", "--out", out)
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
  ("unseen", "removed"), [("ucf101,hmdb51", 36), ("ucf101,hmdb51,activitynet200", 113)]
)
def test_overlap_removes_the_classes_made_of_the_same_words(unseen, removed, capsys):
  code, out, _ = run(
    capsys, "overlap", "--seen", "kinetics700", "--unseen", unseen, "--vectors", "hash:300", "--json"
  )
  report = json.loads(out)
  assert code == 0
  assert set(report) == {"kept", "removed", "borderline", "without_vectors", "unseen_without_vectors", "seen", "unseen",
                         "vectors", "threshold"}  # fmt: skip
  expected = (GOLDEN / f"removed_{removed}.txt").read_text(encoding="utf-8").splitlines()
  assert {each["class"] for each in report["removed"]} == set(expected)
  assert all(set(each) == {"class", "collides_with", "distance"} for each in report["removed"])
  assert len(report["kept"]) == 700 - removed
  assert not set(report["kept"]) & set(expected)
  assert (report["seen"], report["unseen"]) == (["kinetics700"], unseen.split(","))
  assert (report["vectors"], report["threshold"], report["without_vectors"]) == ("hash:300", 0.05, [])


def test_overlap_of_several_seen_lists_tells_which(tmp_path, capsys):
  (tmp_path / "own.txt").write_text("surf\nswim with a fish\n", encoding="utf-8")
  code, out, _ = run(capsys, "overlap", "--seen", f"kinetics400,{tmp_path / 'own.txt'}", "--unseen", "ucf101",
                     "--vectors", "hash:60", "--threshold", 0.6, "--json")  # fmt: skip
  report = json.loads(out)
  assert code == 0
  assert {each["set"] for each in report["removed"]} == {"kinetics400", str(tmp_path / "own.txt")}
  assert len(report["kept"]) + len(report["removed"]) == 402
  far = [each["distance"] for each in report["borderline"]]
  assert far == sorted(far)
  assert 0.6 < far[0] <= far[-1] <= 0.6 + BORDER
  assert {each["class"] for each in report["borderline"]} <= set(report["kept"])


def test_overlap_without_every_vector_compares_by_words(tmp_path, capsys):
  (tmp_path / "seen.txt").write_text("guitar zorbing\nwalk\njump rope\n", encoding="utf-8")
  (tmp_path / "unseen.txt").write_text("zorbing_guitar\nwalk fast\n", encoding="utf-8")
  spec = vectors(tmp_path / "v.npz", "walk", "jump", "rope")
  lists = ("--seen", tmp_path / "seen.txt", "--unseen", tmp_path / "unseen.txt", "--vectors", spec)
  code, out, _ = run(capsys, "overlap", *lists, "--json")
  report = json.loads(out)
  assert code == 0
  assert report["removed"] == [
    {"class": "guitar zorbing", "collides_with": "zorbing_guitar", "distance": 0.0}
  ]
  assert report["kept"] == ["walk", "jump rope"]
  assert report["without_vectors"] == ["guitar zorbing"]
  assert report["unseen_without_vectors"] == ["zorbing_guitar", "walk fast"]
  code, out, _ = run(capsys, "overlap", *lists, "--figure", tmp_path / "a.png")
  assert code == 0
  assert "1 seen classes hold a word without a vector" in out
  assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_several_lists(tmp_path, capsys):
  pytest.importorskip("matplotlib")
  code, _, _ = run(capsys, "overlap", "--seen", "kinetics400,sun397", "--unseen", "ucf101,hmdb51", "--vectors", "hash:60",
                   "--figure", tmp_path / "audit.png")  # fmt: skip
  assert code == 0
  assert (tmp_path / "audit.png").stat().st_size > 10_000
  code, _, err = run(capsys, "overlap", "--seen", "ucf101", "--unseen", "hmdb51", "--vectors", "hash:8",
                     "--figure", tmp_path / "audit.jumble")  # fmt: skip
  assert code == 2
  assert "--figure" in err


@pytest.mark.parametrize(
  ("argv", "parts"),
  [
    (["check", "--classes", "kinetics70", "ucf1O1", "--vectors", "hash:8"], ["'kinetics700'", "'ucf101'"]),
    (["check", "--classes", "ucf101", "ucf101", "--vectors", "hash:8"], ["twice"]),
    (["check", "--classes", ",", "--vectors", "hash:8"], ["--classes is empty"]),
    (["check", "--classes", "ucf101", "--vectors", "absent.bin"], ["no such file"]),
    (
      ["overlap", "--seen", "ucf101", "--unseen", "hmdb51", "--vectors", "hash:8", "--threshold", "9"],
      ["0 to 2"],
    ),
  ],
)
def test_wrong_input(argv, parts, capsys):
  code, out, err = run(capsys, *argv)
  assert (code, out) == (2, "")
  assert all(part in err for part in parts)


def test_a_reader_that_stops_early_is_no_failure():
  command = f"{sys.executable} -m zsar_jax.classes check --classes sun397 --vectors hash:8 | true"
  done = subprocess.run(
    ["bash", "-o", "pipefail", "-c", command],
    cwd=GOLDEN.parents[1],
    capture_output=True,
    text=True,
    check=False,
  )
  assert (done.returncode, done.stderr) == (0, "")


def test_every_wrong_list_and_the_vectors_are_told_at_once(capsys):
  command = ["overlap", "--seen", "kinetics70", "--unseen", "ucf101,hmdb", "--vectors", "hash:30x"]
  assert main(command) == 2
  error = capsys.readouterr().err
  for part in ("'kinetics70'", "'hmdb'", "'hash:30x'"):
    assert part in error
