"""Shipped class lists, frozen presets, and a user's own files."""

import json
from pathlib import Path

import pytest

from zsar_jax.classes.class_lists import read_class_list, read_names, shipped_lists
from zsar_jax.classes.words import label_words
from zsar_jax.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden"
SIZES = {
  "kinetics400": 400,
  "kinetics600": 600,
  "kinetics700": 700,
  "ucf101": 101,
  "hmdb51": 51,
  "activitynet200": 200,
  "sun397": 397,
}
TWO, THREE = ("ucf101", "hmdb51"), ("ucf101", "hmdb51", "activitynet200")
PRESETS = {
  "kinetics700_664": TWO,
  "kinetics700_587": THREE,
  "kinetics400_363": TWO,
  "kinetics400_304": THREE,
}


def test_everything_ships():
  assert set(shipped_lists()) == {*SIZES, *PRESETS}


@pytest.mark.parametrize("name", SIZES)
def test_data_sets_are_whole(name):
  given = read_class_list(name)
  assert len(given.names) == SIZES[name]
  assert given.source == name
  words = json.loads((GOLDEN / "words.json").read_text())
  if name in words:
    expected = {own.replace("_", " "): tuple(each) for own, each in words[name].items()}
    assert {own.replace("_", " "): label_words(own, name) for own in given.names} == expected


def _words(data_set):
  return {tuple(sorted(label_words(name, data_set))) for name in read_class_list(data_set).names}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_what_the_word_rules_leave(preset):
  data_set, size = preset.split("_")
  tests = set().union(*(_words(one) for one in PRESETS[preset]))
  kept = [n for n in read_class_list(data_set).names if tuple(sorted(label_words(n, data_set))) not in tests]
  given = read_class_list(preset)
  assert given.names == tuple(kept)
  assert len(kept) == int(size)
  assert given.source == data_set


@pytest.mark.parametrize(("preset", "removed"), [("kinetics700_664", 36), ("kinetics700_587", 113)])
def test_presets_lack_the_published_overlaps(preset, removed):
  lines = (GOLDEN / f"removed_{removed}.txt").read_text(encoding="utf-8").splitlines()
  assert len(lines) == removed
  assert set(read_class_list("kinetics700").names) - set(read_class_list(preset).names) == set(lines)


def test_a_file_of_any_editor_is_read(tmp_path):
  file = tmp_path / "mine.txt"
  file.write_bytes(b"\xef\xbb\xbfwaving hand\r\n  Caf\xc3\xa9_Visit \r\n\r\n\r\n")
  given = read_class_list(str(file))
  assert given.names == ("waving hand", "Café_Visit")
  assert given.source == "folder"


@pytest.mark.parametrize(
  ("name", "source"),
  [("ucf101.txt", "ucf101"), ("Kinetics700_mine.txt", "kinetics700"), ("my_ucf101.txt", "folder")],
)
def test_a_file_is_read_by_the_rules_of_the_set_it_is_named_after(tmp_path, name, source):
  (tmp_path / name).write_text("ApplyEyeMakeup\n", encoding="utf-8")
  assert read_class_list(str(tmp_path / name)).source == source


def test_every_bad_line_is_told(tmp_path):
  file = tmp_path / "bad.txt"
  file.write_text("walk\n\npull_up\nwalk\npull up\n", encoding="utf-8")
  with pytest.raises(InputError) as caught:
    read_class_list(str(file))
  for part in (
    "bad.txt",
    "line 4: class name 'walk' is repeated (first in line 1)",
    "line 5: class name 'pull up' is repeated (first in line 3)",
  ):
    assert part in str(caught.value)
  assert read_names(str(file)).names == ("walk", "", "pull_up", "walk", "pull up")


def test_empty_lines_do_not_count(tmp_path):
  (tmp_path / "names.txt").write_text("\nwalk\n \npull_up\n\n", encoding="utf-8")
  assert read_class_list(str(tmp_path / "names.txt")).names == ("walk", "pull_up")


def test_unknown_lists_name_the_known_ones():
  with pytest.raises(InputError, match="did you mean 'kinetics700'") as caught:
    read_class_list("kinetics70O")
  assert all(name in str(caught.value) for name in shipped_lists())


@pytest.mark.parametrize(
  ("content", "told"), [(b"", "is empty"), (b" \n\n", "is empty"), (b"walk\n\xff\xfe\n", "line 2: not UTF-8")]
)
def test_files_without_names(tmp_path, content, told):
  (tmp_path / "odd.txt").write_bytes(content)
  with pytest.raises(InputError, match=told):
    read_class_list(str(tmp_path / "odd.txt"))


def test_a_folder_is_no_list(tmp_path):
  with pytest.raises(InputError, match="one class name a line"):
    read_class_list(str(tmp_path))
