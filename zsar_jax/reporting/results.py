"""The tables of accuracies: results, papers' rows, generalised zero-shot, spaces."""

from collections.abc import Sequence
from typing import Any

from zsar_jax.reporting.numbers import (
  LEVELS,
  Cell,
  Column,
  Table,
  change,
  count,
  data_set_title,
  decimal,
  interval,
  method_title,
  space_title,
  spread,
  text,
)
from zsar_jax.reporting.printed import Printed, printed_rows
from zsar_jax.reporting.run import Run

_PROTOCOLS = {"all": "all classes", "half": "half of them", "validation": "seen classes"}


def data_sets_of(runs: Sequence[Run]) -> list[str]:
  """The unseen data sets of all runs, in the order of the first that has them."""
  return list(dict.fromkeys(name for run in runs for name in run.unseen))


def _of(row: dict[str, Any] | None, key: str) -> Any:
  return row[key] if row else None


def results_table(run: Run, name: str = "") -> Table:
  """A run's primary rows with intervals, and the other ways to use several clips beside."""
  columns = [Column("data set", False), Column("candidates", False),
             Column("top-1", note="mean of the clips' embeddings; ± is the deviation over random halves"), Column("chance"),
             Column("95 %, videos", note="bootstrap interval of top-1, resampling videos"),
             Column("95 %, classes", note="bootstrap interval of top-1, resampling classes with their videos"),
             Column("top-5"), Column("class mean", note="mean of the classes' accuracies"),
             *(Column(LEVELS[level], note="top-1 that way") for level in ("scores", "single", "clip")), Column("classes"),
             Column("videos")]  # fmt: skip
  rows = []
  for row in run.report["evaluations"]:
    if not row["primary"] or row["protocol"] not in _PROTOCOLS:
      continue
    key = row["dataset"], row["protocol"]
    others = [run.row(*key, level=level) for level in ("scores", "single", "clip")]
    rows.append([text(data_set_title(row["dataset"])), text(_PROTOCOLS[row["protocol"]]),
                 spread(row["top1"], row["top1_std"], "strong"), decimal(row["chance_top1"]),
                 interval(row.get("interval_videos")), interval(row.get("interval_classes")), decimal(row["top5"]),
                 decimal(row["mean_per_class"]), *(decimal(_of(other, "top1")) for other in others),
                 count(row["num_classes"]), count(row["num_videos"])])  # fmt: skip
  return Table(f"{name or 'Results'}: accuracy in per cent of videos", columns, rows)


def comparison_table(runs: Sequence[Run], names: Sequence[str]) -> Table:
  """Top-1 of every run side by side, and what changed against the first."""
  columns = [Column("data set", False), Column("candidates", False), Column("chance"), *map(Column, names)]
  columns += [Column(f"{name} {chr(0x2212)} {names[0]}") for name in names[1:]]
  rows = []
  for data_set in dict.fromkeys([*data_sets_of(runs), *map(_validation, runs)]):
    for protocol in _PROTOCOLS:
      found = [run.row(data_set, protocol) for run in runs]
      if any(found):
        first = next(row for row in found if row)
        top1 = [row["top1"] if row else None for row in found]
        rows.append([text(data_set_title(data_set)), text(_PROTOCOLS[protocol]), decimal(first["chance_top1"]),
                     *(spread(_of(row, "top1"), _of(row, "top1_std"), "strong") for row in found),
                     *(change(value, top1[0]) for value in top1[1:])])  # fmt: skip
  return Table(
    "Top-1 accuracy of the runs, per cent of videos; differences against the first run", columns, rows
  )


def _validation(run: Run) -> str:
  return next((row["dataset"] for row in run.report["evaluations"] if row["protocol"] == "validation"), "")


def paper_tables(
  runs: Sequence[Run], names: Sequence[str], data_set: str
) -> tuple[Table, Table | None] | None:
  """Our rows above the papers' headline rows, and above their ablations; None where no paper names the data set."""
  printed = printed_rows(data_set)
  if not printed:
    return None
  ours = [_own_line(run, name, data_set, len(runs)) for run, name in zip(runs, names, strict=True)]
  title = data_set_title(data_set)
  subject = "this run" if len(runs) == 1 else "these runs"
  main = _paper_table(f"{title}: {subject} beside the papers", ours, [row for row in printed if row.is_main])
  rest = [row for row in printed if not row.is_main]
  return main, _paper_table(f"{title}: the papers' ablations", ours, rest) if rest else None


