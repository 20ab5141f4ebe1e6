"""Which rows of a run's report are true of its bundle."""

import pathlib
from typing import Any

from zsar_jax.config import Config
from zsar_jax.files import parse_json

_COLUMNS = ("dataset", "protocol", "space", "level", "num_classes", "num_videos", "num_clips", "chance_top1", "top1", "top5", "top1_std",
            "mean_per_class", "interval_videos", "seen", "unseen", "harmonic")  # fmt: skip
_CUT = ("short_side", "crop", "num_frames", "stride")
_SPACING = {"even": "evenly spaced", "random": "random", "released": "consecutive"}


def evaluation_rows(
  workdir: pathlib.Path, config: Config, checkpoint: str
) -> tuple[list[dict[str, Any]], str]:
  """The rows that count of `report.json`, or why there are none: they must be of these weights, used as predictions use them."""
  path = workdir / "report.json"
  if not path.exists():
    return [], "the run holds no report.json"
  try:
    report = parse_json(path.read_text(encoding="utf-8"))
    why = _other_model(report, config, checkpoint) or _other_clips(report["config"], config)
    rows = [row for row in report["evaluations"] if row["primary"]]
    return ([], why) if why else ([{key: row[key] for key in _COLUMNS if key in row} for row in rows], "")
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return [], "the run's report.json cannot be read"


def _other_model(report: dict[str, Any], config: Config, checkpoint: str) -> str:
  if report["checkpoint"] != checkpoint:
    return "the run's report is of another checkpoint"
  if report["config"]["vectors"] != config.vectors:
    return "the run was evaluated with other word vectors"
  coefficients = {key: value for key, value in (report["transfer"] or {}).items() if key != "tuned"}
  if any(getattr(config.transfer, key) != value for key, value in coefficients.items()):
    return "the run was evaluated with other transfer coefficients"
  return ""


def _other_clips(evaluated: dict[str, Any], config: Config) -> str:
  given, num_clips = evaluated["eval"], config.eval.num_clips
  if given["frame_order"] != "natural":
    return f"the run was evaluated with frames out of order ({given['frame_order']})"
  if (given["clips"], given["num_clips"]) != ("even", num_clips):
    spacing = _SPACING.get(given["clips"], given["clips"])
    return (
      f"the run was evaluated with {_counted(given['num_clips'], spacing)} a video; predictions use "
      f"{_counted(num_clips, _SPACING['even'])}"
    )
  if any(evaluated["data"][key] != getattr(config.data, key) for key in _CUT):
    return "the run was evaluated with clips of another size, length or stride"
  return ""


def _counted(num_clips: int, spacing: str) -> str:
  return f"{num_clips} {spacing} clip{'' if num_clips == 1 else 's'}"
