"""How certain the main results are, beside what the papers print."""

from collections.abc import Sequence
from typing import Any

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import reading
from zsar_jax.reporting.palette import GREY, MARKERS, RUNS
from zsar_jax.reporting.printed import printed_rows
from zsar_jax.reporting.results import comparable
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

_PROTOCOLS = {"half": "half of the classes", "all": "all classes"}


@style()
def interval_figure(runs: Sequence[Run], names: Sequence[str]) -> Figure | str:
  """Top-1 of every primary row with both bootstrap intervals, and the papers' own results as ticks."""
  lines = [(data_set, protocol) for data_set in reading.unseen_sets(runs) for protocol in _PROTOCOLS
           if any(run.row(data_set, protocol) for run in runs)]  # fmt: skip
  if not lines:
    return "Intervals of the main results: none evaluated."
  step = 0.8 / len(runs)
  drawn = canvas(0.75 + len(lines) * (0.28 + 0.13 * len(runs)))
  axes = drawn.add_subplot()
  table: list[list[Any]] = [
    ["data set", "protocol", "run", "top-1, %", "videos: low", "high", "classes: low", "high"]
  ]
  told = []
  for k, (data_set, protocol) in enumerate(lines):
    for printed in printed_rows(data_set, protocol):
      if printed.is_main and printed.method.startswith(("E2E", "ResT")):
        axes.plot(printed.top1, k, "|", color=GREY, markersize=18, markeredgewidth=1.1, zorder=1)
        table.append([data_set, protocol, f"{printed.paper} {printed.table}: {printed.method} {printed.detail}".strip(),
                      printed.top1, None, None, None, None])  # fmt: skip
    for i, (run, name) in enumerate(zip(runs, names, strict=True)):
      row = run.row(data_set, protocol)
      if row:
        _draw(axes, k + (i - (len(runs) - 1) / 2) * step, row, i)
        table.append([data_set, protocol, name, row["top1"], *(row["interval_videos"] or [None] * 2),
                      *(row["interval_classes"] or [None] * 2)])  # fmt: skip
        told.append(f"{reading.title(data_set)}, {_PROTOCOLS[protocol]}, {name}: {row['top1']:.1f}")
  axes.set_yticks(range(len(lines)), [f"{reading.title(d)}, {_PROTOCOLS[p]}" for d, p in lines])
  axes.tick_params(axis="y", length=0)
  axes.set(ylim=(len(lines) - 0.45, -0.55), xlim=(0, None), xlabel="videos right, %")
  axes.grid(axis="x")
  axes.spines["left"].set_visible(False)
  printed_some = any(line[2].startswith(("E2E Table", "ResT Table")) for line in table[1:])
  others = [name for run, name in zip(runs, names, strict=True) if not comparable(run)]
  _legend(drawn, names, printed_some)
  caption = (
    "Top-1 of every unseen data set with 95 % bootstrap intervals: the thick line draws videos anew, the thin one classes with all "
    "their videos, which asks how the result would carry over to other classes."
    + (" Grey ticks are what the papers print for their own models." if printed_some else "")
    + (
      f" Not comparable with them, as trained on other or on leaking classes: {reading.listed(others)}."
      if printed_some and others
      else ""
    )
  )
  return finish(
    drawn, "intervals", "How certain the results are", caption, table, "Top-1: " + "; ".join(told)
  )


def _draw(axes: Any, y: float, row: dict[str, Any], i: int) -> None:
  color = RUNS[i % len(RUNS)]
  for key, width in (("interval_classes", 0.9), ("interval_videos", 3.2)):
    if row[key]:
      axes.plot(
        row[key], [y, y], linewidth=width, color=color, solid_capstyle="butt", alpha=0.75 if width > 2 else 1
      )
  axes.plot(row["top1"], y, MARKERS[i % len(MARKERS)], color=color, markersize=5, zorder=4)


def _legend(drawn: Any, names: Sequence[str], printed: bool) -> None:
  from matplotlib.lines import Line2D

  handles = []
  if len(names) > 1:
    handles = [Line2D([], [], linestyle="", marker=MARKERS[i % len(MARKERS)], color=RUNS[i % len(RUNS)], label=name)
               for i, name in enumerate(names)]  # fmt: skip
  ink = drawn.axes[0].xaxis.label.get_color()
  handles += [Line2D([], [], linewidth=3.2, color=ink, alpha=0.75, label="95 %, videos"),
              Line2D([], [], linewidth=0.9, color=ink, label="95 %, classes")]  # fmt: skip
  if printed:
    handles.append(
      Line2D([], [], linestyle="", marker="|", markersize=10, color=GREY, label="printed in the papers")
    )
  drawn.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 5), fontsize=7.5)
