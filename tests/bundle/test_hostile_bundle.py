"""A bundle from somebody else: files that wait for ever, lead elsewhere, or would fill the memory are refused before they are read."""

import os
import pathlib
import shutil
import struct
import zipfile

import numpy as np
import pytest

from zsar_jax.bundle.read import read_bundle
from zsar_jax.bundle.write import check_target, write_bundle
from zsar_jax.errors import InputError
from zsar_jax.models.weights_dir import read_exported
from zsar_jax.saved.arrays import read_npz
from zsar_jax.saved.folders import SUMS, hashes, write_sums

IMPOSSIBLE = ["a" * 300, "a\0b"]  # names of no file


def refused(folder):
  """Why the bundle is refused, by both of its readers."""
  with pytest.raises(InputError) as error:
    read_bundle(folder)
  with pytest.raises(InputError):
    read_exported(folder)
  return str(error.value)


@pytest.mark.parametrize("name", [SUMS, "classes.npz", "README.md"])
def test_a_pipe_is_not_waited_for(folder, name):
  (folder / name).unlink()
  os.mkfifo(folder / name)
  assert f"{name} is no plain file" in refused(folder)


@pytest.mark.parametrize("name", [SUMS, "classes.npz", "parameters"])
def test_links_are_refused(folder, name, tmp_path):
  (folder / name).rename(tmp_path / "away")
  (folder / name).symlink_to(tmp_path / "away")
  told = refused(folder)
  assert f"{name} is a link" in told or f"{name}' does not belong here" in told


def test_a_bundle_may_itself_be_linked_to(written, tmp_path):
  (tmp_path / "current").symlink_to(written)
  assert read_bundle(tmp_path / "current").facts.name == "tiny"


def rewritten(folder, file, write):
  """Puts what `write(path, arrays)` makes in the place of a file of arrays, with its sums."""
  with np.load(folder / file) as held:
    arrays = dict(held)
  write(folder / file, arrays)
  write_sums(folder)


def test_compressed_arrays_are_not_unpacked(folder):
  """Half a gigabyte of zeros would be half a megabyte of file."""
  rewritten(folder, "classes.npz", lambda path, arrays: np.savez_compressed(path, **arrays))
  assert "its arrays are compressed" in refused(folder)


def test_more_and_fewer_arrays_are_refused(folder):
  for change in (lambda arrays: arrays | {"more": np.zeros(3)},
                 lambda arrays: {name: array for name, array in arrays.items() if name != "seen_words"}):  # fmt: skip
    rewritten(
      folder, "classes.npz", lambda path, arrays, change=change: np.savez(path, **change(dict(arrays)))
    )
    with pytest.raises(InputError, match="its arrays are"):
      read_bundle(folder)
    rewritten(folder, "classes.npz", lambda path, arrays: np.savez(path, **arrays))


def header(descr, shape):
  text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".ljust(117) + "\n"
  return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


@pytest.mark.parametrize(
  ("descr", "shape"),
  [("<f4", (1 << 40,)), ("<U0", (1 << 40,)), ("|O", (2,)), ("<f4", (3, 1 << 62, 1 << 62)), ("<f4", (3,))],
)
def test_sizes_that_the_file_does_not_have_are_refused(tmp_path, descr, shape):
  with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
    file.writestr("names.npy", header(descr, shape) + bytes(8))
  with pytest.raises(ValueError, match="which is not what its size says"):
    read_npz(tmp_path / "a.npz")


def test_members_that_share_their_bytes_are_refused(tmp_path):
  """Many names for one long array: a file of a kilobyte that would be a gigabyte."""
  path = tmp_path / "a.npz"
  with zipfile.ZipFile(path, "w") as file:
    file.writestr("a.npy", header("<f4", (1000,)) + bytes(4000))
    file.infolist()[0].orig_filename = "a.npy"
    for name in ("b.npy", "c.npy"):
      again = zipfile.ZipInfo(name)
      first = file.infolist()[0]
      again.header_offset, again.CRC = first.header_offset, first.CRC
      again.file_size = again.compress_size = first.file_size
      file.filelist.append(again)
    file._didModify = True  # type: ignore[attr-defined]
  with pytest.raises(ValueError, match="larger than the file"):
    read_npz(path)


def test_what_numpy_writes_is_read(tmp_path):
  arrays = {"words": np.array(["a", "é"]), "empty": np.zeros((0, 3), np.float32), "one": np.float32(2)}
  np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
  for name, array in read_npz(tmp_path / "a.npz").items():
    np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_names_of_no_file_are_told(written, tmp_path, name):
  with pytest.raises(InputError, match="there is no such folder"):
    read_bundle(pathlib.Path(name))
  bundle = read_bundle(written)
  for check in (check_target, lambda to: write_bundle(bundle, to)):
    with pytest.raises(InputError, match="cannot be written: "):
      check(tmp_path / name)
  assert not list(tmp_path.iterdir())


def test_a_target_below_a_file_is_told(written, tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot be written: Not a directory"):
    check_target(tmp_path / "file" / "bundle")


def test_no_place_of_this_machine_is_told(written):
  for name in hashes(written):
    assert str(written.parent.parent).encode() not in (written / name).read_bytes(), name


def test_an_export_cleans_up_after_a_killed_one(written, tmp_path):
  bundle, to = read_bundle(written), tmp_path / "model"
  dead = 1 << 30  # more than any process has
  shutil.copytree(written, tmp_path / f".model.{dead}.old")
  (tmp_path / f".model.{dead}.tmp").mkdir()
  (tmp_path / ".model.1.tmp").mkdir()  # somebody who is at work
  seen = []
  write_bundle(bundle, to, check=lambda folder: seen.append(to.exists()))
  assert seen == [True]  # what was there came back before anything was written
  assert sorted(path.name for path in tmp_path.iterdir()) == [".model.1.tmp", "model"]
  read_bundle(to)


def test_what_the_check_cannot_read_is_not_told_of_the_target(written, tmp_path):
  def fail(folder):
    raise FileNotFoundError(2, "No such file or directory", "records-00000")

  with pytest.raises(FileNotFoundError, match="records-00000"):
    write_bundle(read_bundle(written), tmp_path / "model", check=fail)
  assert not list(tmp_path.iterdir())
