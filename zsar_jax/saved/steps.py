"""The steps in a `checkpoints/` folder: which are there, which are kept, and how one is put away. Needs neither JAX nor Orbax.

A save in progress and a step that is being deleted have names that begin with a dot, so a process that is killed leaves
whole steps and nothing that looks like one.
"""

import math
import os
import pathlib
import re
import shutil
import time
from collections.abc import Mapping

from zsar_jax.saved.manifest import Manifest, ManifestError, read_manifest, size_problems, sync

FOLDER, ASIDE = "checkpoints", "checkpoints_unreadable"
_STEP = re.compile(r"0|[1-9][0-9]{0,17}")
_LEFTOVER = re.compile(r"\.(unfinished|removed)\..*|.*\.orbax-checkpoint-tmp.*")


def step_folders(directory: pathlib.Path) -> dict[int, pathlib.Path]:
  """Every folder that is named as a step, whole or not, by its number, ascending."""
  if not directory.is_dir():
    return {}
  found = (path for path in directory.iterdir() if _STEP.fullmatch(path.name) and path.is_dir())
  return dict(sorted((int(path.name), path) for path in found))


def whole_steps(directory: pathlib.Path) -> dict[int, Manifest]:
  """The steps whose files are there with the sizes that their manifest says, ascending. Reads no file but the manifests."""
  whole = {}
  for step, folder in step_folders(directory).items():
    try:
      if not size_problems(folder):
        whole[step] = read_manifest(folder)
    except ManifestError:
      continue  # deleted in between
  return whole


def leftovers(directory: pathlib.Path) -> list[pathlib.Path]:
  """What saves that were cut off, and deletions, left in `directory`."""
  if not directory.is_dir():
    return []
  return sorted(path for path in directory.iterdir() if _LEFTOVER.fullmatch(path.name) and path.is_dir())


def ranked(validations: Mapping[int, float | None]) -> list[int]:
  """The steps with a finite validation, the best first; of equal ones the later first."""
  finite = [
    (value, step) for step, value in validations.items() if value is not None and math.isfinite(value)
  ]
  return [step for _, step in sorted(finite, reverse=True)]


def kept(validations: Mapping[int, float | None], keep: int, keep_best: int) -> set[int]:
  """The newest `keep` steps (the newest one in any case) and the best `keep_best`."""
  return {*sorted(validations, reverse=True)[: max(keep, 1)], *ranked(validations)[:keep_best]}


def unfinished(directory: pathlib.Path, step: int) -> pathlib.Path:
  """A new name for a step while it is being written."""
  return directory / f".unfinished.{step}.{time.time_ns()}"


def finish(folder: pathlib.Path, directory: pathlib.Path, step: int) -> None:
  """Gives the folder of a step that is whole and durable its name; what was there under it is set aside."""
  final = directory / str(step)
  if final.exists():
    set_aside(directory, step)
  folder.rename(final)
  sync(directory)


def remove(directory: pathlib.Path, step: int) -> None:
  """Deletes a step; killed in between, it leaves no half step."""
  away = directory / f".removed.{step}.{time.time_ns()}"
  (directory / str(step)).rename(away)
  shutil.rmtree(away)


def set_aside(directory: pathlib.Path, step: int) -> pathlib.Path:
  """Moves a step that cannot be read out of the way, and returns where it went."""
  aside = directory.with_name(ASIDE)
  aside.mkdir(exist_ok=True)
  to = aside / f"{step}.{time.time_ns()}"
  os.rename(directory / str(step), to)
  return to


def clean(directory: pathlib.Path) -> None:
  """Deletes the leftovers; one that cannot be deleted does no harm."""
  for path in leftovers(directory):
    shutil.rmtree(path, ignore_errors=True)
