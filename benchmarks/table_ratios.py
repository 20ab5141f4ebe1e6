"""README's table: what was measured against something else, how many times faster it is, and why some are slower."""

from collections.abc import Iterator
from typing import NamedTuple

from table_cells import Stored, per_cent, seconds, table, times, wrapped
from table_models import MODELS, TASKS, accelerator, model_ratio

# Other files that README's figures come from.
FILES = ("input-cpu", "evaluate-cpu", "embedding-cpu", "predict-cpu", "serving-cpu", "startup-cpu")
EAGER, COMPILE, LARGE = "PyTorch eager", "`torch.compile`", "PyTorch eager with large pages"
FIRST_STEP_AIM = 40  # seconds

# Why a ratio is below 1, as far as it was found out; one place for README and docs/performance.md.
REASONS = {
  "convolutions": "probably PyTorch's convolutions (oneDNN), by wider instructions than XLA's",
  "small layers": "training of many small layers, whose passes over memory (batch norm, maxima) take as long as the convolutions or longer",
  "compiled": "probably the same convolutions of PyTorch's, with what stands between them fused as XLA fuses ours",
  "shared cores": "the clients, their uploads and the server share the cores; `predict` has them for itself",
  "few frames": "its 25 clips of 4 frames hardly share any, so there is nothing to save; the ratio is 1 but for noise",
  "": "no reason was looked for",
}


class Ratio(NamedTuple):
  """Times faster; None was not measured."""

  value: float | None
  kind: str = ""  # what of the row it is, "" where there is one
  reason: str = ""  # a key of REASONS, where it is below 1
  note: str = ""  # told in brackets where it is below 1


class Row(NamedTuple):
  """One comparison."""

  what: str
  against: str
  ratios: tuple[Ratio, ...]
  command: str


def rows(stored: Stored) -> Iterator[Row]:
  """Everything that has a ratio."""
  yield from _input(stored)
  yield from _models(stored)
  scoring = "scoring 13,320 videos × 101 classes and ten halves"
  evaluation = ("evaluate-cpu", "evaluation", "ratio")
  for what, key in {
    scoring: "released / ours", f"{scoring}, 25 clips each": "released, 25 clips / ours, 25 clips"
  }.items():  # fmt: skip
    yield Row(what, "the released SciPy loop", (Ratio(stored.get(*evaluation, key)),), "evaluate.py")
  reduced = stored.get("evaluate-cpu", "transfer", "101 x 664", "ratio", "full program / reduced program")
  yield Row("transfer, 101 × 664 classes", "the whole integer program", (Ratio(reduced),), "evaluate.py")
  for name, title in {"rest18": "ResT-18", "rest34": "ResT-34", "rest101": "ResT-101"}.items():
    shared = stored.get("embedding-cpu", "models", name, "ratio")
    if shared is not None:
      found = Ratio(shared, reason="few frames" if name == "rest101" else "")
      yield Row(f"embedding of a video's 25 clips, {title}", "clip by clip", (found,), "embedding.py")
  together = stored.get("predict-cpu", "cases", "figures", "faster_than_apart")
  yield Row("naming 60 videos in one call", "one call a video", (Ratio(together),), "predict.py")
  serving = Ratio(stored.get("serving-cpu", "ratio"), reason="shared cores")
  yield Row("serving 50 clients", "`predict` on the same videos", (serving,), "serving.py")


def _input(stored: Stored) -> Iterator[Row]:
  sides = {
    "plain_raw": "DataLoader + PyAV, raw mp4",
    "torch_raw": "DataLoader + PyAV, raw mp4, skipping what no frame needs",
    "torch_preshrunk": "DataLoader + PyAV, small copies, a key frame every 12",
    "opencv_raw": "DataLoader + OpenCV, raw mp4",
    "opencv_preshrunk": "DataLoader + OpenCV, small copies",
  }
  for side, against in sides.items():
    found = tuple(Ratio(input_ratio(stored, crop, side), f"{crop}²") for crop in (112, 224))
    yield Row("clips from disk, 16 × 112²; 16 × 224²", against, found, "input.py")


