"""Archives that are damaged, cut, encrypted, or unpacked by two commands at once, are never taken for whole."""

import fcntl
import os
import tarfile
import zipfile

import pytest
from making import held, make_tar, make_zip

from data_prep.archives import unpacked
from zsar_jax.errors import InputError

FILES = {"run/a.avi": os.urandom(9000), "run/b.avi": os.urandom(500), "sit/c.avi": bytes(3000)}


def refused(path, reason):
  """It is refused, and nothing is left of it."""
  with pytest.raises(InputError, match=reason) as error:
    unpacked(path, None, "--videos")
  assert str(path) in str(error.value)
  assert [p.name for p in path.parent.iterdir()] == [path.name]


def flipped(path, position):
  contents = bytearray(path.read_bytes())
  contents[position] ^= 1
  path.write_bytes(contents)
  return path


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_every_flipped_byte_of_a_compressed_tar_is_found(name, tmp_path):
  whole = make_tar(tmp_path / name, FILES).read_bytes()
  for position in (*range(40, len(whole) - 40, 613), len(whole) - 5):
    (tmp_path / name).write_bytes(whole)
    refused(flipped(tmp_path / name, position), "is damaged or no such archive")
  (tmp_path / name).write_bytes(whole)
  assert held(unpacked(tmp_path / name, None, "--videos")) == FILES


def test_the_checksum_of_a_gzip_is_read_though_no_file_is_touched(tmp_path):
  path = make_tar(tmp_path / "a.tar.gz", FILES)
  refused(flipped(path, path.stat().st_size - 6), "CRC check failed")


@pytest.mark.parametrize("extra", [0, 512])
def test_a_tar_cut_between_members_is_refused(extra, tmp_path):
  path = make_tar(tmp_path / "a.tar", FILES)
  with tarfile.open(path) as archive:
    ends = [member.offset for member in archive.getmembers()[1:]] + [archive.offset + extra]
  for end in reversed(ends):
    os.truncate(path, end)
    refused(path, r"it is cut after '(run|sit)/..avi', at byte \d+")


def test_a_tar_whose_next_header_is_damaged_is_refused(tmp_path):
  path = make_tar(tmp_path / "a.tar", FILES)
  with tarfile.open(path) as archive:
    second = archive.getmembers()[1].offset
  refused(flipped(path, second + 3), rf"after 'run/a.avi', at byte {second} .* neither a member nor the end")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_flipped_byte_in_a_compressed_zip_is_told_with_the_member(method, tmp_path):
  with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
    for name, contents in FILES.items():
      archive.writestr(name, contents)
  whole = (tmp_path / "a.zip").read_bytes()
  for position in range(60, 9000, 499):
    (tmp_path / "a.zip").write_bytes(whole)
    refused(flipped(tmp_path / "a.zip", position), r"damaged or no such archive \('run/a\.avi': ")


@pytest.mark.parametrize(
  ("local", "central", "value", "reason"),
  [
    (6, 8, 1, "'a.avi' is encrypted; unpack it by hand"),
    (8, 10, 99, "'a.avi' is compressed by method 99, which cannot be read here"),
    (6, 8, 0x40, "'a.avi': strong encryption .* cannot be read here"),
  ],
)
def test_a_zip_that_python_cannot_read(local, central, value, reason, tmp_path):
  path = make_zip(tmp_path / "a.zip", {"a.avi": b"abc"})
  contents = bytearray(path.read_bytes())
  contents[local] = contents[contents.index(b"PK\x01\x02") + central] = value
  path.write_bytes(contents)
  refused(path, reason)


def test_a_zip_that_says_another_number_of_members(tmp_path):
  path = make_zip(tmp_path / "a.zip", FILES)
  refused(flipped(path, path.stat().st_size - 22 + 10), "3 members are there, it says 2")


def test_damage_inside_is_told_with_both_names(tmp_path):
  inner = flipped(make_zip(tmp_path / "run.zip", {"a.avi": bytes(900)}), 400)
  path = make_tar(tmp_path / "x.tar", {"sit.avi": b"a", "run.zip": inner.read_bytes()})
  inner.unlink()
  refused(path, r"x\.tar is damaged .*\(run\.zip, which is in it: 'a\.avi': Bad CRC-32")


def test_archives_inside_keep_apart(tmp_path):
  inner = {}
  for name in ("a.train.zip", "a.test.zip", "b.zip", "b.tar", "c.zip"):
    make = make_zip if name.endswith("zip") else make_tar
    inner[name] = make(tmp_path / name, {"v.avi": name.encode()}).read_bytes()
  path = make_tar(tmp_path / "all.tar", {**inner, "c/w.avi": b"w"})
  folder = unpacked(path, None, "--videos")
  assert held(folder) == {
    "a.train/v.avi": b"a.train.zip",
    "a.test/v.avi": b"a.test.zip",
    "b.zip.unpacked/v.avi": b"b.zip",
    "b.tar.unpacked/v.avi": b"b.tar",
    "c.zip.unpacked/v.avi": b"c.zip",
    "c/w.avi": b"w",
  }


def test_a_second_command_is_told_to_wait(tmp_path):
  path = make_zip(tmp_path / "a.zip", FILES)
  with open(tmp_path / ".a.zip.unpacked.lock", "w") as other:
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(InputError, match=r"is being unpacked to .* by another command: wait for it"):
      unpacked(path, None, "--videos")
    assert unpacked(path, tmp_path / "elsewhere", "--videos") == tmp_path / "elsewhere"
  assert held(unpacked(path, None, "--videos")) == FILES
  assert not list(tmp_path.glob(".*"))
