"""The short table of benchmarks/models.py."""

from typing import Any

_BEFORE = ("model", "task", "batch", "ours", "torch", "compiled", "ratio", "ratio comp", "ratio large")
_AFTER = ("peak GB", "torch GB", "compile s")


def table(result: dict[str, Any]) -> str:
  """A line for each model and task (of sweeps: task and side); clips a second, ratios above 1 where ours is faster."""
  rows, notes = [], []
  # As in README: of the rate that zsar_jax.devices calls reachable, or of the measured ceiling where it knows none.
  known = result.get("reachable_flops_per_second")
  share, told = ("utilization_of_reachable", "of reachable") if known else ("utilization", "of ceiling")
  for name, entry in result["models"].items():
    for task in ("train", "embed"):
      if task in entry:
        rows.append((name, task, str(entry["batch"]), *_measured(entry[task], share)))
    notes += [f"{name}: not measured, {problem}" for problem in entry.get("disagrees", [])]
    notes += [
      f"{name}: {side} failed, {text.splitlines()[0][:120]}" for side, text in entry.get("failed", {}).items()
    ]
    for task, sides in entry.get("sweep", {}).items():
      notes += [f"{name} {task} {side}: {_curve(curve)}" for side, curve in sides.items()]
  lines = _columns([(*_BEFORE, told, *_AFTER), *rows]) if rows else []
  if result.get("not_measured"):
    notes.append(f"no time was left for {', '.join(result['not_measured'])}")
  device = f"{result['device']}, {result['dtype']}, {result['torch_layout']}: clips/s and times faster"
  return "\n".join([device, *lines, *notes])


def _measured(task: dict[str, Any], share: str) -> tuple[str, ...]:
  rates, ratio, peak = task["clips_per_second"], task["ratio"], task["peak_bytes"]
  return (
    *(_number(rates.get(side)) for side in ("ours", "torch", "torch_compiled")),
    *(_number(ratio.get(side)) for side in ("torch", "torch_compiled", "torch_large_pages")),
    _number(task[share]["ours"]),
    *(_number(peak[side] / 1e9 if peak.get(side) else None) for side in ("ours", "torch")),
    _number(task["compile_seconds"]["ours"]),
  )


def _curve(curve: dict[str, Any]) -> str:
  points = [f"{batch}: {_number(at['clips_per_second'])}/s {_number(at['peak_bytes'] and at['peak_bytes'] / 1e9)} GB"
            for batch, at in curve["batches"].items()]  # fmt: skip
  return "; ".join([*points, str(curve["limit"])])


def _number(value: float | None) -> str:
  if value is None:
    return "-"
  return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  return ["  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
          for row in rows]  # fmt: skip
