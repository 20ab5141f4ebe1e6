"""Do the files of a run fit each other? Every problem is told at once, with the file, the key and what to do."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zsar_jax.errors import InputError, raise_all

_NUMBER = (int, float)
_NUMBER_OR_NONE = (int, float, type(None))
_LIST_OR_NONE = (list, type(None))
_REPORT: dict[str, Any] = {"config": dict, "seen_classes": list, "removed_classes": list, "prototypes": dict, "evaluations": list,
                           "step": int, "checkpoint": str, "transfer": (dict, type(None)), "words": dict,
                           "class_distances": dict}  # fmt: skip
_ROW: dict[str, Any] = {"dataset": str, "protocol": str, "space": str, "level": str, "primary": bool, "num_classes": int,
                        "num_videos": int, "num_clips": int, "chance_top1": _NUMBER, "top1": _NUMBER, "top5": _NUMBER,
                        "top1_std": _NUMBER_OR_NONE, "per_class": dict, "mean_per_class": _NUMBER, "hubness": dict,
                        "interval_videos": _LIST_OR_NONE, "interval_classes": _LIST_OR_NONE}  # fmt: skip
_GENERALIZED: dict[str, Any] = dict.fromkeys(("seen", "unseen", "harmonic", "ausuc"), _NUMBER) | {
  "curve": list
}
_REMOVED: dict[str, Any] = {"class": str, "collides_with": str, "distance": _NUMBER}
_TRANSFER: dict[str, Any] = {"num_neighbors": int, "max_seen_per_unseen": int, "distinctiveness": _NUMBER,
                             "max_uses_per_seen": int, "tuned": bool}  # fmt: skip
_CONFIG: dict[str, dict[str, Any]] = {
  "": {"method": str, "vectors": str},
  "data": {"seen": str, "overlap_threshold": _NUMBER, "num_frames": int, "stride": int, "crop": int},
  "model": {"backbone": str},
  "eval": {"num_clips": int},
}
# Field of a data set's videos -> number of axes
_FIELDS = {
  "mean": 2,
  "mean_unit": 2,
  "single": 2,
  "label": 1,
  "row": 1,
  "video_id": 1,
  "classes": 1,
  "predicted": 2,
  "score": 2,
}
_EMBEDDINGS = ("mean", "mean_unit", "single", "placed")


def check_report(path: pathlib.Path, report: Mapping[str, Any], again: str) -> None:
  """Raises InputError where keys are missing from the report or its rows or are of another kind; `again` says what to run."""
  missing = [key for key in _REPORT if key not in report]
  if missing:
    raise InputError(f"{path}: no {', '.join(map(repr, missing))}; an older version wrote it; {again}")
  problems = _wrong_kinds(report, _REPORT, "the report")
  raise_all([f"{path}: {problem}; {again}" for problem in problems])
  if not isinstance(report.get("class_distances_pretrained"), (dict, type(None))):
    problems.append("'class_distances_pretrained' is no object")
  for key in ("evaluations", "removed_classes"):
    if not all(isinstance(one, dict) for one in report[key]):
      problems.append(f"{key!r} is no list of objects")
  raise_all([f"{path}: {problem}; {again}" for problem in problems])
  for row in report["evaluations"]:
    wanted = _ROW | (_GENERALIZED if row.get("protocol") == "generalized" else {})
    problems += _wrong_kinds(
      row, wanted, f"a row of 'evaluations' ({row.get('dataset')}, {row.get('protocol')})"
    )
  for one in report["removed_classes"]:
    problems += _wrong_kinds(one, _REMOVED, "an entry of 'removed_classes'")
  if report["transfer"]:
    problems += _wrong_kinds(report["transfer"], _TRANSFER, "'transfer'")
  for key, wanted in _CONFIG.items():
    group = report["config"].get(key) if key else report["config"]
    problems += (
      _wrong_kinds(group, wanted, f"config {key}".strip())
      if isinstance(group, dict)
      else [f"config has no {key!r}"]
    )
  if not any(row.get("primary") and row.get("protocol") == "all" for row in report["evaluations"]):
    problems.append("'evaluations' has no primary row of protocol 'all', expected one a data set")
  raise_all([f"{path}: {problem}; {again}" for problem in dict.fromkeys(problems)])


def _wrong_kinds(found: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> list[str]:
  """What is missing or of another kind than `wanted` says, in one line each."""
  missing = [key for key in wanted if key not in found]
  wrong = [key for key in wanted if key in found and not isinstance(found[key], wanted[key])]
  problems = [f"{what} has no {', '.join(map(repr, missing))}; an older version wrote it"] if missing else []
  return problems + [
    f"{what} has {key!r} {found[key]!r:.60}, which is of another kind than expected" for key in wrong
  ]


def check_arrays(
  path: pathlib.Path, report: Mapping[str, Any], arrays: Mapping[str, np.ndarray], again: str
) -> None:
  """Raises InputError where arrays are missing, of another checkpoint, not finite, or do not fit the report or each other."""
  sets = list(dict.fromkeys(row["dataset"] for row in report["evaluations"] if row["protocol"] == "all"))
  kept = ["seen/validation", "seen/test", *(f"unseen/{name}" for name in sets)]
  axes = {"checkpoint": 0, "prototypes/seen": 2, "semantic/seen": 2, "semantic/removed": 2}
  axes |= {f"{name}/{field}": num for name in kept for field, num in _FIELDS.items()}
  axes |= {f"{what}/unseen/{name}": 2 for name in sets for what in ("prototypes", "semantic")}
  missing = [name for name in axes if name not in arrays]
  if missing:
    shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
    raise InputError(f"{path}: no array {shown}; an older version wrote it; {again}")
  own, theirs = str(arrays["checkpoint"]), report["checkpoint"]
  if own != theirs:
    raise InputError(
      f"{path}: made by checkpoint {own}, but report.json by {theirs}: expected the same; {again}"
    )
  axes |= {name: 2 for name in arrays if name.startswith("weights/") or name.endswith("/placed")}
  problems = [
    f"{name} has {arrays[name].ndim} axes, expected {num}"
    for name, num in axes.items()
    if arrays[name].ndim != num
  ]
  raise_all([f"{path}: {problem}; {again}" for problem in problems])
  problems += [problem for name in kept for problem in _check_videos(name, arrays)]
  problems += _check_widths(kept, sets, arrays)
  for name in ("prototypes/seen", "semantic/seen"):
    if len(arrays[name]) != len(report["seen_classes"]):
      problems.append(
        f"{name} has {len(arrays[name])} rows, expected one for each of the {len(report['seen_classes'])} seen_classes "
        "of report.json"
      )
  for name in sets:
    problems += _check_classes(name, report, arrays)
  raise_all([f"{path}: {problem}; {again}" for problem in problems])


def _check_widths(kept: Sequence[str], sets: Sequence[str], arrays: Mapping[str, np.ndarray]) -> list[str]:
  """Vectors that are compared with each other must be equally wide."""
  own = [f"{name}/{field}" for name in kept for field in ("mean", "mean_unit", "single")]
  groups = [
    ("prototypes/seen", own),
    ("semantic/seen", ["semantic/removed", *(f"semantic/unseen/{name}" for name in sets)]),
  ]
  groups += [(f"prototypes/unseen/{name}", [f"unseen/{name}/placed"]) for name in sets]
  return [
    f"{name} is {arrays[name].shape[1]} wide, but {first} {arrays[first].shape[1]}: they are of different models"
    for first, others in groups
    for name in others
    if name in arrays and len(arrays[name]) and arrays[name].shape[1] != arrays[first].shape[1]
  ]


def _check_videos(name: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
  label, num_classes = arrays[f"{name}/label"], len(arrays[f"{name}/classes"])
  embeddings = [field for field in _EMBEDDINGS if f"{name}/{field}" in arrays]
  problems = []
  for field in ("row", "video_id", "predicted", "score", *embeddings):
    if len(arrays[f"{name}/{field}"]) != len(label):
      problems.append(
        f"{name}/{field} has {len(arrays[f'{name}/{field}'])} rows, expected {len(label)}, one a video"
      )
  if problems:
    return problems
  for field in ("label", "predicted"):
    rows = arrays[f"{name}/{field}"]
    if rows.size and not (rows.min() >= 0 and rows.max() < num_classes):
      problems.append(f"{name}/{field} is outside 0 … {num_classes - 1}, the rows of {name}/classes")
  for field in embeddings:
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
