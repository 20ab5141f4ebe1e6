"""Archives are unpacked whole, once, and nowhere else."""

import contextlib
import os
import pathlib
import shutil
import tarfile
import tempfile

import pytest
from making import held, make_tar, make_zip, rar

from data_prep import archives
from data_prep.archives import unpacked
from data_prep.rar import rar_names
from zsar_jax.errors import InputError

FILES = {"UCF-101/run/a.avi": b"a" * 3000, "UCF-101/sit/b é.avi": b"", "readme.txt": b"hello"}


def reads_rar():
  with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InputError):
    return bool(rar_names(rar(pathlib.Path(folder) / "a.rar", {"a": b""})))
  return False


needs_rar = pytest.mark.skipif(not reads_rar(), reason="no program here reads rar")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_unpacked_once_beside_the_archive(name, tmp_path):
  path = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, FILES)
  folder = unpacked(path, None, "--videos")
  assert folder == tmp_path / f"{name}.unpacked"
  assert held(folder) == FILES
  assert not list(tmp_path.glob(".*"))
  (folder / "readme.txt").write_bytes(b"mine")
  assert unpacked(path, None, "--videos") == folder
  assert (folder / "readme.txt").read_bytes() == b"mine"


def test_a_folder_is_taken_as_it_is(tmp_path):
  assert unpacked(tmp_path, None, "--videos") == tmp_path


def test_elsewhere_and_never_over_what_is_there(tmp_path):
  path = make_zip(tmp_path / "a.zip", FILES)
  assert unpacked(path, tmp_path / "x" / "y", "--videos") == tmp_path / "x" / "y"
  with pytest.raises(InputError, match=r"x exists and does not hold a\.zip"):
    unpacked(path, tmp_path / "x", "--videos")
  make_zip(path, {"other.txt": b"1"})
  with pytest.raises(InputError, match="exists and does not hold"):
    unpacked(path, tmp_path / "x" / "y", "--videos")


def test_archives_inside_are_unpacked_too(tmp_path):
  (tmp_path / "inner").mkdir()
  inner = make_zip(tmp_path / "inner" / "run.zip", {"run/a.avi": b"a"}).read_bytes()
  flat = make_tar(tmp_path / "inner" / "sit.tar.gz", {"b.avi": b"b"}).read_bytes()
  path = make_tar(tmp_path / "all.tar", {"run.zip": inner, "sit.tar.gz": flat})
  assert held(unpacked(path, None, "--videos")) == {"run/run/a.avi": b"a", "sit/b.avi": b"b"}


def test_interrupted_it_goes_on_with_what_is_there(tmp_path, monkeypatch):
  path = make_tar(tmp_path / "a.tar.gz", FILES)
  real, calls = archives._write, []

  def stop_at_the_second(target, size, stream):
    calls.append(target.name)
    if len(calls) == 2:
      raise KeyboardInterrupt
    real(target, size, stream)

  monkeypatch.setattr(archives, "_write", stop_at_the_second)
  with pytest.raises(KeyboardInterrupt):
    unpacked(path, None, "--videos")
  assert not (tmp_path / "a.tar.gz.unpacked").exists()
  first = tmp_path / ".a.tar.gz.unpacked.partial" / "UCF-101" / "run" / "a.avi"
  written = os.stat(first).st_mtime_ns
  monkeypatch.setattr(archives, "_write", real)
  folder = unpacked(path, None, "--videos")
  assert held(folder) == FILES
  assert os.stat(folder / "UCF-101" / "run" / "a.avi").st_mtime_ns == written


def test_interrupted_among_the_archives_inside_it_goes_on(tmp_path, monkeypatch):
  (tmp_path / "inner").mkdir()
  inner = {
    f"{n}.zip": make_zip(tmp_path / "inner" / f"{n}.zip", {f"{n}.avi": b"x"}).read_bytes() for n in "abc"
  }
  path = make_tar(tmp_path / "all.tar", inner)
  real = archives._write

  def stop_at_b(target, size, stream):
    if target.name == "b.avi":
      raise KeyboardInterrupt
    real(target, size, stream)

  monkeypatch.setattr(archives, "_write", stop_at_b)
  with pytest.raises(KeyboardInterrupt):
    unpacked(path, None, "--videos")
  monkeypatch.setattr(archives, "_write", real)
  assert held(unpacked(path, None, "--videos")) == {f"{n}/{n}.avi": b"x" for n in "abc"}


