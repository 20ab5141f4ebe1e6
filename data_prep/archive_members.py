"""The files in a tar or zip archive, one after another, and whether the archive is whole."""

import bz2
import contextlib
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

_CHUNK = 1 << 20  # bytes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ZIP_END = 22 + 0xFFFF  # bytes: the end record of a zip archive, with the longest comment
_ENCRYPTED = 1  # a bit of a zip member's flags
# What the standard library raises for bytes that are not what was written.
_FAULTS = (
  *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
  *(EOFError, ValueError, KeyError, IndexError, OverflowError),
)


class Refused(Exception):
  """An archive has a member that is not unpacked: which, why, and what to do."""


class Damaged(Exception):
  """An archive is not what was packed: which member, and why."""


class Member(NamedTuple):
  """A file in an archive."""

  name: str
  size: int  # bytes
  stream: IO[bytes]


@contextlib.contextmanager
def faults_of(name: str = "") -> Iterator[None]:
  """Turns whatever damaged bytes make the standard library raise into Damaged; `name` is the member's."""
  try:
    yield
  except _FAULTS as error:
    raise Damaged(f"{name!r}: {error}" if name else str(error)) from error
  except OSError as error:  # bz2 and gzip raise it too, without a number
    if error.errno is not None:
      raise
    raise Damaged(f"{name!r}: {error}" if name else str(error)) from error


def zip_members(source: Path) -> Iterator[Member]:
  """The files of a zip archive, whose members were all looked at before the first is given.

  Raises:
    Refused: names outside the folder, links, devices, encrypted members, unknown compression.
    Damaged: no such archive.
  """
  with contextlib.ExitStack() as stack:
    with faults_of():
      archive = stack.enter_context(_opened_zip(source))
      members = archive.infolist()
      _check_count(source, len(members))
    for member in members:
      check_name(member.filename)
      mode = stat.S_IFMT(member.external_attr >> 16)
      if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _link(member.filename)
      if member.flag_bits & _ENCRYPTED:
        raise Refused(f"{member.filename!r} is encrypted; unpack it by hand and give the folder")
      if member.compress_type not in _METHODS:
        raise _unreadable(f"{member.filename!r} is compressed by method {member.compress_type}")
    for member in members:
      if not member.is_dir():
        with faults_of(member.filename):
          stream = _opened_member(archive, member)
        yield Member(member.filename, member.file_size, stream)


def _check_count(source: Path, found: int) -> None:
  """Python's zipfile takes as many members as it finds, whatever number the archive itself ends with."""
  with open(source, "rb") as file:
    file.seek(max(0, source.stat().st_size - _ZIP_END))
    end = file.read()
  begin = end.rfind(b"PK\x05\x06")
  told = int.from_bytes(end[begin + 10 : begin + 12], "little")
  if told not in (0xFFFF, found % 0x10000):  # the first: it stands elsewhere
    raise Damaged(f"{found} members are there, it says {told}")


def _opened_zip(source: Path) -> zipfile.ZipFile:
  try:
    return zipfile.ZipFile(source)
  except NotImplementedError as error:
    raise _unreadable(str(error)) from error


def _opened_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
  try:
    return archive.open(member)
  except RuntimeError as error:  # NotImplementedError is one
    raise _unreadable(f"{member.filename!r}: {error}") from error


def _unreadable(reason: str) -> Refused:
  return Refused(f"{reason}, which cannot be read here; unpack it by hand and give the folder")


def _link(name: str) -> Refused:
  return Refused(f"{name!r} is a link or a device; unpack it by hand if you trust it")


def tar_members(source: Path, folder: Path) -> Iterator[Member]:
  """The files of a tar archive, compressed or not; after the last it reads on to the end of the file.

  Python's tarfile ends at the end mark, before the checksum of what is compressed, and takes a file that is cut
  between two members, or whose next header is damaged, for one that ends there.

  Args:
    source: the archive.
    folder: where its members will go; members are checked against it.

  Raises:
    Refused: names outside the folder, links, devices.
    Damaged: no such archive, no end mark, a wrong checksum.
  """
  with contextlib.ExitStack() as stack:
    with faults_of():
      stream = _Stream(stack.enter_context(_decompressed(source)))
      archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))  # type: ignore[call-overload]
    last = ""
    while member := _next(archive, last):
      last = member.name
      check_name(member.name)
      if not (member.isreg() or member.isdir()):
        raise _link(member.name)
      try:
        tarfile.data_filter(member, str(folder))  # the standard library's own checks besides
      except tarfile.FilterError as error:
        raise Refused(f"{error}; unpack it by hand if you trust it") from error
      content = archive.extractfile(member) if member.isreg() else None
      if content is not None:
        yield Member(member.name, member.size, content)
    with faults_of():
      stream.check_end(last)


def _next(archive: tarfile.TarFile, last: str) -> tarfile.TarInfo | None:
  with faults_of(last):
    return archive.next()


def _decompressed(source: Path) -> IO[bytes]:
  """By its first bytes: what a browser saved is sometimes not what its name says."""
  with open(source, "rb") as file:
    start = file.read(10)
  if start.startswith(b"\x1f\x8b"):
    return gzip.open(source)  # type: ignore[return-value]
  if start.startswith(b"BZh") and start[4:] == b"1AY&SY":
    return bz2.open(source)
  if start.startswith(b"\xfd7zXZ\x00"):
    return lzma.open(source)
  return open(source, "rb")


class _Stream:
  """Bytes of a tar file, read forwards, of which the last read can be looked at again: seeking back would decompress anew."""

  def __init__(self, file: IO[bytes]):
    self._file = file
    self._last = b""

  def read(self, size: int = -1) -> bytes:
    self._last = self._file.read(size)
    return self._last

  def seek(self, position: int, whence: int = 0) -> int:
    return self._file.seek(position, whence)

  def tell(self) -> int:
    return self._file.tell()

  def seekable(self) -> bool:
    return True

  def check_end(self, last: str) -> None:
    """Raises Damaged unless what was read last, a header, and the next block are the end mark; reads to the end."""
    place, mark = self.tell() - len(self._last), self._last + self._file.read(tarfile.BLOCKSIZE)
    after = f"after {last!r}" if last else "at its beginning"
    if len(mark) < 2 * tarfile.BLOCKSIZE:
      raise Damaged(f"it is cut {after}, at byte {place + len(mark)} of its contents")
    if any(mark):
      raise Damaged(f"{after}, at byte {place} of its contents, is neither a member nor the end mark")
    while self._file.read(_CHUNK):
      pass


def check_name(name: str) -> None:
  """Raises Refused for a name that would leave the folder: absolute, with a drive, with `..`."""
  path = PurePosixPath(name.replace("\\", "/"))
  if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")) or "\0" in name:
    raise Refused(f"{name!r} would be written outside the folder; unpack it by hand if you trust it")
