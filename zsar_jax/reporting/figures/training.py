"""Loss and accuracy while training."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zsar_jax.reporting.figure import Figure
from zsar_jax.reporting.figures import axes as parts
from zsar_jax.reporting.palette import LINES, MARKERS, RUNS
from zsar_jax.reporting.run import Run
from zsar_jax.reporting.svg import canvas, finish, style

_PHASES = {"warmup": "warm-up"}


@style()
def training_figure(runs: Sequence[Run], names: Sequence[str]) -> Figure | str:
  """The curves of all runs over each other, from `metrics.jsonl`."""
  found = [
    (run, name)
    for run, name in zip(runs, names, strict=True)
    if any(line["kind"] == "train" and "loss" in line for line in run.metrics)
  ]
  if not found:
    return "Training curves: no metrics.jsonl tells of a training."
  drawn = canvas(4.2)
  loss, accuracy = drawn.subplots(2, 1, sharex=True)
  table: list[list[Any]] = [["run", "step", "kind", "phase", "loss", "accuracy, %"]]
  for run, name in found:
    i = next(k for k, other in enumerate(runs) if other is run)
    look = {"color": RUNS[i % len(RUNS)], "linestyle": LINES[i % len(LINES)]}
    _draw(loss, run.metrics, "train", "loss", **look, label=name if len(runs) > 1 else "training batches")
    _draw(accuracy, run.metrics, "train", "accuracy", **look, alpha=0.55)
    _draw(accuracy, run.metrics, "validation", "top1", **look | {"linestyle": "-"}, marker=MARKERS[i % len(MARKERS)],
          label=f"{name}, validation videos" if len(runs) > 1 else "validation videos of seen classes")  # fmt: skip
    table += [[name, line["step"], line["kind"], line.get("phase"), line.get("loss"), line.get("top1", line.get("accuracy"))]
              for line in run.metrics]  # fmt: skip
  _phases((loss, accuracy), [run for run, _ in found])
  loss.set(ylabel="loss", xlim=(0, None))
  accuracy.set(ylabel="accuracy on seen classes, %", xlabel="step", ylim=(0, 102))
  loss.set_ylim(0, 1.12 * loss.dataLim.y1)  # room for the phases' names
  for axes in (loss, accuracy):
    axes.grid(axis="y")
  parts.key(drawn, columns=3)
  caption = (
    "Loss of the training batches (above) and accuracy on seen classes (below: thin line the batches, marked line the "
    "validation videos). A dotted line ends a phase: the two phases of ResT have different losses. The papers show none."
  )
  last = [[line for line in run.metrics if line["kind"] == "validation"][-1:] for run, _ in found]
  told = [f"{name}: {own[0]['top1']:.1f} per cent on validation at the end"
          for (_, name), own in zip(found, last, strict=True) if own and own[0].get("top1") is not None]  # fmt: skip
  return finish(drawn, "training", "Training curves", caption, table, "Training curves. " + "; ".join(told))


def _draw(axes: Any, metrics: Sequence[dict[str, Any]], kind: str, name: str, **look: Any) -> None:
  """One line a phase: what it measures changes between them. `look`: matplotlib's own properties of a line."""
  lines = [line for line in metrics if line["kind"] == kind and line.get(name) is not None]
  for k, phase in enumerate(dict.fromkeys(line.get("phase") for line in lines)):
    own = [line for line in lines if line.get("phase") == phase]
    label = look.get("label") if k == 0 else None
    axes.plot([line["step"] for line in own], [line[name] for line in own], **look | {"label": label})


def _phases(panels: Sequence[Any], runs: Sequence[Run]) -> None:
  """Where phases end, and what they are called where all runs have the same ones."""
  spans = [_spans(run.metrics) for run in runs]
  for axes in panels:
    for end in {end for own in spans for _, _, end in own[:-1]}:
      axes.axvline(end, linewidth=0.8, linestyle=":", color=axes.xaxis.label.get_color())
  if len(spans[0]) > 1 and all(own == spans[0] for own in spans):
    for phase, start, end in spans[0]:
      panels[0].annotate(_PHASES.get(phase, phase), ((start + end) / 2, 0.98), xycoords=("data", "axes fraction"), ha="center",
                         va="top", fontsize=7.5, style="italic")  # fmt: skip


def _spans(metrics: Sequence[dict[str, Any]]) -> list[tuple[str, int, int]]:
  """(phase, step before, last step) of the training's phases."""
  spans: list[tuple[str, int, int]] = []
  steps = [(line.get("phase") or "", int(line["step"])) for line in metrics if line["kind"] == "train"]
  for phase in dict.fromkeys(phase for phase, _ in steps):
    end = int(np.max([step for own, step in steps if own == phase]))
    spans.append((phase, spans[-1][2] if spans else 0, end))
  return spans
