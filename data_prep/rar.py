"""Unpacks rar archives with whatever program is installed: Python's library cannot."""

import shutil
import subprocess
from pathlib import Path

from data_prep.archive_members import Refused
from zsar_jax.errors import InputError

# Program: how it lists names, one a line, and how it unpacks into a folder. Places are absolute, so none begins with -.
_PROGRAMS = {
  "bsdtar": (
    ["-tf", "{archive}"],
    ["-xf", "{archive}", "-C", "{folder}", "--no-same-owner", "--no-same-permissions"],
  ),
  "unrar": (["lb", "-p-", "{archive}"], ["x", "-p-", "-o+", "-ol-", "-idq", "{archive}", "{folder}/"]),
  "7z": (["l", "-ba", "-slt", "{archive}"], ["x", "-y", "-bd", "-bso0", "-o{folder}", "{archive}"]),
}


def installed() -> list[str]:
  """The programs here that may read rar (some are built without it)."""
  return [name for name in _PROGRAMS if shutil.which(name)]


def rar_names(source: Path) -> tuple[str, list[str]]:
  """The first program that reads an archive, and the names in it; InputError where none does."""
  failures = []
  for program in installed():
    done = _run(program, _PROGRAMS[program][0], source, source.parent)
    if not done.returncode:
      return program, _names(program, done.stdout.decode(errors="surrogateescape"))
    failures.append(_told(program, done))
  if failures:
    raise InputError(f"{source} cannot be read ({'; '.join(failures)}): fetch it again, or unpack it by hand")
  raise InputError(
    f"{source}: no program here reads rar. Install one (Debian, Ubuntu: apt install libarchive-tools; macOS has bsdtar; "
    "or unrar, or 7z), or unpack it by hand and give the folder"
  )


def unpack_rar(program: str, source: Path, folder: Path) -> None:
  """Unpacks into an existing folder, whose names were checked; what is there is overwritten.

  Raises:
    InputError: a damaged archive.
    Refused: a link or a device came out of it.
  """
  done = _run(program, _PROGRAMS[program][1], source, folder)
  if done.returncode:
    raise InputError(
      f"{source} cannot be read ({_told(program, done)}): fetch it again, or unpack it by hand"
    )
  for path in folder.rglob("*"):
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
      raise Refused(
        f"{path.relative_to(folder).as_posix()!r} is a link or a device; unpack it by hand if you trust it"
      )


def _names(program: str, printed: str) -> list[str]:
  lines = printed.splitlines()
  if program == "7z":
    return [line.removeprefix("Path = ") for line in lines if line.startswith("Path = ")]
  return lines


def _run(
  program: str, arguments: list[str], source: Path, folder: Path
) -> subprocess.CompletedProcess[bytes]:
  places = {"archive": str(source.resolve()), "folder": str(folder.resolve())}
  command = [program, *(argument.format(**places) for argument in arguments)]
  return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _told(program: str, done: subprocess.CompletedProcess[bytes]) -> str:
  words = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
  return f"{program}: {words[-1] if words else f'exit code {done.returncode}'}"
