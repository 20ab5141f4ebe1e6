"""Folders that are whole or not there, and sums that lead nowhere else."""

import os

import pytest

from zsar_jax.saved.folders import (
  SUMS,
  SumsError,
  clean_beside,
  read_sums,
  sums_problems,
  swap_in,
  temporary_beside,
  write_sums,
)

DEAD = 1 << 30  # the number of no process


def made(folder, text):
  folder.mkdir()
  (folder / "file").write_text(text)
  return folder


def test_a_new_folder_takes_the_place_of_an_old_one(tmp_path):
  folder = made(tmp_path / "a.b", "old")
  swap_in(made(temporary_beside(folder), "new"), folder)
  assert (folder / "file").read_text() == "new"
  assert [path.name for path in tmp_path.iterdir()] == ["a.b"]


def test_what_was_there_comes_back_where_the_new_one_cannot_be_named(tmp_path, monkeypatch):
  folder = made(tmp_path / "a", "old")
  temporary = made(temporary_beside(folder), "new")
  true_rename = type(folder).rename

  def rename(path, to):
    if path == temporary:
      raise OSError(28, "No space left on device")
    return true_rename(path, to)

  monkeypatch.setattr(type(folder), "rename", rename)
  with pytest.raises(OSError, match="No space"):
    swap_in(temporary, folder)
  assert (folder / "file").read_text() == "old"
  assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a", temporary.name])


@pytest.mark.parametrize("was_replaced", [True, False])
def test_leftovers_of_the_dead_are_cleaned(tmp_path, was_replaced):
  folder = tmp_path / "a"
  if was_replaced:
    made(folder, "new")
  made(tmp_path / f".a.{DEAD}.old", "old")
  made(tmp_path / f".a.{DEAD}.tmp", "half")
  made(temporary_beside(folder), "half of our own, earlier")
  kept = (f".a.{os.getppid()}.tmp", f".ab.{DEAD}.tmp", f".a.{DEAD}.txt")
  for name in kept:
    made(tmp_path / name, "")
  clean_beside(folder)
  assert (folder / "file").read_text() == ("new" if was_replaced else "old")
  assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a", *kept])


def test_nothing_is_cleaned_where_there_is_no_folder(tmp_path):
  clean_beside(tmp_path / "none" / "a")
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  "name", ["../file", "/etc/passwd", "a/../../b", "a//b", "./a", "a/", "a\0b", "é\x1bc"]
)
def test_sums_of_files_elsewhere_are_refused(tmp_path, name):
  (tmp_path / SUMS).write_text(f"{'0' * 64}  {name}\n")
  with pytest.raises(SumsError, match="line 1: no SHA-256 and name of a file of this folder"):
    read_sums(tmp_path)


def test_sums_that_are_cut_or_repeat_are_refused(tmp_path):
  line = f"{'0' * 64}  a\n"
  for text in (line[:-1], line + line, "", "a\n"):
    (tmp_path / SUMS).write_text(text)
    with pytest.raises(SumsError):
      read_sums(tmp_path)


def test_every_difference_has_its_line(tmp_path):
  folder = made(tmp_path / "a", "one")
  for name in ("changed", "gone", "linked", "pipe"):
    (folder / name).write_text(name)
  write_sums(folder)
  assert sums_problems(folder) == []
  (folder / "changed").write_text("other")
  (folder / "new").write_text("")
  for name in ("gone", "linked", "pipe"):
    (folder / name).unlink()
  (folder / "linked").symlink_to(folder / "file")
  os.mkfifo(folder / "pipe")
  told = sums_problems(folder)
  for name, wrong in (("changed", "was changed"), ("gone", "is missing"), ("linked", "is a link"),
                      ("pipe", "is no plain file"), ("new'", "does not belong here")):  # fmt: skip
    assert any(f"{name} {wrong}" in line for line in told), name
  assert len(told) == 5
