"""Unpacks the archives that data sets come in, without letting them write anywhere else."""

import errno
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import IO

from data_prep.archive_members import Damaged, Refused, check_name, faults_of, tar_members, zip_members
from data_prep.rar import rar_names, unpack_rar
from zsar_jax.errors import InputError
from zsar_jax.files import parse_json
from zsar_jax.lock import exclusive

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
    InputError: no such file, no archive, damaged or cut; members that are links, devices, outside the folder or
      encrypted; no room on the disk; no program that reads rar; another command at work on it.
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
    if not _is_whole(target, _stamp(source)):
      target.parent.mkdir(parents=True, exist_ok=True)
      taken = (
        f"{source} is being unpacked to {target} by another command: wait for it, then run this one again"
      )
      with exclusive(target.with_name(f".{target.name}.lock"), taken):
        _unpack_to(source, target)
  except Damaged as error:
    raise InputError(f"{option} {source} is damaged or no such archive ({error}): fetch it again") from error
  except Refused as error:
    raise InputError(f"{option} {source} is not unpacked: {error}") from error
  except OSError as error:
    raise InputError(
      f"{option} {source} cannot be unpacked to {target}: {error.strerror or error}; "
      "run the same command again to go on, or choose another place with --unpack_to"
    ) from None
  return target


def _unpack_to(source: Path, target: Path) -> None:
  stamp = _stamp(source)
  if _is_whole(target, stamp):
    return
  partial = target.with_name(f".{target.name}.partial")
  _claim(partial, stamp)
  try:
    _unpack(source, partial)
    inner = sorted(p for p in partial.rglob("*") if p.is_file() and p.name.lower().endswith(SUFFIXES))
    for archive, folder in zip(inner, _folders(inner), strict=True):
      try:
        _unpack_to(archive, folder)
      except (Damaged, Refused) as error:
        raise type(error)(f"{archive.name}, which is in it: {error}") from error
      archive.unlink()
  except (Damaged, Refused):
    # Its files may be damaged too, and of the size that another copy's have.
    shutil.rmtree(partial, ignore_errors=True)
    raise
  os.replace(partial, target)


def _folders(archives: list[Path]) -> list[Path]:
  """Where archives inside an archive go: a folder named as each, or `ARCHIVE.unpacked` where that name is taken."""
  plain = [path.with_name(_without_suffix(path.name)) for path in archives]
  uses = Counter(plain)
  return [
    path.with_name(f"{path.name}.unpacked")
    if uses[folder] > 1 or (folder.exists() and not (folder / _STAMP).exists())
    else folder
    for path, folder in zip(archives, plain, strict=True)
  ]


def _without_suffix(name: str) -> str:
  length = max(len(suffix) for suffix in SUFFIXES if name.lower().endswith(suffix))
  return name[:-length] or name


def _stamp(source: Path) -> dict:
  return {"archive": source.name, "size": source.stat().st_size}


def _is_whole(target: Path, stamp: dict) -> bool:
  if not target.exists() or (target.is_dir() and not any(target.iterdir())):
    return False
  try:
    there = parse_json((target / _STAMP).read_text())
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
    if parse_json((partial / _STAMP).read_text()) == stamp:
      return
  except (OSError, ValueError):
    pass
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  (partial / _STAMP).write_text(json.dumps(stamp))


def _unpack(source: Path, folder: Path) -> None:
  if source.name.lower().endswith(".rar"):
    program, names = rar_names(source)
    for name in names:
      check_name(name)
    unpack_rar(program, source, folder)
    return
  members = zip_members(source) if source.name.lower().endswith(".zip") else tar_members(source, folder)
  for name, size, stream in members:
    with stream, faults_of(name):
      _write(folder / name, size, stream)


def _write(path: Path, size: int, stream: IO[bytes]) -> None:
  """A file that is whole or not there; one that is there with the right size is left."""
  if path.is_file() and path.stat().st_size == size:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  free = shutil.disk_usage(path.parent).free
  if size + _KEEP_FREE > free:
    needed = f"no room: {path.name} has {size / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free"
    raise OSError(errno.ENOSPC, needed)
  temporary = path.with_name(f".{path.name[:200]}.part")
  written = 0
  with open(temporary, "wb") as file:
    while block := stream.read(_BLOCK):
      written += len(block)
      if written > size:
        raise Refused(f"{path.name!r} is larger than the archive says; unpack it by hand if you trust it")
      file.write(block)
  if written < size:
    raise EOFError(f"{written} bytes, the archive says {size}")
  os.replace(temporary, path)
