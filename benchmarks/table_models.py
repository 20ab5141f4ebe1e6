"""The tables of the models on accelerators, of what they cost, and of where their time goes."""

from collections.abc import Iterable
from typing import Any

from table_cells import MISSING, Stored, number, per_cent, scaled, seconds, table, times, wrapped

MODELS = {
  "r2plus1d_18": "R(2+1)D-18", "r3d_18": "R3D-18", "c3d": "C3D", "resnet18": "ResT-18", "resnet34": "ResT-34",
  "resnet101": "ResT-101", "vgg16": "ResT VGG16", "mobilenet_v2": "ResT MobileNetV2", "googlenet": "ResT GoogLeNet",
}  # fmt: skip
TASKS = {"train": "training step", "embed": "embedding"}
SIDES = {"ours": "ours", "torch": "eager", "torch_compiled": "`torch.compile`"}
DATASHEET = "989"  # TFLOP/s in bfloat16 of an H200


def model_ratio(stored: Stored, file: str, name: str, task: str, side: str) -> float | None:
  return stored.get(file, "models", name, task, "ratio", side)


def accelerator(stored: Stored) -> str:
  """Says whether a GPU was measured."""
  if stored.file("models-h200"):
    return "\n\n".join([h200(stored), stored.facts(["models-h200"])])
  return wrapped(
    "The figures of an H200 are missing, for no accelerator was at hand: nothing is claimed for GPUs and TPUs. `benchmarks/models.py` "
    "measures the same there, in bfloat16."
  )


def h200(stored: Stored) -> str:
  """Every model on an H200: clips/s, times faster, and the share of the device's arithmetic."""
  body = []
  for name, title in MODELS.items():
    for task, told in TASKS.items():
      one = stored.get("models-h200", "models", name, task) or {}
      rate = (one.get("clips_per_second") or {}).get("ours")
      ratios = [
        times(model_ratio(stored, "models-h200", name, task, side)) for side in ("torch", "torch_compiled")
      ]
      shares = one.get("utilization_of_reachable") or {}
      body.append((f"{title}, {told}", number(rate), *ratios, per_cent(shares.get("ours"))))
  reachable = scaled(stored.get("models-h200", "reachable_flops_per_second"), 1e-12)
  rate = "what is reachable" if reachable is None else f"{reachable:.0f} TFLOP/s, reachable"
  used = f"of {rate} (data sheet: {DATASHEET})"
  return table(("H200", "clips/s", "against eager", "against `torch.compile`", used), body)


def costs(stored: Stored) -> str:
  """Memory and compile times of a model's step and embedding."""
  body = []
  for name, title in MODELS.items():
    one = stored.get("models-cpu", "models", name) or {}
    peaks = [_sides(one, "peak_bytes", task, lambda n: number(scaled(n, 1e-9), 2)) for task in TASKS]
    compiling = [_sides(one, "compile_seconds", task, seconds) for task in TASKS]
    body.append((title, *peaks, *compiling))
  head = ("ours; eager; `torch.compile`", "GB, step", "GB, embedding", "compile, step", "compile, embedding")
  return "\n\n".join([table(head, body), stored.facts(["models-cpu"])])


def _sides(one: dict[str, Any], key: str, task: str, form: Any) -> str:
  """What is known of each side; a dash where a side has none."""
  found = (one.get(task) or {}).get(key) or {}
  values = [found.get(side) for side in SIDES]
  if all(value is None for value in values):
    return MISSING
  return "; ".join("–" if value is None else form(value) for value in values)


def operations(stored: Stored) -> str:
  """Shares of the time of two models, by kind of operation and by stage, beside what their floor would take."""
  found = stored.get("operations-cpu", "models") or {}
  cases = [
    (f"{MODELS.get(name, name)}, {TASKS[task]}", tasks[task])
    for name, tasks in found.items()
    for task in TASKS
    if task in tasks
  ]
  if not cases:
    return f"Operations: {MISSING}."
  spent = [
    ("seconds, untraced; traced", *("; ".join(seconds((one.get("seconds") or {}).get(k)) for k in ("untraced", "traced"))
                                    for _, one in cases)),
    ("of which no instruction explains", *(per_cent(one.get("not_attributed")) for _, one in cases)),
  ]  # fmt: skip
  titles = [title for title, _ in cases]
  parts = [table(("", *titles), spent)]
  for part, told in {"kinds": "kind of operation", "stages": "stage"}.items():
    rows = list(_shares(part, [one for _, one in cases]))
    parts.append(table((f"{told}: share; times its floor", *titles), rows))
  return "\n\n".join([*parts, stored.facts(["operations-cpu"])])


def _shares(part: str, cases: list[dict[str, Any]]) -> Iterable[tuple[str, ...]]:
  """A row for everything that takes half a per cent anywhere."""
  tables = [one.get(part) or {} for one in cases]
  for name in dict.fromkeys(name for one in tables for name in one):
    rows = [one.get(name) or {} for one in tables]
    if any((row.get("share") or 0) >= 0.005 for row in rows):
      yield name, *(_share(row) for row in rows)


def _share(row: dict[str, Any]) -> str:
  over = row.get("over_floor")
  return "–" if not row else per_cent(row.get("share")) + ("" if over is None else f"; {over:.1f}")
