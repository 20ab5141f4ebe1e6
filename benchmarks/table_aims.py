"""The table of docs/performance.md about what was aimed at."""

from collections.abc import Iterator

from table_cells import MISSING, Stored, seconds, table, times
from table_models import TASKS, model_ratio
from table_ratios import FIRST_STEP_AIM, first_step, input_ratio

INPUT = {
  "DataLoader + PyAV": ("plain_raw", {112: 12, 224: 10}),
  "the same, skipping what no frame needs": ("torch_raw", {112: 12, 224: 10}),
  "the same, small copies": ("torch_preshrunk", {112: 4, 224: 4}),
}
SCORING = 100


def aims(stored: Stored) -> str:
  """A row for each aim that was set for CPUs: what it is, what was reached, whether that is enough."""
  return table(("aim", "at least", "reached", ""), [*_input(stored), *_models(stored), *_others(stored)])


def _least(what: str, aim: float, found: float | None) -> tuple[str, ...]:
  return what, f"{aim:g}", times(found), _verdict(None if found is None else found >= aim)


def _verdict(enough: bool | None) -> str:
  return "" if enough is None else "met" if enough else "**missed**"


def _input(stored: Stored) -> Iterator[tuple[str, ...]]:
  for against, (side, crops) in INPUT.items():
    for crop, aim in crops.items():
      what = f"clips from disk, 16 × {crop}², videos of 340 × 256, against {against}"
      yield _least(what, aim, input_ratio(stored, crop, side))


def _models(stored: Stored) -> Iterator[tuple[str, ...]]:
  """Of one model: the others are reported, and guarded against falling back."""
  for task, told in TASKS.items():
    found = model_ratio(stored, "models-cpu", "r2plus1d_18", task, "torch")
    yield _least(f"R(2+1)D-18, {told}, against PyTorch eager", 1, found)


def _others(stored: Stored) -> Iterator[tuple[str, ...]]:
  scoring = stored.get("evaluate-cpu", "evaluation", "ratio", "released / ours")
  yield _least("scoring against the released loop", SCORING, scoring)
  first = [first_step(stored, method) for method in ("rest", "e2e")]
  known = [value for value in first if value is not None]
  reached = "; ".join(map(seconds, first)) if known else MISSING
  enough = max(known) < FIRST_STEP_AIM if known else None
  yield (
    "start-up to the demo's first step, warm: ResT; E2E", f"under {FIRST_STEP_AIM} s", reached, _verdict(enough)
  )  # fmt: skip
