"""The tables of docs/performance.md about models, evaluation, and use."""

from typing import Any

from table_cells import MISSING, Stored, number, per_cent, seconds, table, times
from table_models import MODELS, TASKS, model_ratio
from table_ratios import below_one


def models(stored: Stored) -> str:
  """All models, both tasks, eager and compiled."""
  body = []
  for name, title in MODELS.items():
    one = stored.get("models-cpu", "models", name) or {}
    rates = [number(((one.get(task) or {}).get("clips_per_second") or {}).get("ours"), 2) for task in TASKS]
    ratios = [
      times(model_ratio(stored, "models-cpu", name, task, side))
      for side in ("torch", "torch_large_pages", "torch_compiled")
      for task in TASKS
    ]
    shares = [per_cent(((one.get(task) or {}).get("utilization") or {}).get("ours")) for task in TASKS]
    body.append((title, "; ".join(rates), *ratios, "; ".join(shares)))
  against = ("eager", "eager, large pages", "`torch.compile`")
  head = ("times faster", "ours, clips/s: step; embedding", *(f"{task}, {other}" for other in against for task in ("step", "embedding")),
          "of the matmul rate: step; embedding")  # fmt: skip
  parts = [
    table(head, body),
    stored.facts(["models-cpu"]),
    below_one(stored, "models.py"),
  ]
  return "\n\n".join(part for part in parts if part)


def evaluation(stored: Stored) -> str:
  """Scoring, transfer, search and shared frames."""
  whole = stored.file("evaluate-cpu")
  spent, ratio = (stored.get("evaluate-cpu", "evaluation", key) or {} for key in ("seconds", "ratio"))
  body = [
    ("13,320 videos × 101 classes × 300 numbers, all classes and ten halves", seconds(spent.get("ours")),
     "the released loop", times(ratio.get("released / ours"))),
    ("the same", "", "SciPy without Python's loops", times(ratio.get("scipy / ours"))),
    ("the same with both bootstrap intervals and hubness", seconds(spent.get("ours, whole rows")), "the released loop",
     times(ratio.get("released / ours, whole rows"))),
    ("the same, 25 clips averaged inside", seconds(spent.get("ours, 25 clips")), "the released loop",
     times(ratio.get("released, 25 clips / ours, 25 clips"))),
  ]  # fmt: skip
  for size, found in (whole.get("transfer") or {}).items():
    full = (found.get("ratio") or {}).get("full program / reduced program")
    taken = found.get("seconds") or {}
    told = f"transfer at {size.replace('x', '×').replace('20000', '20,000')}: the program; the closed form"
    body.append((told, "; ".join(seconds(taken.get(k)) for k in ("reduced program", "closed form")),
                 "the whole program" if full else "", times(full) if full else ""))  # fmt: skip
  search = whole.get("search")
  if search:
    videos, width, num_classes, points, folds = (
      number(search.get(key), 1) for key in ("videos", "width", "classes", "points", "folds")
    )
    what = f"search, {videos} × {width}, {num_classes} classes, {points} points, {folds} folds"
    body.append((what, seconds((search.get("seconds") or {}).get("search")), "", ""))
  for name, found in (stored.get("embedding-cpu", "models") or {}).items():
    frames = number(stored.get("embedding-cpu", "frames_of_the_video"), 1)
    body.append((f"{name}: 25 clips of a video of {frames} frames, each frame encoded once",
                 seconds((found.get("seconds") or {}).get("shared")),
                 "clip by clip", times(found.get("ratio"))))  # fmt: skip
  facts = stored.facts(["evaluate-cpu", "embedding-cpu"])
  return "\n\n".join([table(("what", "takes", "against", "times faster"), body), facts])


def overhead(stored: Stored) -> str:
  """What is not the compiled step, in per cent of the wall time."""
  titles = {"demo": "E2E demo", "demo_rest": "ResT demo", "middle": "R(2+1)D-18 on the demo's clips"}
  body = []
  for name, title in titles.items():
    case = stored.get("overhead-cpu", "cases", name) or {}
    before, after = case.get("step_seconds_alone") or (None, None)
    moved = None if before is None else abs(after / before - 1)
    body.append(
      (title, *(_percent(case.get(key)) for key in ("data_wait", "saving", "outside_step")), per_cent(moved))
    )
  head = ("per cent of the wall time", "waiting for input", "checkpoints", "all that is not the step",
          "the step's own speed moved by")  # fmt: skip
  return "\n\n".join([table(head, body), stored.facts(["overhead-cpu"])])


def _percent(value: float | None) -> str:
  return MISSING if value is None else f"{value:.2f} %"


def predict(stored: Stored) -> str:
  """Naming many videos at once."""
  titles = {
    "figures": "generated, 56 × 56, 20 frames, ResT demo",
    "real": "832 × 480, 81 frames, E2E with a small encoder",
  }
  cases: list[dict[str, Any]] = [stored.get("predict-cpu", "cases", name) or {} for name in titles]
  body = [
    (
      "videos/s, all in one call",
      *(number((c.get("videos_per_second") or {}).get("together")) for c in cases),
    ),
    ("times faster than one call a video", *(times(c.get("faster_than_apart")) for c in cases)),
    ("share of the time that decoding alone takes; the network alone",
     *(f"{number(c.get('of_floor'), 2)}; {number(c.get('of_device'), 2)}" for c in cases)),
  ]  # fmt: skip
  return "\n\n".join([table(("naming 60 videos", *titles.values()), body), stored.facts(["predict-cpu"])])


def serving(stored: Stored) -> str:
  """A server under 50 clients."""
  found = stored.file("serving-cpu")
  if not found:
    return f"Serving: {MISSING}."
  codes, crowd = found.get("codes") or {}, found.get("overloaded") or {}
  turned = crowd.get("codes") or {}
  rates = [_range(found.get(f"{side}_videos_per_second")) for side in ("serve", "predict")]
  delays = [number(found.get(key), 1, "ms") for key in ("p50_ms", "p99_ms")]
  memory = [
    number(stored.get("serving-cpu", "memory_mb", *keys), 1)
    for keys in (("server", "before"), ("server", "max"), ("decoders", "max"))
  ]
  body = [
    ("videos, answered", f"{sum(codes.values()):,}, {codes.get('200', 0):,}" if codes else MISSING),
    ("videos/s, in turn with `recognize`", "; ".join(rates)),
    ("ratio", times(found.get("ratio"))),
    ("half within; 99 % within", "; ".join(delays)),
    ("MB of the server, before; at most; of its decoders at most", "; ".join(memory)),
    (f"the same crowd with `--max_waiting {crowd.get('max_waiting', MISSING)}`: answers; times 429",
     f"{turned.get('200', 0):,}; {turned.get('429', 0):,}" if turned else MISSING),
  ]  # fmt: skip
  head = (f"{number(found.get('clients'), 1)} clients, {number(found.get('num_videos'), 1)} videos", "")
  return "\n\n".join([table(head, body), stored.facts(["serving-cpu"])])


def _range(rates: list[float] | None) -> str:
  return f"{min(rates):.0f} to {max(rates):.0f}" if rates else MISSING
