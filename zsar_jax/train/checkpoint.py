"""Checkpoints of a run: saved while training goes on, verified before they are restored."""

import logging
import pathlib
import threading
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from zsar_jax.errors import InputError
from zsar_jax.files import parse_json
from zsar_jax.saved.manifest import (
  ARRAYS,
  Facts,
  ManifestError,
  amend_facts,
  byte_problems,
  read_manifest,
  shortened,
)
from zsar_jax.saved.steps import FOLDER, clean, kept, remove, set_aside, step_folders, whole_steps
from zsar_jax.train.arrays import MisfitError, host_copy, read_arrays
from zsar_jax.train.distributed import agree, is_first
from zsar_jax.train.saving import Folder, SaveError, write_step
from zsar_jax.train.sharding import place_everywhere
from zsar_jax.train.state import Network, Stage, TrainState, init_state, stage_at

__all__ = [
  "CheckpointError",
  "Checkpoints",
  "Facts",
  "Restored",
  "SaveError",
  "has_checkpoints",
  "read_saved_config",
]

_NONE, _UNREADABLE = -1, -2  # what process 0 says instead of a step


class CheckpointError(RuntimeError):
  """No saved step can be read. Commands print it and exit with 3."""


class Restored(NamedTuple):
  state: TrainState
  facts: Facts


class Checkpoints:
  """The `checkpoints/` folder of a workdir: the newest `keep` steps and the best `keep_best` by seen-class validation.

  A step is a folder with the arrays and a manifest (see `manifest.py`); it appears whole, by one renaming. Process 0 alone
  writes, verifies, sets aside and deletes: it holds every array, so no save waits for another process. All processes read.
  With `read_only` nothing on disk is touched, so that a run in progress can be evaluated.

  Raises:
    SaveError: the folder cannot be created.
  """

  def __init__(self, workdir: pathlib.Path, keep: int, keep_best: int = 1, *, read_only: bool = False):
    self.directory = workdir / FOLDER
    self._keep, self._keep_best = keep, keep_best
    self._writes = not read_only and is_first()
    self._thread: threading.Thread | None = None
    self._failure: SaveError | None = None  # of the last save, not told yet
    if self._writes:
      self._folder = Folder(self.directory.absolute())
      clean(self.directory)

  def steps(self) -> list[int]:
    """The steps that are whole by names and sizes of their files, ascending."""
    return list(whole_steps(self.directory))

  def save(self, state: TrainState, facts: Facts) -> None:
    """Starts saving; the arrays are copied before this returns, the files are written behind it.

    Waits for the save before it. A step that is there already stays as it is.

    Raises:
      SaveError: this or the save before it failed.
    """
    if not self._writes:
      return
    self._wait()
    step = int(state.step)
    self._folder.check(step)
    if step in self.steps():
      return
    arrays, facts = host_copy(state._asdict()), _plain(facts)
    self._thread = threading.Thread(target=self._write, args=(step, arrays, facts), name=f"save step {step}")
    self._thread.start()

  def amend(self, step: int, validation: float, best: float | None) -> None:
    """Tells a saved step its validation, which was not known when it was saved.

    Raises:
      SaveError: its manifest cannot be written.
    """
    if not self._writes:
      return
    self._wait()
    try:
      amend_facts(self.directory / str(step), validation, best)
    except (OSError, ManifestError) as error:
      raise SaveError(f"the manifest of {self.directory / str(step)} cannot be written: {error}") from error

  def check(self) -> None:
    """Raises SaveError if a save in the background has failed. Never waits."""
    failure, self._failure = self._failure, None
    if failure is not None:
      raise failure

  def close(self) -> None:
    """Waits until every started save is on disk. It waits for the disk alone: a peer that is gone holds nothing up.

    Raises:
      SaveError: one failed and that was not told yet.
    """
    self._wait()

  def restore_newest(self, network: Network, stages: list[Stage], mesh: Mesh) -> Restored | None:
    """The newest step of which no byte differs from its manifest, or None where nothing was ever saved.

    Steps that are passed over are named in the log, and set aside once a good one was found.

    Raises:
      CheckpointError: steps are there, and none can be read.
      SaveError: a bad step cannot be set aside.
    """
    failures: dict[int, str] = {}
    while True:
      step = agree(self._newest_good(failures) if is_first() else 0)
      if step == _NONE:
        return None
      if step == _UNREADABLE:
        raise _none_good(self.directory, failures)
      restored, reason = self._try(step, network, stages)
      reasons = _everywhere(bool(reason))
      if restored is not None and not reasons.any():
        if self._writes:
          self._put_away(failures)
        return restored._replace(state=place_everywhere(mesh, restored.state))
      if not reasons[0]:
        raise CheckpointError(
          f"{self.directory / str(step)} can be read in process 0 and not in {reasons.nonzero()[0].tolist()}"
          f"{': ' + reason if reason else ''}; put the workdir where all processes see it"
        )
      self._pass_over(step, reason, failures)

  def _newest_good(self, failures: dict[int, str]) -> int:
    """The newest step that verifies; adds those that do not to `failures`."""
    while True:
      left = [step for step in step_folders(self.directory) if step not in failures]
      if not left:
        return _UNREADABLE if failures else _NONE
      problems = byte_problems(self.directory / str(left[-1]))
      if not problems:
        return left[-1]
      if (self.directory / str(left[-1])).exists():  # else a run in progress has just deleted it
        self._pass_over(left[-1], shortened(problems), failures)

  def _pass_over(self, step: int, reason: str, failures: dict[int, str]) -> None:
    failures[step] = reason
    logging.warning("%s cannot be read: %s; trying the step before it", self.directory / str(step), reason)

  def _try(self, step: int, network: Network, stages: list[Stage]) -> tuple[Restored | None, str]:
    """The step with arrays of numpy, or why it cannot be read.

    Raises:
      CheckpointError: it is whole, and of another model or optimizer than the config's.
    """
    folder = self.directory / str(step)
    template = jax.eval_shape(lambda: init_state(network, stage_at(stages, step)))
    try:
      facts = read_manifest(folder).facts
      state = TrainState(**read_arrays(folder / ARRAYS, template._asdict()))
    except MisfitError as error:
      raise CheckpointError(
        f"{folder} is whole but does not fit the config: {error}; go on with the config it was saved by, or give another --workdir"
      ) from error
    except Exception as error:  # whatever Orbax makes of it
      named = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
      return None, f"{named}{error}".splitlines()[0]
    if int(state.step) != step:
      return None, f"its arrays are of step {int(state.step)}"
    return Restored(state, facts), ""

  def _put_away(self, failures: dict[int, str]) -> None:
    for step, reason in failures.items():
      try:
        to = set_aside(self.directory, step)
      except OSError as error:
        raise SaveError(
          f"{self.directory / str(step)} ({reason}) cannot be set aside: {error.strerror}; make the workdir writable"
        ) from error
      logging.warning("%s was moved to %s", self.directory / str(step), to)

  def _wait(self) -> None:
    if self._thread is not None:
      self._thread.join()
      self._thread = None
    self.check()

  def _write(self, step: int, arrays: dict[str, Any], facts: Facts) -> None:
    """In the background."""
    try:
      write_step(self._folder, step, arrays, facts)
      self._delete_others()
    except SaveError as error:
      self._failure = error
    except OSError as error:
      self._failure = SaveError(
        f"{self.directory} cannot be read: {error.strerror}; give a --workdir that stays"
      )

  def _delete_others(self) -> None:
    """Only whole steps count and only they are deleted, so one that is cut off costs no good one."""
    whole = whole_steps(self.directory)
    keeping = kept(
      {step: manifest.facts.validation for step, manifest in whole.items()}, self._keep, self._keep_best
    )
    for step in whole.keys() - keeping:
      try:
        remove(self.directory, step)
      except OSError as error:
        logging.warning("%s cannot be deleted: %s", self.directory / str(step), error.strerror)