def test_an_empty_folder_may_be_given(tmp_path):
  (tmp_path / "x").mkdir()
  assert held(unpacked(make_zip(tmp_path / "a.zip", FILES), tmp_path / "x", "--videos")) == FILES


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "C:\\evil", "..\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_outside_are_refused(make, name, tmp_path):
  path = make(tmp_path / f"a.{make.__name__[-3:]}", {"ok": b"", name: b"x"})
  with pytest.raises(InputError, match="would be written outside the folder"):
    unpacked(path, None, "--videos")
  assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
  "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_tar_are_refused(kind, tmp_path):
  path = make_tar(tmp_path / "a.tar", FILES, others=[("UCF-101/evil", kind, "readme.txt")])
  with pytest.raises(InputError, match="'UCF-101/evil' is a link or a device"):
    unpacked(path, None, "--videos")
  assert [p.name for p in tmp_path.iterdir()] == ["a.tar"]


def test_links_in_zip_are_refused_before_anything_is_written(tmp_path):
  path = make_zip(tmp_path / "a.zip", FILES, links=[("evil", "/etc")])
  with pytest.raises(InputError, match="'evil' is a link or a device"):
    unpacked(path, None, "--videos")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_a_damaged_archive(name, tmp_path):
  path = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, {"a": os.urandom(9000)})
  path.write_bytes(path.read_bytes()[:5000])
  with pytest.raises(InputError, match=r"a\..* is damaged or no such archive"):
    unpacked(path, None, "--videos")


def test_a_flipped_byte_in_zip(tmp_path):
  path = make_zip(tmp_path / "a.zip", {"a": bytes(9000)})
  content = bytearray(path.read_bytes())
  content[4000] ^= 1
  path.write_bytes(content)
  with pytest.raises(InputError, match="Bad CRC-32"):
    unpacked(path, None, "--videos")


def test_no_room(tmp_path, monkeypatch):
  path = make_zip(tmp_path / "a.zip", FILES)
  monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
  with pytest.raises(InputError, match=r"no room: .*go on"):
    unpacked(path, None, "--videos")


def test_neither_folder_nor_archive(tmp_path):
  (tmp_path / "a.txt").write_text("")
  with pytest.raises(InputError, match="neither a folder nor an archive"):
    unpacked(tmp_path / "a.txt", None, "--videos")
  with pytest.raises(InputError, match="does not exist"):
    unpacked(tmp_path / "none.zip", None, "--videos")


def test_rar_without_a_program_says_what_to_install(tmp_path, monkeypatch):
  monkeypatch.setenv("PATH", str(tmp_path))
  with pytest.raises(InputError, match="no program here reads rar"):
    unpacked(rar(tmp_path / "a.rar", {"a.avi": b"a"}), None, "--videos")


@needs_rar
def test_rar_of_rars(tmp_path):
  (tmp_path / "in").mkdir()
  inner = rar(tmp_path / "in" / "wave.rar", {"wave/a.avi": b"abc", "wave/b [x]!.avi": b"d"}).read_bytes()
  folder = unpacked(rar(tmp_path / "hmdb51_org.rar", {"wave.rar": inner}), None, "--videos")
  assert held(folder) == {"wave/wave/a.avi": b"abc", "wave/wave/b [x]!.avi": b"d"}


@needs_rar
@pytest.mark.parametrize("name", ["../evil", "/tmp/zsar-evil"])
def test_rar_names_outside_are_refused(name, tmp_path):
  with pytest.raises(InputError, match="outside the folder"):
    unpacked(rar(tmp_path / "a.rar", {"ok": b"1", name: b"x"}), None, "--videos")
  assert [p.name for p in tmp_path.iterdir()] == ["a.rar"]


@needs_rar
def test_a_damaged_rar(tmp_path):
  path = rar(tmp_path / "a.rar", {"a": bytes(9000)})
  path.write_bytes(path.read_bytes()[:3000])
  with pytest.raises(InputError, match="cannot be read"):
    unpacked(path, None, "--videos")