def _paper_table(caption: str, ours: list[list[Cell]], printed: list[Printed]) -> Table:
  columns = [Column("method", False), Column("half: top-1"), Column("half: top-5"), Column("all: top-1"), Column("all: top-5"),
             Column("clips", note="a test video; — where the paper does not say"),
             Column("training, features, switches", False, "W word vectors, A attributes, ED descriptions of classes"),
             Column("source", False)]  # fmt: skip
  lines: dict[tuple, dict[str, Printed]] = {}
  for one in printed:
    line = lines.setdefault((one.paper, one.table, one.method, one.detail, one.num_clips), {})
    line[one.protocol] = one
  rows = list(ours)
  for (paper, table, method, detail, clips), line in lines.items():
    numbers = []
    for protocol in ("half", "all"):
      row = line.get(protocol)
      numbers += [
        spread(row.top1 if row else None, row.std if row else None),
        decimal(row.top5 if row else None),
      ]
    rows.append([text(method), *numbers, count(clips or None), text(detail), text(f"{paper} {table}")])
  return Table(caption, columns, rows, frozenset(range(len(ours))))


def _own_line(run: Run, name: str, data_set: str, num_runs: int) -> list[Cell]:
  numbers = []
  for protocol in ("half", "all"):
    row = run.row(data_set, protocol)
    numbers += [
      spread(_of(row, "top1"), _of(row, "top1_std"), "strong"),
      decimal(_of(row, "top5")),
    ]
  seen = (
    f"{len(run.report['seen_classes'])} classes of {data_set_title(run.config['data']['seen'].split(':')[0])}"
  )
  source = "this run" if num_runs == 1 else name
  return [text(method_title(run)), *numbers, count(run.config["eval"]["num_clips"]), text(seen), text(source)]


def comparable(run: Run) -> bool:
  """Whether the papers' rows can be held against it: trained on Kinetics, without the classes that leak."""
  data = run.config["data"]
  return data["seen"].startswith("kinetics") and data.get("remove_overlap", True)


def generalized_table(runs: Sequence[Run], names: Sequence[str]) -> Table | None:
  """Seen and unseen classes compete; None where no run has such a row."""
  columns = [Column("data set", False), Column("seen"), Column("unseen"), Column("harmonic"),
             Column("AUSUC", note="area under the seen–unseen curve, 0 to 1"),
             Column("seen, calibrated", note="gamma chosen by cross-validation over seen classes (zsar_jax.tune)"),
             Column("unseen, calibrated"), Column("harmonic, calibrated"), Column("gamma"),
             Column("best harmonic", note="gamma chosen on the test videos themselves: an upper bound")]  # fmt: skip
  rows = []
  for data_set in data_sets_of(runs):
    for run, name in zip(runs, names, strict=True):
      row = run.row(data_set, "generalized")
      if row:
        tuned = row.get("calibrated") or {}
        rows.append([text(data_set_title(data_set)), *([text(name)] if len(runs) > 1 else []), decimal(row["seen"]),
                     decimal(row["unseen"]), decimal(row["harmonic"], tone="strong"), decimal(row.get("ausuc"), 3),
                     *(decimal(tuned.get(key)) for key in ("seen", "unseen", "harmonic")), decimal(tuned.get("gamma"), 2),
                     decimal((row.get("best") or {}).get("harmonic"))])  # fmt: skip
  if len(runs) > 1:
    columns.insert(1, Column("run", False))
  return (
    Table("Generalised zero-shot: seen and unseen classes compete, top-1 in per cent", columns, rows)
    if rows
    else None
  )


def spaces_table(runs: Sequence[Run], names: Sequence[str]) -> Table:
  """Accuracy and hubness of every space, so before and after the transfer."""
  columns = [Column("data set", False), Column("space", False), Column("all: top-1"), Column("half: top-1"),
             *(Column(f"hubness, k = {k}", note="skewness of how often a class is among a video's k nearest")
               for k in (1, 5, 10))]  # fmt: skip
  if len(runs) > 1:
    columns.insert(1, Column("run", False))
  rows = []
  for data_set in data_sets_of(runs):
    for run, name in zip(runs, names, strict=True):
      for space in run.spaces:
        row, half = (run.row(data_set, protocol, space=space) for protocol in ("all", "half"))
        if row:
          tone = "strong" if space == run.space else ""
          rows.append([text(data_set_title(data_set)), *([text(name)] if len(runs) > 1 else []),
                       text(space_title(run, space)), decimal(row["top1"], tone=tone),
                       spread(_of(half, "top1"), _of(half, "top1_std")),
                       *(decimal(row["hubness"].get(k), 2) for k in ("1", "5", "10"))])  # fmt: skip
  return Table("Where videos and classes are compared", columns, rows)
