"""Writes one step: Orbax writes the arrays, then comes the manifest, then the folder gets its name."""

import contextlib
import errno
import logging
import os
import pathlib
import re
import shutil
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from zsar_jax.saved.manifest import (
  ARRAYS,
  FILE,
  Facts,
  byte_problems,
  read_manifest,
  size_problems,
  sync_below,
  write_manifest,
)
from zsar_jax.saved.steps import finish, unfinished

_KEPT = "steps that were there are untouched"
_ADVICE = {
  errno.ENOSPC: "free space there",
  errno.EDQUOT: "free space there or raise the quota",
  errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
  errno.EACCES: "make the folder writable",
  errno.EPERM: "make the folder writable",
  errno.EROFS: "make the folder writable",
}


class SaveError(RuntimeError):
  """A step cannot be written. Commands print it, one line with path, reason and what to do, and exit with 1."""


@contextlib.contextmanager
def telling(path: pathlib.Path, otherwise: str = "") -> Iterator[None]:
  """Turns what a file system refuses inside into a SaveError; `otherwise` is what else can be done about it."""
  try:
    yield
  except OSError as error:
    raise SaveError(
      f"{path} cannot be written ({error.strerror}); make room or mend the folder and start the same command again{otherwise}"
    ) from error


class Folder:
  """The folder that steps are written to, held open: one that is removed, or put in its place, is told from it."""

  def __init__(self, path: pathlib.Path):
    """Creates it where it is missing.

    Raises:
      SaveError: that cannot be done.
    """
    self.path = path
    try:
      path.mkdir(parents=True, exist_ok=True)
      self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
      raise SaveError(f"{path} cannot be written: {_reason(error)}; {_advice(error)}") from error
    weakref.finalize(self, os.close, self._descriptor)

  @property
  def is_there(self) -> bool:
    try:
      return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
    except OSError:
      return False

  def check(self, step: int) -> None:
    """Raises SaveError unless it is there."""
    if not self.is_there:
      raise SaveError(
        f"step {step} cannot be saved: {self.path} was removed or replaced while the run was going on; give a --workdir that stays"
      )


def write_step(folder: Folder, step: int, arrays: dict[str, Any], facts: Facts) -> None:
  """Writes a step and everything that makes it whole; nothing of it stays where that fails.

  `arrays` is a pytree of numpy arrays, which nobody else may write to.

  Raises:
    SaveError: see there.
  """
  folder.check(step)
  here = unfinished(folder.path, step)
  try:
    here.mkdir()
    _write_arrays(here / ARRAYS, arrays)
    folder.check(step)
    write_manifest(here, step, facts)
    if problems := size_problems(here):
      raise RuntimeError(problems[0])
    finish(here, folder.path, step)
  except Exception as error:
    _undo(folder, here)
    folder.check(step)
    raise _save_error(folder.path, step, error) from error


def copy_step(source: pathlib.Path, folder: Folder, step: int) -> None:
  """Copies the folder of a step that verifies into another workdir's, and verifies what arrived.

  Raises:
    SaveError: it cannot be written, or arrives damaged; nothing of it stays.
  """
  here = unfinished(folder.path, step)
  try:
    for name in (FILE, *read_manifest(source).files):
      (here / name).parent.mkdir(parents=True, exist_ok=True)
      shutil.copyfile(source / name, here / name)
    sync_below(here)
    if problems := byte_problems(here):
      raise RuntimeError(f"the copy is damaged: {problems[0]}")
    finish(here, folder.path, step)
  except Exception as error:
    _undo(folder, here)
    raise _save_error(folder.path, step, error) from error


def _write_arrays(path: pathlib.Path, arrays: dict[str, Any]) -> None:
  # Arrays of numpy and no Checkpointer: Orbax then waits for no other process. Trained weights hardly shrink: no compression.
  handler = ocp.PyTreeCheckpointHandler(use_compression=False)
  try:
    with _quiet():
      handler.save(epath.Path(path), args=ocp.args.PyTreeSave(arrays))
      handler.finalize(epath.Path(path))
  finally:
    handler.close()


def _undo(folder: Folder, here: pathlib.Path) -> None:
  shutil.rmtree(here, ignore_errors=True)
  if not folder.is_there:
    # The writer of the arrays makes every folder that it misses, so a workdir that was removed may be there again.
    for empty in (folder.path, folder.path.parent):
      with contextlib.suppress(OSError):
        empty.rmdir()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps Orbax from printing a traceback for every thread that failed: the error is told once, by us."""

  def wanted(record: logging.LogRecord) -> bool:
    return not (record.exc_info and "orbax" in record.pathname)

  def unraisable(told: Any) -> None:
    if "Event loop is closed" not in str(told.exc_value):
      before(told)

  logger, before = logging.getLogger("absl"), sys.unraisablehook
  logger.addFilter(wanted)
  sys.unraisablehook = unraisable
  try:
    yield
    # Else it stays: writes that were under way when another failed report to a loop that is gone, at any time.
    sys.unraisablehook = before
  finally:
    logger.removeFilter(wanted)


def _save_error(path: pathlib.Path, step: int, error: Exception) -> SaveError:
  if isinstance(error, SaveError):
    return error
  return SaveError(f"step {step} cannot be saved in {path}: {_reason(error)}; {_advice(error)}; {_KEPT}")


def _number(error: Exception) -> int | None:
  """The system's number of an error, also where TensorStore tells it within a text."""
  if isinstance(error, OSError):
    return error.errno
  found = re.search(r"os_error_code='(\d+)'", str(error))
  return int(found[1]) if found else None


def _reason(error: Exception) -> str:
  number = _number(error)
  if number is not None:
    return os.strerror(number)
  return f"{type(error).__name__}: {error}".splitlines()[0][:160]


def _advice(error: Exception) -> str:
  return _ADVICE.get(_number(error) or 0, "see to the folder, or give another --workdir")
