"""The page's opening: what ran, and the result in sentences that can be quoted."""

import datetime
from collections.abc import Sequence
from typing import Any

from zsar_jax.reporting.numbers import (
  DASH,
  SPACE,
  Cell,
  Column,
  Table,
  change,
  data_set_title,
  method_title,
  text,
)
from zsar_jax.reporting.results import data_sets_of
from zsar_jax.reporting.run import Run


def title(runs: Sequence[Run], names: Sequence[str]) -> str:
  """ResT 18: naming unseen actions of UCF101 and HMDB51."""
  sets = _joined([data_set_title(name) for name in data_sets_of(runs)])
  subject = method_title(runs[0]) if len(runs) == 1 else _joined(list(names))
  return f"{subject}: naming unseen actions of {sets}"


def facts(runs: Sequence[Run], names: Sequence[str]) -> Table:
  """What ran: a row a fact, a column a run."""
  told = [_facts(run) for run in runs]
  rows = [[text(key), *(Cell(own[key] or DASH) for own in told)] for key in told[0]]
  heads = [""] if len(runs) == 1 else names
  return Table("What ran", [Column("", False), *(Column(head, False) for head in heads)], rows)


def _facts(run: Run) -> dict[str, str]:
  config, report = run.config, run.report
  data, evaluation, removed = config["data"], config["eval"], len(report["removed_classes"])
  written = datetime.datetime.fromtimestamp((run.workdir / "report.json").stat().st_mtime)
  return {
    "method": method_title(run),
    "encoder": config["model"]["backbone"],
    "trained on": f"{len(report['seen_classes'])} classes of {data_set_title(data['seen'].split(':')[0])}"
    + (f" ({removed} more removed, too near to a test class)" if removed else ""),
    "word vectors": config["vectors"],
    "prototypes": _transfer(report["transfer"]),
    "clips": f"{data['num_frames']} {_frames(data['stride'])}, {data['crop']} pixels; "
    f"{evaluation['num_clips']} a test video",
    "step": f"{report['step']:,}",
    "checkpoint": str(report["checkpoint"]),
    "evaluated": f"{written:%Y-%m-%d %H:%M}",
    "files": str(run.workdir),
  }


def _frames(stride: int) -> str:
  return "consecutive frames" if stride == 1 else f"frames, {stride} apart"


def _transfer(transfer: dict[str, Any] | None) -> str:
  if not transfer:
    return "the classes' own words"
  limit = (
    f", a seen class used {transfer['max_uses_per_seen']} times at most"
    if transfer["max_uses_per_seen"]
    else ""
  )
  return (
    f"seen classes combined: K = {transfer['num_neighbors']}, ρ = {transfer['max_seen_per_unseen']}, "
    f"θ = {transfer['distinctiveness']:g}{limit} ({'tuned' if transfer['tuned'] else 'as configured'})"
  )


def sentences(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
  """The result, one sentence a data set, to be quoted as it is."""
  return [_sentence(runs, names, data_set) for data_set in data_sets_of(runs)]


def _sentence(runs: Sequence[Run], names: Sequence[str], data_set: str) -> str:
  rows = [run.row(data_set, "all") for run in runs]
  row = next(row for row in rows if row)
  opening = (
    f"Of the {row['num_videos']:,} videos of {row['num_classes']} unseen classes of {_named(data_set)}"
  )
  chance = f"chance is {row['chance_top1']:.1f}{SPACE}%."
  if len(runs) == 1:
    near = row.get("interval_videos")
    bounds = f" (95{SPACE}% interval {near[0]:.1f} – {near[1]:.1f})" if near else ""
    return f"{opening}, {method_title(runs[0])} names {row['top1']:.1f}{SPACE}% right{bounds}; {chance}"
  parts = []
  for name, own in zip(names, rows, strict=True):
    gap = f" ({change(own['top1'], rows[0]['top1']).text})" if own and rows[0] and name != names[0] else ""
    parts.append(f"{name} names {own['top1']:.1f}{SPACE}% right{gap}" if own else f"{name} was not tested")
  return f"{opening}, {_joined(parts)}; {chance}"


def _named(data_set: str) -> str:
  """A name of the user's own is quoted: it may be any word."""
  title = data_set_title(data_set)
  return title if title != data_set else f"'{data_set}'"


def notes(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
  """What a reader must know before quoting a number."""
  told: dict[str, list[str]] = {}
  for run, name in zip(runs, names, strict=True):
    for note in _notes(run):
      told.setdefault(note, []).append(name)
  several = len(runs) > 1
  return [f"{_joined(own)}: {note}" if several and len(own) < len(runs) else note[0].upper() + note[1:]
          for note, own in told.items()]  # fmt: skip


def _notes(run: Run) -> list[str]:
  report, data, found = run.report, run.config["data"], []
  if not data.get("remove_overlap", True):
    found.append(
      "training classes that mean the same as test classes were kept: this is no zero-shot result."
    )
  if run.config["vectors"].startswith("hash"):
    found.append(
      "the word vectors are a stand-in (a hash of each word): only classes that share a word are alike."
    )
  skipped = {row["dataset"]: row["num_skipped"] for row in report["evaluations"] if row.get("num_skipped")}
  found += [
    f"{num:,} videos of {data_set_title(name)} could not be read and are not counted."
    for name, num in skipped.items()
  ]
  pretraining = report.get("pretraining") or {}
  if pretraining:
    leaks = pretraining.get("leaks")
    told = "it is not known which" if leaks is None else f"{len(leaks)}"
    found.append(
      f"training started from {pretraining['from']}; {told} of its classes mean the same as a test class."
    )
  return found


def _joined(parts: list[str]) -> str:
  return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