def has_checkpoints(workdir: pathlib.Path) -> bool:
  return bool(step_folders(workdir / FOLDER))


def read_saved_config(workdir: pathlib.Path) -> dict[str, Any]:
  """The config that the run in `workdir` was last started with (`config.to_dict`).

  Raises:
    InputError: it is missing or no JSON object.
  """
  file = workdir / "config.json"
  try:
    saved = parse_json(file.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(
      f"{file} cannot be read ({error}), so the checkpoints' config is unknown; use --force"
    ) from error
  if not isinstance(saved, dict):
    raise InputError(f"{file} holds no JSON object, so the checkpoints' config is unknown; use --force")
  return saved


def _none_good(directory: pathlib.Path, failures: dict[int, str]) -> CheckpointError:
  steps = [f"step {step}: {reason}" for step, reason in failures.items()] or ["process 0 says which and why"]
  return CheckpointError(
    "\n  ".join([f"no checkpoint in {directory} can be read:", *steps])
    + "\ncopy a good one there (python -m zsar_jax.checkpoints copy), or remove the folder to begin anew"
  )


def _plain(facts: Facts) -> Facts:
  """As JSON keeps it, where numbers are of numpy."""
  validation, best = (None if value is None else float(value) for value in (facts.validation, facts.best))
  return Facts(
    int(facts.clips_read), validation, best, {key: float(value) for key, value in facts.totals.items()}
  )


def _everywhere(value: bool) -> np.ndarray:
  """Every process's value, by process."""
  if jax.process_count() == 1:
    return np.array([value])
  return np.asarray(multihost_utils.process_allgather(np.array(value))).reshape(-1)
