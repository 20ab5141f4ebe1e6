"""The numbers of an evaluation as a terminal of 80 columns shows them; all of them stand in the report."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

FEW = 5  # classes: among so few, any name is among the five best


def print_table(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
  """Prints the primary rows of `report.json`'s `evaluations`."""
  console = console or Console(width=None if sys.stdout.isatty() else 100, highlight=False)
  primary = [row for row in rows if row["primary"]]
  accuracies = [row for row in primary if "harmonic" not in row]
  if accuracies:
    console.print(_table(accuracies))
  for row in primary:
    if "harmonic" in row:
      for line in _generalized_lines(row):
        console.print(line, soft_wrap=True)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
  with_top5 = any(row["num_classes"] > FEW for row in rows)
  table = Table("data set", "protocol", title="zero-shot accuracy, per cent", title_justify="left")
  for heading in ("classes", "videos", "chance", "top-1", *(["top-5"] if with_top5 else [])):
    table.add_column(heading, justify="right", no_wrap=True)
  for row in rows:
    deviation = "" if row["top1_std"] is None else f" ± {row['top1_std']:.1f}"
    cells = [
      row["dataset"], row["protocol"], str(row["num_classes"]), str(row["num_videos"]), f"{row['chance_top1']:.1f}",
      f"{row['top1']:.1f}{deviation}",
    ]  # fmt: skip
    if with_top5:
      cells.append(f"{row['top5']:.1f}" if row["num_classes"] > FEW else "")
    table.add_row(*cells)
  return table


def _generalized_lines(row: dict[str, Any]) -> list[str]:
  """Of a row in which the seen classes compete too."""
  lines = [f"{row['dataset']}, seen classes compete too: {_three(row)}"]
  if row.get("calibrated"):
    lines.append(f"  with the tuned gamma {row['calibrated']['gamma']:.3f}: {_three(row['calibrated'])}")
  return lines


def _three(point: dict[str, Any]) -> str:
  return f"seen {point['seen']:.1f}, unseen {point['unseen']:.1f}, harmonic {point['harmonic']:.1f}"
