"""Numbers of finished jobs: points with error bars."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.files import parse_json
from zsar_jax.studies.jobs import Job, find_report
from zsar_jax.studies.plan import Metric, Place, Study
from zsar_jax.zeroshot.metrics import accuracy_beyond

Z_95 = 1.96  # standard errors from the middle of a 95 % interval to its end


class Reading(NamedTuple):
  """One metric of one finished run, in per cent."""

  value: float
  error: float | None  # of this run alone
  error_of: (
    str  # "splits" (the deviation over half-class splits) or "videos" (a standard error); "" without one
  )
  chance: float | None


class Point(NamedTuple):
  """One point of one curve."""

  metric: str
  series: str
  x: Place
  mean: float | None  # None: nothing is there yet
  error: float | None
  error_of: str  # draws, splits or videos
  values: tuple[float, ...]  # of the draws that are there
  num_missing: int
  chance: float | None


def collect(study: Study, jobs: Sequence[Job], warn: Any = print) -> list[Point]:
  """Every point of every curve, in the order of the study; `jobs` are those of `study.runs`.

  A metric of a data set that a run is not tested on gives no point. `warn` is told which rows a report lacks.
  """
  reports = {job.run.name: read_report(job) for job in jobs}
  points: list[Point] = []
  for metric in study.metrics:
    for series, x in dict.fromkeys((job.run.series, job.run.x) for job in jobs):
      drawn = [job for job in jobs if (job.run.series, job.run.x) == (series, x) and _is_tested(job, metric)]
      found = [(job, reports[job.run.name]) for job in drawn]
      there = [(job, report) for job, report in found if report is not None]
      if study.by_distance:
        points += [point for job, report in there for point in _by_distance(job, metric, report)]
      elif drawn:
        read = [reading for job, report in there if (reading := read_metric(job, metric, report, warn))]
        points.append(_point(metric, series, x, read, len(drawn) - len(read)))
  return points


def read_report(job: Job) -> dict[str, Any] | None:
  """The job's report, None if it has not been run."""
  file = find_report(job)
  return None if file is None else parse_json(file.read_text(encoding="utf-8"))


def read_metric(job: Job, metric: Metric, report: dict[str, Any], warn: Any = print) -> Reading | None:
  """The metric's number; None, and a warning, if the report has no such row."""
  level = job.run.level or metric.level
  rows = [
    r for r in report["evaluations"] if (r["dataset"], r["protocol"]) == (metric.data_set, metric.protocol)
  ]
  space = job.run.space or metric.space or next((r["space"] for r in rows if r["primary"]), "")
  row = next((r for r in rows if (r["level"], r["space"]) == (level, space)), None)
  if row is None or row.get(metric.key) is None:
    held = (
      ", ".join(sorted({f"{r['level']} {r['space']}" for r in rows}))
      or "nothing of that data set and protocol"
    )
    warn(f"{job.run.name}: its report has no {metric.key} of {metric.data_set}, {metric.protocol}, {level}, "
         f"{space or 'any space'}; it holds {held}")  # fmt: skip
    return None
  error, error_of = _error(row, metric.key)
  return Reading(row[metric.key], error, error_of, row["chance_top1"] if metric.key == "top1" else None)


def _is_tested(job: Job, metric: Metric) -> bool:
  names = {text.partition(":")[0] for text in job.evaluated.data.unseen}
  return metric.protocol == "validation" or metric.data_set in names


def _error(row: dict[str, Any], key: str) -> tuple[float | None, str]:
  """Of one run: the deviation over half-class splits, else the standard error over test videos."""
  splits = [split[key] for split in row.get("splits") or () if key in split]
  if len(splits) > 1:
    return float(np.std(splits)), "splits"
  low, high = (row.get("interval_videos") if key == "top1" else None) or (0, 0)
  if high > low:  # where every video is right, or none is, all resamples are the same
    return (high - low) / (2 * Z_95), "videos"
  if (
    key in ("top1", "top5") and row["protocol"] != "half"
  ):  # of the halves, videos count several times or never
    return _standard_error(row[key], row["num_videos"]), "videos"
  return None, ""


def _standard_error(percent: float, num_videos: int) -> float:
  """Agresti and Coull's: two videos more that are right and two that are wrong, so that it is not 0 at 0 and 100 per cent."""
  num = num_videos + 4
  share = (percent / 100 * num_videos + 2) / num
  return 100 * math.sqrt(share * (1 - share) / num)


def _point(metric: Metric, series: str, x: Place, read: Sequence[Reading], num_missing: int) -> Point:
  values = tuple(reading.value for reading in read)
  if not read:
    return Point(metric.label, series, x, None, None, "", (), num_missing, None)
  error, error_of = read[0].error, read[0].error_of
  if len(values) > 1:
    error, error_of = statistics.stdev(values), "draws"
  return Point(
    metric.label, series, x, statistics.mean(values), error, error_of, values, num_missing, read[0].chance
  )


def _by_distance(job: Job, metric: Metric, report: dict[str, Any]) -> list[Point]:
  """Accuracy over the classes farther from the training classes than each threshold (E2E Fig. 7)."""
  rows = report["evaluations"]
  row = next(r for r in rows if r["primary"] and (r["dataset"], r["protocol"]) == (metric.data_set, "all"))
  distances, counts = report["class_distances"][metric.data_set], _videos_per_class(job, metric.data_set)
  names = [name for name in row["per_class"] if name in distances]
  videos = np.array([counts[name] for name in names])
  hits = np.rint(np.array([row["per_class"][name] for name in names]) / 100 * videos)
  far = np.array([distances[name] for name in names])
  thresholds, accuracy = accuracy_beyond(far, hits, videos)
  # Below the nearest class nothing changes: the curve begins just there instead of at 0.
  thresholds[0] = max(0.0, round(math.ceil(100 * far.min()) / 100 - 0.01, 2))
  points = []
  for x, y in zip(thresholds.tolist(), accuracy.tolist(), strict=True):
    error = _standard_error(y, int(videos[far > x].sum()))
    points.append(
      Point(metric.label, job.run.series, round(x, 6), y, error, "videos", (y,), 0, row["chance_top1"])
    )
  return points


def _videos_per_class(job: Job, data_set: str) -> dict[str, int]:
  file = find_report(job)
  assert file is not None, "its report was just read"
  embeddings = file.with_name(file.stem.replace("report", "embeddings") + ".npz")
  with np.load(embeddings) as arrays:
    names, labels = arrays[f"unseen/{data_set}/classes"], arrays[f"unseen/{data_set}/label"]
  return dict(zip(names.tolist(), np.bincount(labels, minlength=len(names)).tolist(), strict=True))
