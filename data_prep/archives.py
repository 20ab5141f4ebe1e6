"""Unpacks the archives that data sets come in, without letting them write anywhere else."""

import json
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from data_prep.rar import Refused, rar_names, unpack_rar
from zsar_jax.errors import InputError

SUFFIXES = (".zip", ".rar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# In a folder that is whole: the archive it came from.
_STAMP = ".unpacked.json"
_BLOCK = 1 << 20  # bytes
_KEEP_FREE = 64 << 20  # bytes of the disk


def unpacked(path: str | Path, unpack_to: str | Path | None, option: str) -> Path:
  """The folder itself, or the folder that an archive was unpacked to, now or by an earlier call.

  An archive is unpacked to a temporary folder beside `unpack_to` (default: `ARCHIVE.unpacked`), which gets its name
  when it is whole; interrupted, the same call goes on with the files that are there. Archives inside (HMDB51's)
  are unpacked likewise.

  Raises:
    InputError: no such file, no archive, damaged; members that are links, devices or outside the folder; no room
      on the disk; no program that reads rar.
  """
  source = Path(path)
  if source.is_dir():
    return source
  if not source.is_file():
    raise InputError(f"{option} {source} does not exist")
  if not source.name.lower().endswith(SUFFIXES):
    raise InputError(f"{option} {source} is neither a folder nor an archive ({' '.join(SUFFIXES)})")
  target = Path(unpack_to) if unpack_to else source.with_name(f"{source.name}.unpacked")
  try:
    _unpack_to(source, target)
  except OSError as error:
    raise InputError(
      f"{option} {source} cannot be unpacked to {target}: {error.strerror or error}; "
      "run the same command again to go on, or choose another place with --unpack_to"
    ) from None
  return target


def _unpack_to(source: Path, target: Path) -> None:
  stamp = {"archive": source.name, "size": source.stat().st_size}
  if _is_whole(target, stamp):
    return
  partial = target.with_name(f".{target.name}.partial")
  _claim(partial, stamp)
  _unpack(source, partial)
  for inner in sorted(partial.rglob("*")):
    if inner.is_file() and inner.name.lower().endswith(SUFFIXES):
      _unpack_to(inner, inner.with_name(inner.name.split(".")[0]))
      inner.unlink()
  os.replace(partial, target)


def _is_whole(target: Path, stamp: dict) -> bool:
  if not target.exists() or (target.is_dir() and not any(target.iterdir())):
    return False
  try:
    there = json.loads((target / _STAMP).read_text())
  except (OSError, ValueError):
    there = None
  if there != stamp:
    raise InputError(
      f"{target} exists and does not hold {stamp['archive']} ({stamp['size']} bytes) unpacked: "
      "give the folder itself, or choose another --unpack_to"
    )
  return True


def _claim(partial: Path, stamp: dict) -> None:
  """Makes the temporary folder; empties one that is there for another archive."""
  try:
    if json.loads((partial / _STAMP).read_text()) == stamp:
      return
  except (OSError, ValueError):
    pass
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  (partial / _STAMP).write_text(json.dumps(stamp))


def _unpack(source: Path, folder: Path) -> None:
  try:
    if source.name.lower().endswith(".rar"):
      program, names = rar_names(source)
      for name in names:
        check_name(name)
      unpack_rar(program, source, folder)
    else:
      members = _zip_members(source) if source.name.lower().endswith(".zip") else _tar_members(source, folder)
      for name, size, stream in members:
        with stream:
          _write(folder / name, size, stream)
  except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
    raise InputError(f"{source} is damaged or no such archive ({error}): fetch it again") from error
  except Refused as error:
    shutil.rmtree(folder, ignore_errors=True)
    raise InputError(f"{source} is not unpacked: {error}. Unpack it by hand if you trust it") from None


Member = tuple[str, int, IO[bytes]]  # name, size in bytes, content


def _zip_members(source: Path) -> Iterator[Member]:
  with zipfile.ZipFile(source) as archive:
    members = archive.infolist()
    for member in members:
      check_name(member.filename)
      mode = stat.S_IFMT(member.external_attr >> 16)
      if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"{member.filename!r} is a link or a device")
    for member in members:
      if not member.is_dir():
        yield member.filename, member.file_size, archive.open(member)


def _tar_members(source: Path, folder: Path) -> Iterator[Member]:
  with tarfile.open(source) as archive:
    for member in archive:
      check_name(member.name)
      if not (member.isreg() or member.isdir()):
        raise Refused(f"{member.name!r} is a link or a device")
      tarfile.data_filter(member, str(folder))  # the standard library's own checks besides
      stream = archive.extractfile(member) if member.isreg() else None
      if stream is not None:
        yield member.name, member.size, stream


def check_name(name: str) -> None:
  """Raises Refused for a name that would leave the folder: absolute, with a drive, with `..`."""
  path = PurePosixPath(name.replace("\\", "/"))
  if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")) or "\0" in name:
    raise Refused(f"{name!r} would be written outside the folder")


def _write(path: Path, size: int, stream: IO[bytes]) -> None:
  """A file that is whole or not there; one that is there with the right size is left."""
  if path.is_file() and path.stat().st_size == size:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  free = shutil.disk_usage(path.parent).free
  if size + _KEEP_FREE > free:
    raise OSError(f"no room: {path.name} has {size / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free")
  temporary = path.with_name(f".{path.name[:200]}.part")
  written = 0
  with open(temporary, "wb") as file:
    while block := stream.read(_BLOCK):
      written += len(block)
      if written > size:
        raise Refused(f"{path.name!r} is larger than the archive says")
      file.write(block)
  os.replace(temporary, path)
