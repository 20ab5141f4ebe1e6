"""What an evaluation left in a workdir, read with numpy alone and checked before anything is made of it."""

import pathlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json
from zsar_jax.reporting import run_checks as checks
from zsar_jax.reporting.optional_files import EXAMPLES, TUNING, read_examples, read_metrics, read_tuning

AGAIN = "evaluate again: python -m zsar_jax.main --config FILE.py --workdir {} --evaluate_only"
_UNREADABLE = (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


class Arrays(Mapping[str, np.ndarray]):
  """The arrays of an .npz file by name, each read when it is first asked for and kept from then on.

  `hint` says what to do where one of them is damaged.
  """

  def __init__(self, path: pathlib.Path, hint: str = ""):
    self.path, self.hint = path, hint
    self._kept: dict[str, np.ndarray] = {}
    # Opened here, since numpy leaves a broken archive open.
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
      self._names = tuple(file.files)

  def __getitem__(self, name: str) -> np.ndarray:
    if name not in self._names:
      raise KeyError(name)
    if name not in self._kept:
      try:
        with np.load(self.path, allow_pickle=False) as file:
          self._kept[name] = file[name]
      except _UNREADABLE as error:
        raise InputError(f"{self.path}: {name} cannot be read: {error}; {self.hint}") from error
    return self._kept[name]

  def __iter__(self) -> Iterator[str]:
    return iter(self._names)

  def __len__(self) -> int:
    return len(self._names)

  def __contains__(self, name: object) -> bool:
    return name in self._names


class Run(NamedTuple):
  """One evaluated workdir."""

  workdir: pathlib.Path
  config: dict[str, Any]
  report: dict[str, Any]
  arrays: Mapping[str, np.ndarray]
  metrics: list[dict[str, Any]]  # lines of metrics.jsonl, in order; empty where there is none
  examples: list[dict[str, Any]]  # empty where none were kept
  tuning: dict[str, Any] | None  # of `zsar_jax.tune`; None where it was not run or is of no use
  faults: Mapping[str, str] = MappingProxyType(
    {}
  )  # optional file -> a sentence: why it is there but not used

  @property
  def unseen(self) -> list[str]:
    """Names of the unseen data sets, in the order of the evaluation."""
    return [
      row["dataset"] for row in self.report["evaluations"] if row["primary"] and row["protocol"] == "all"
    ]

  def row(
    self, dataset: str, protocol: str, *, level: str = "video", space: str | None = None
  ) -> dict[str, Any] | None:
    """The row of report.json's evaluations, or None; without `space`, of the space that the primary row is in.

    That may differ by protocol: seen classes are validated in the method's own space, whatever unseen ones are named in.
    """
    space = space or self._primary_space(dataset, protocol)
    for row in self.report["evaluations"]:
      if (row["dataset"], row["protocol"], row["level"], row["space"]) == (dataset, protocol, level, space):
        return row
    return None

  def _primary_space(self, dataset: str, protocol: str) -> str:
    key = (True, dataset, protocol)
    found = (
      row["space"]
      for row in self.report["evaluations"]
      if (row["primary"], row["dataset"], row["protocol"]) == key
    )
    return next(found, self.space)

  @property
  def space(self) -> str:
    """The space of the primary rows of unseen classes: visual or semantic."""
    return next(
      row["space"] for row in self.report["evaluations"] if row["primary"] and row["protocol"] == "all"
    )

  @property
  def spaces(self) -> list[str]:
    """Every space that was evaluated, the primary one first."""
    found = dict.fromkeys(row["space"] for row in self.report["evaluations"])
    return [self.space, *(space for space in found if space != self.space)]


def read_run(workdir: str | pathlib.Path) -> Run:
  """Reads `report.json`, `embeddings.npz` and, where they are, `metrics.jsonl`, `examples/` and `tuning.json`.

  `metrics.jsonl` and `tuning.json` are taken from the training's workdir where the folder has none of its own.

  Raises:
    InputError: lists everything that is missing, broken, or of another checkpoint; what to run is said.
  """
  return read_runs([workdir])[0]


def read_runs(workdirs: Sequence[str | pathlib.Path]) -> list[Run]:
  """The runs of several workdirs. Raises one InputError with the problems of all of them."""
  runs, problems = [], []
  for workdir in workdirs:
    try:
      runs.append(_read(pathlib.Path(workdir)))
    except InputError as error:
      problems += str(error).splitlines()
  raise_all(problems)
  return runs


def _read(folder: pathlib.Path) -> Run:
  again = AGAIN.format(folder)
  if not folder.is_dir():
    raise InputError(f"{folder}: no such folder; expected the workdir of a run")
  report = _report(folder, again)
  trained = _trained_in(folder, report)
  if trained != folder:
    again = f"{AGAIN.format(trained)} --results {folder}"
  checks.check_report(folder / "report.json", report, again)
  arrays = _open_arrays(folder / "embeddings.npz", again)
  checks.check_arrays(folder / "embeddings.npz", report, arrays, again)
  examples = read_examples(folder / EXAMPLES)
  tuning = read_tuning(_here_or_there(folder, trained, TUNING), report["checkpoint"])
  metrics = read_metrics(_here_or_there(folder, trained, "metrics.jsonl"))
  faults = {name: fault for name, fault in ((EXAMPLES, examples.fault), (TUNING, tuning.fault)) if fault}
  return Run(
    folder, report["config"], report, arrays, metrics, examples.value, tuning.value, MappingProxyType(faults)
  )


def _report(folder: pathlib.Path, hint: str) -> dict[str, Any]:
  path = folder / "report.json"
  try:
    made = parse_json(path.read_text(encoding="utf-8"))
  except FileNotFoundError:
    others = sorted(each.name for each in folder.glob("report-*.json"))
    if others:
      hint = (
        f"{', '.join(others)} is of frames out of their order, and only the natural order is reported; {hint} "
        "--config.eval.frame_order=natural"
      )
    raise InputError(f"{path}: no such file; {hint}") from None
  except (ValueError, OSError) as error:
    raise InputError(f"{path}: cannot be read: {error}; {hint}") from None
  if not isinstance(made, dict):
    raise InputError(f"{path}: expected a JSON object, found {type(made).__name__}; {hint}")
  return made


def _trained_in(folder: pathlib.Path, report: Mapping[str, Any]) -> pathlib.Path:
  """The training's workdir: evaluation may have written elsewhere (`--results`). Older reports do not say."""
  told = report.get("workdir")
  moved = (folder / "checkpoints").is_dir()  # a workdir that was moved is still its own
  if moved or not isinstance(told, str) or not told or not pathlib.Path(told).is_dir():
    return folder
  return folder if pathlib.Path(told).samefile(folder) else pathlib.Path(told)


def _here_or_there(folder: pathlib.Path, trained: pathlib.Path, name: str) -> pathlib.Path:
  return folder / name if (folder / name).exists() else trained / name


def _open_arrays(path: pathlib.Path, hint: str) -> Arrays:
  try:
    return Arrays(path, hint)
  except FileNotFoundError:
    raise InputError(f"{path}: no such file; {hint}") from None
  except _UNREADABLE as error:
    raise InputError(f"{path}: cannot be read: {error}; {hint}") from None
