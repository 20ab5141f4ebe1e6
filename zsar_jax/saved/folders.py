"""Folders that are whole or not there: the SHA-256 of every file, and a new folder put in the place of an old one."""

import hashlib
import os
import pathlib
import re
import shutil
import stat
from collections.abc import Iterator, Mapping

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LARGEST = 16 << 20  # bytes of a list of sums that is worth reading


class SumsError(ValueError):
  """A list of sums is missing or says nothing that can be relied on. The message is the reason, in one line."""


def files_below(folder: pathlib.Path) -> Iterator[str]:
  """Everything but folders, relative to `folder`, in order of names; links to folders too. Raises OSError."""
  found = []
  for parent, folders, files in os.walk(folder, onerror=_raise):
    here = pathlib.Path(parent)
    found += [here / name for name in (*files, *(name for name in folders if (here / name).is_symlink()))]
  yield from sorted(path.relative_to(folder).as_posix() for path in found)


def file_hash(path: pathlib.Path) -> str:
  """SHA-256 of a file, hexadecimal. Raises OSError."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: pathlib.Path) -> dict[str, str]:
  """SHA-256 of every file below `folder`, by its relative name. Raises OSError."""
  return {name: file_hash(folder / name) for name in files_below(folder)}


def hash_problems(folder: pathlib.Path, written: Mapping[str, str]) -> list[str]:
  """Every file below `folder` that is missing, changed, no plain file or none of `written`; nothing else is read. Raises OSError."""
  there = dict.fromkeys(files_below(folder))
  problems = []
  for name, digest in written.items():
    path = folder / name
    if name not in there:
      problems.append(f"{path} is missing")
    elif wrong := no_plain_file(path):
      problems.append(f"{path} {wrong}")
    elif file_hash(path) != digest:
      problems.append(f"{path} was changed or is damaged (SHA-256)")
  return problems + [f"{str(folder / name)!a} does not belong here" for name in there if name not in written]


def no_plain_file(path: pathlib.Path) -> str:
  """What is wrong with something to be read, which may wait for ever or lead elsewhere; empty for a plain file. Raises OSError."""
  mode = path.lstat().st_mode
  if stat.S_ISLNK(mode):
    return "is a link, expected a plain file: copy the folder with what its links lead to (cp -rL)"
  return "" if stat.S_ISREG(mode) else "is no plain file"


def write_sums(folder: pathlib.Path) -> None:
  """`SHA256SUMS` over every other file of the folder, as `sha256sum -c` reads it. Raises OSError."""
  lines = [f"{digest}  {name}\n" for name, digest in hashes(folder).items() if name != SUMS]
  (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: pathlib.Path) -> dict[str, str]:
  """What `write_sums` wrote.

  Raises:
    SumsError: it is missing, no plain file, or a line is none of ours.
  """
  path = folder / SUMS
  try:
    if wrong := no_plain_file(path):
      raise SumsError(f"{path} {wrong}")
    if path.stat().st_size > _LARGEST:
      raise SumsError(f"{path} is no list of sums: it is too large")
    text = path.read_text(encoding="utf-8")
  except FileNotFoundError:
    raise SumsError(f"{path} is missing") from None
  except (OSError, UnicodeDecodeError) as error:
    raise SumsError(f"{path} cannot be read: {error}") from error
  sums = {}
  for number, line in enumerate(text.split("\n")[:-1] if text.endswith("\n") else [""], 1):
    found = _LINE.fullmatch(line)
    if found is None or not _is_inside(found[2]) or found[2] in sums:
      raise SumsError(f"{path}, line {number}: no SHA-256 and name of a file of this folder")
    sums[found[2]] = found[1]
  return sums


def sums_problems(folder: pathlib.Path) -> list[str]:
  """Why `folder` is not as `write_sums` found it, every file of it read; empty if it is. One line a problem."""
  try:
    there = hash_problems(folder, {**read_sums(folder), SUMS: ""})
  except (SumsError, OSError) as error:
    return [str(error)]
  # It cannot hold its own sum.
  return [problem for problem in there if not problem.startswith(f"{folder / SUMS} was changed")]


def temporary_beside(folder: pathlib.Path) -> pathlib.Path:
  """A name for a folder that takes the place of `folder` once it is whole."""
  return folder.with_name(f".{folder.name}.{os.getpid()}.tmp")


def swap_in(temporary: pathlib.Path, folder: pathlib.Path) -> None:
  """Gives `temporary`, made by `temporary_beside`, the name `folder`; what was there is removed. Raises OSError."""
  old = temporary.with_suffix(".old")
  if folder.exists():
    folder.rename(old)
  try:
    temporary.rename(folder)
  except OSError:
    if old.exists():
      old.rename(folder)
    raise
  shutil.rmtree(old, ignore_errors=True)


def clean_beside(folder: pathlib.Path) -> None:
  """Undoes what killed processes, or an earlier attempt of this one, left beside `folder`.

  Temporary folders are removed; a folder that was to be replaced gets its name back where nothing took its place. Raises OSError.
  """
  if not folder.parent.is_dir():
    return
  ours = re.compile(rf"\.{re.escape(folder.name)}\.([0-9]{{1,10}})\.(tmp|old)")
  for path in sorted(folder.parent.iterdir()):
    found = ours.fullmatch(path.name)
    if found is None or not path.is_dir() or _is_at_work(int(found[1])):
      continue
    if found[2] == "old" and not folder.exists():
      path.rename(folder)
    else:
      shutil.rmtree(path, ignore_errors=True)


def _is_at_work(pid: int) -> bool:
  """Whether another process of this number lives."""
  if pid == os.getpid():
    return False
  try:
    os.kill(pid, 0)
  except (ProcessLookupError, OverflowError):
    return False
  except PermissionError:  # somebody else's
    return True
  return True


def _is_inside(name: str) -> bool:
  return name.isprintable() and not name.startswith("/") and not {"", ".", ".."} & set(name.split("/"))


def _raise(error: OSError) -> None:
  raise error
