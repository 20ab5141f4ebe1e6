"""Do the files of a run fit each other? Every problem is told at once, with the file, the key and what to do."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zsar_jax.errors import InputError, raise_all

_REPORT_KEYS = ("config", "seen_classes", "removed_classes", "prototypes", "evaluations", "step", "checkpoint", "transfer",
                "words", "class_distances")  # fmt: skip
_ROW_KEYS = ("dataset", "protocol", "space", "level", "primary", "num_classes", "num_videos", "num_clips", "chance_top1",
             "top1", "top5", "top1_std", "per_class", "mean_per_class", "hubness")  # fmt: skip
_FIELDS = ("mean", "mean_unit", "single", "label", "row", "video_id", "classes", "predicted", "score")
_EXAMPLE_KEYS = ("dataset", "video_id", "class", "predicted", "score", "right", "frames")
_EMBEDDINGS = ("mean", "mean_unit", "single")


def check_report(path: pathlib.Path, report: Mapping[str, Any], again: str) -> None:
  """Raises InputError where keys are missing from the report or its rows; `again` says what to run."""
  missing = [key for key in _REPORT_KEYS if key not in report]
  if missing:
    raise InputError(f"{path}: no {', '.join(map(repr, missing))}; an older version wrote it; {again}")
  problems = {}
  for row in report["evaluations"]:
    missing = [key for key in _ROW_KEYS if key not in row]
    if missing:
      problems[tuple(missing)] = (
        f"{path}: a row of 'evaluations' ({row.get('dataset')}, {row.get('protocol')}) has no "
        f"{', '.join(map(repr, missing))}; {again}"
      )
  if not any(row.get("primary") and row.get("protocol") == "all" for row in report["evaluations"]):
    problems[()] = (
      f"{path}: 'evaluations' has no primary row of protocol 'all', expected one a data set; {again}"
    )
  raise_all(list(problems.values()))


def check_examples(path: pathlib.Path, examples: Sequence[Any], again: str) -> None:
  """Raises InputError where an example lacks something; the first such is named."""
  for number, one in enumerate(examples):
    missing = [key for key in _EXAMPLE_KEYS if not isinstance(one, dict) or key not in one]
    if missing:
      raise InputError(f"{path}: example {number} has no {', '.join(map(repr, missing))}; {again}")


def check_arrays(
  path: pathlib.Path, report: Mapping[str, Any], arrays: Mapping[str, np.ndarray], again: str
) -> None:
  """Raises InputError where arrays are missing, of another checkpoint, not finite, or do not fit the report's classes."""
  sets = list(dict.fromkeys(row["dataset"] for row in report["evaluations"] if row["protocol"] == "all"))
  kept = ["seen/validation", "seen/test", *(f"unseen/{name}" for name in sets)]
  expected = ["checkpoint", "prototypes/seen", "semantic/seen", "semantic/removed"]
  expected += [f"{name}/{field}" for name in kept for field in _FIELDS]
  expected += [f"{what}/unseen/{name}" for name in sets for what in ("prototypes", "semantic")]
  missing = [name for name in expected if name not in arrays]
  if missing:
    shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
    raise InputError(f"{path}: no array {shown}; an older version wrote it; {again}")
  own, theirs = str(arrays["checkpoint"]), report["checkpoint"]
  if own != theirs:
    raise InputError(
      f"{path}: made by checkpoint {own}, but report.json by {theirs}: expected the same; {again}"
    )
  problems = [problem for name in kept for problem in _check_videos(name, arrays)]
  for name in ("prototypes/seen", "semantic/seen"):
    if len(arrays[name]) != len(report["seen_classes"]):
      problems.append(
        f"{name} has {len(arrays[name])} rows, expected one for each of the {len(report['seen_classes'])} seen_classes "
        "of report.json"
      )
  for name in sets:
    problems += _check_classes(name, report, arrays)
  raise_all([f"{path}: {problem}; {again}" for problem in problems])


def _check_videos(name: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
  label, num_classes = arrays[f"{name}/label"], len(arrays[f"{name}/classes"])
  problems = []
  for field in ("row", "video_id", "predicted", "score", *_EMBEDDINGS):
    if len(arrays[f"{name}/{field}"]) != len(label):
      problems.append(
        f"{name}/{field} has {len(arrays[f'{name}/{field}'])} rows, expected {len(label)}, one a video"
      )
  if problems:
    return problems
  if len(label) and not (label.min() >= 0 and label.max() < num_classes):
    problems.append(f"{name}/label is outside 0 … {num_classes - 1}, the rows of {name}/classes")
  for field in _EMBEDDINGS:
    bad = np.flatnonzero(~np.isfinite(arrays[f"{name}/{field}"]).all(axis=1))
    if len(bad):
      ids = arrays[f"{name}/video_id"][bad[:10]]
      more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
      problems.append(
        f"{name}/{field} is not finite for {len(bad)} of {len(label)} videos ({', '.join(map(str, ids))}{more}): "
        "the model diverged or its checkpoint is damaged"
      )
  return problems


def _check_classes(name: str, report: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> list[str]:
  classes = arrays[f"unseen/{name}/classes"].tolist()
  problems = [
    f"{what}/unseen/{name} has {len(arrays[f'{what}/unseen/{name}'])} rows, expected {len(classes)}, one a class"
    for what in ("prototypes", "semantic")
    if len(arrays[f"{what}/unseen/{name}"]) != len(classes)
  ]
  scored = [row for row in report["evaluations"] if row["dataset"] == name and row["protocol"] == "all"]
  unknown = sorted({own for row in scored for own in row["per_class"]} - set(classes))
  if unknown:
    problems.append(
      f"unseen/{name}/classes lacks {', '.join(unknown[:5])}, which report.json's per_class has"
    )
  weights = f"weights/unseen/{name}"
  if weights in arrays and arrays[weights].shape != (len(classes), len(report["seen_classes"])):
    problems.append(
      f"{weights} is {list(arrays[weights].shape)}, expected [{len(classes)}, {len(report['seen_classes'])}]: "
      "a row a class, a column a seen class"
    )
  return problems