def input_ratio(stored: Stored, crop: int, side: str) -> float | None:
  """By the clock."""
  return stored.get("input-cpu", "rows", f"16x{crop}", "ratio", side, "clips_per_second")


def _models(stored: Stored) -> Iterator[Row]:
  for side, against in {"torch": EAGER, "torch_large_pages": LARGE, "torch_compiled": COMPILE}.items():
    for name, title in MODELS.items():
      found = tuple(_model(stored, name, task, side) for task in TASKS)
      yield Row(f"{title}: training step; embedding", against, found, "models.py")


def _model(stored: Stored, name: str, task: str, side: str) -> Ratio:
  small = name in ("mobilenet_v2", "googlenet") and task == "train"
  reason = "compiled" if side == "torch_compiled" else "small layers" if small else "convolutions"
  used = stored.get("models-cpu", "models", name, task, "utilization") or {}
  shares = [used.get(one) for one in ("ours", side)]
  note = " and ".join(map(per_cent, shares)) if None not in shares else ""
  return Ratio(model_ratio(stored, "models-cpu", name, task, side), task, reason, note)


def readme(stored: Stored) -> str:
  """The table of README, what it was measured with, and the reasons of what is below 1."""
  listed = [row for row in rows(stored) if any(one.value is not None for one in row.ratios)]
  cells = [
    (row.what, row.against, "; ".join(times(one.value) for one in row.ratios), f"`benchmarks/{row.command}`")
    for row in listed
  ]
  first = [first_step(stored, method) for method in ("rest", "e2e")]
  if any(value is not None for value in first):
    what = "start-up to the demo's first step, warm: ResT; E2E"
    cells.append(
      (what, f"the aim, {FIRST_STEP_AIM} s", "; ".join(map(seconds, first)), "`benchmarks/startup.py`")
    )
  body = table(("what", "against", "times faster", "command"), cells)
  parts = [body, stored.facts(["models-cpu", *FILES]), below_one(stored), missing(stored)]
  return "\n\n".join([*(part for part in parts if part), accelerator(stored)])


def first_step(stored: Stored, method: str) -> float | None:
  """Seconds from the command, with programs compiled and videos made before."""
  return stored.get("startup-cpu", "first_step", method, "warm", "first_step_seconds")


def missing(stored: Stored) -> str:
  """A sentence that names what has no figure; nothing where there is none."""
  names: dict[str, list[str]] = {}
  for row in rows(stored):
    if all(one.value is None for one in row.ratios):
      names.setdefault(row.against, []).append(row.what.partition(":")[0])
  told = [f"against {against}: {', '.join(whats)}" for against, whats in names.items()]
  return wrapped(f"Not measured {'; '.join(told)}.") if told else ""


def below_one(stored: Stored, command: str = "") -> str:
  """Every ratio below 1, by its reason; those of one command alone, where one is given."""
  groups: dict[tuple[str, str], list[str]] = {}
  any_notes = False
  for row in rows(stored):
    for one in row.ratios:
      if one.value is not None and one.value < 1 and command in ("", row.command):
        what = f"{row.what.partition(':' if one.kind in TASKS else ';')[0]} {TASKS.get(one.kind, one.kind)}".strip()
        note = f" ({one.note})" if one.note else ""
        any_notes = any_notes or bool(note)
        groups.setdefault((row.against, one.reason), []).append(f"{what} {times(one.value)}{note}")
  lines = [
    wrapped(f"- Against {against}: {', '.join(names)}: {REASONS[reason]}.", "  ")
    for (against, reason), names in groups.items()
  ]
  noted = (
    " (in brackets the shares that ours and theirs reach of the rate of one large product of XLA's, measured when the run began: "
    "above 100 % fewer multiplications are made than are counted, by Winograd's algorithm, or the kernels are wider than XLA's, "
    "or the machine became faster)"
  )
  told = f"Slower than what they are compared with, and why{noted if any_notes else ''}:"
  return "\n".join([wrapped(told), "", *lines]) if lines else ""
