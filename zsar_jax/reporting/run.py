"""What an evaluation left in a workdir, read with numpy alone and checked before anything is made of it."""

import json
import pathlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.errors import InputError, raise_all
from zsar_jax.reporting import run_checks as checks

AGAIN = "evaluate again: python -m zsar_jax.main --config FILE.py --workdir {} --evaluate_only"


class Arrays(Mapping[str, np.ndarray]):
  """The arrays of an .npz file by name, each read when it is first asked for and kept from then on."""

  def __init__(self, path: pathlib.Path):
    self.path = path
    self._kept: dict[str, np.ndarray] = {}
    # Opened here, since numpy leaves a broken archive open.
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
      self._names = tuple(file.files)

  def __getitem__(self, name: str) -> np.ndarray:
    if name not in self._names:
      raise KeyError(name)
    if name not in self._kept:
      with np.load(self.path, allow_pickle=False) as file:
        self._kept[name] = file[name]
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
  tuning: dict[str, Any] | None  # of `zsar_jax.tune`; None where it is of another checkpoint

  @property
  def unseen(self) -> list[str]:
    """Names of the unseen data sets, in the order of the evaluation."""
    return [
      row["dataset"] for row in self.report["evaluations"] if row["primary"] and row["protocol"] == "all"
    ]

  def row(
    self, dataset: str, protocol: str, *, level: str = "video", space: str | None = None
  ) -> dict[str, Any] | None:
    """The row of report.json's evaluations, or None; without `space`, of the space that the primary rows are in."""
    space = space or self.space
    for row in self.report["evaluations"]:
      if (row["dataset"], row["protocol"], row["level"], row["space"]) == (dataset, protocol, level, space):
        return row
    return None

  @property
  def space(self) -> str:
    """The space of the primary rows: visual or semantic."""
    return next(row["space"] for row in self.report["evaluations"] if row["primary"])

  @property
  def spaces(self) -> list[str]:
    """Every space that was evaluated, the primary one first."""
    found = dict.fromkeys(row["space"] for row in self.report["evaluations"])
    return [self.space, *(space for space in found if space != self.space)]


def read_run(workdir: str | pathlib.Path) -> Run:
  """Reads `report.json`, `embeddings.npz` and, where they are, `metrics.jsonl`, `examples/` and `tuning.json`.

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


def _read(workdir: pathlib.Path) -> Run:
  again = AGAIN.format(workdir)
  if not workdir.is_dir():
    raise InputError(f"{workdir}: no such folder; expected the workdir of a run")
  report = _json(workdir / "report.json", again)
  checks.check_report(workdir / "report.json", report, again)
  arrays = _open_arrays(workdir / "embeddings.npz", again)
  checks.check_arrays(workdir / "embeddings.npz", report, arrays, again)
  examples = _optional(workdir / "examples" / "examples.json", list) or []
  checks.check_examples(workdir / "examples" / "examples.json", examples, again)
  return Run(
    workdir,
    report["config"],
    report,
    arrays,
    _metrics(workdir / "metrics.jsonl"),
    examples,
    _tuning(workdir / "tuning.json", report["checkpoint"]),
  )


def _json(path: pathlib.Path, hint: str) -> dict[str, Any]:
  try:
    made = json.loads(path.read_text(encoding="utf-8"))
  except FileNotFoundError:
    raise InputError(f"{path}: no such file; {hint}") from None
  except (ValueError, OSError) as error:
    raise InputError(f"{path}: cannot be read: {error}; {hint}") from None
  if not isinstance(made, dict):
    raise InputError(f"{path}: expected a JSON object, found {type(made).__name__}; {hint}")
  return made


def _optional(path: pathlib.Path, kind: type) -> Any:
  """What the file holds, or None where it is absent."""
  if not path.exists():
    return None
  try:
    made = json.loads(path.read_text(encoding="utf-8"))
  except (ValueError, OSError) as error:
    raise InputError(f"{path}: cannot be read: {error}; remove it, or make it again") from None
  if not isinstance(made, kind):
    raise InputError(f"{path}: expected a {kind.__name__}, found {type(made).__name__}; remove it")
  return made


def _tuning(path: pathlib.Path, checkpoint: str) -> dict[str, Any] | None:
  found = _optional(path, dict)
  return found if found and found.get("checkpoint") == checkpoint else None


def _metrics(path: pathlib.Path) -> list[dict[str, Any]]:
  """The lines that can be read: a kill may have cut the last one short."""
  lines = []
  for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
    try:
      line = json.loads(text)
    except ValueError:
      continue
    if isinstance(line, dict) and "step" in line and "kind" in line:
      lines.append(line)
  return lines


def _open_arrays(path: pathlib.Path, hint: str) -> Arrays:
  try:
    return Arrays(path)
  except FileNotFoundError:
    raise InputError(f"{path}: no such file; {hint}") from None
  except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
    raise InputError(f"{path}: cannot be read: {error}; {hint}") from None
