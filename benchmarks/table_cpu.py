"""The tables of docs/performance.md about waiting and about growth."""

from collections.abc import Iterator
from typing import Any

from table_cells import MISSING, Stored, number, per_cent, scaled, seconds, table, times, wrapped

METHODS = {"rest": "ResT", "e2e": "E2E"}
STATES = {
  "fresh": "nothing compiled, no videos", "cold": "nothing compiled", "warm": "compiled before, videos there",
}  # fmt: skip


def startup(stored: Stored) -> str:
  """Until the first step, the whole demo and its phases, imports, typos."""
  if not stored.file("startup-cpu"):
    return f"Start-up: {MISSING}."
  body = []
  for state, told in STATES.items():
    first = [
      stored.get("startup-cpu", "first_step", method, state, "first_step_seconds") for method in METHODS
    ]
    body.append((f"to the end of the first training step of the demo, {told}", *map(seconds, first)))
  whole = [stored.get("startup-cpu", "demo", method, "seconds") for method in METHODS]
  body.append(("the whole demo, videos made and programs compiled", *map(seconds, whole)))
  parts = [
    table(("from the command", *METHODS.values()), body),
    _phases(stored),
    _imports(stored),
    _told(stored),
    stored.facts(["startup-cpu"]),
  ]
  return "\n\n".join(part for part in parts if part)


def _phases(stored: Stored) -> str:
  """Where the time goes: to the first step with all there, and in the whole demo from nothing."""
  columns: dict[str, dict[str, Any]] = {}
  for method, title in METHODS.items():
    columns[f"{title}, first step, warm"] = stored.get("startup-cpu", "first_step", method, "warm") or {}
    columns[f"{title}, whole demo"] = stored.get("startup-cpu", "demo", method) or {}
  spent = [one.get("phases") or {} for one in columns.values()]
  names = dict.fromkeys(name for phases in spent for name in phases if name != "rest")
  rows = [
    (name, *(_phase(phases.get(name)) for phases in spent))
    for name in (*names, "rest")
    if any(phases.get(name, 0) >= 0.05 for phases in spent)
  ]
  return table(("seconds in", *columns), rows) if rows else ""


def _phase(value: float | None) -> str:
  return "–" if value is None else f"{value:.1f}"


def _imports(stored: Stored) -> str:
  """Import of each entry point, and how often the heaviest package that comes with it."""
  body = []
  for name, one in (stored.get("startup-cpu", "imports") or {}).items():
    if name != "floors":
      floor = f"{times(one.get('times_floor'))} × `import {one['floor']}`" if "floor" in one else ""
      heavy = ", ".join(one.get("heavy") or [])
      body.append((f"`{name}`", seconds(one.get("seconds")), floor, heavy))
  head = ("import of", "takes", "over its floor", "heavy packages that come with it")
  return table(head, body) if body else ""


def _told(stored: Stored) -> str:
  """What `--help` and a typo take."""
  helps, typos = (stored.get("startup-cpu", key) or {} for key in ("help_seconds", "typo_seconds"))
  told = []
  if helps:
    told.append(f"`--help` takes {seconds(min(helps.values()))} to {seconds(max(helps.values()))}")
  if typos:
    each = ", ".join(f"{seconds(value)} ({name.replace('_', ' ')})" for name, value in typos.items())
    told.append(f"a typo is told after {each}")
  return wrapped("; ".join(told) + ".") if told else ""


def scaling(stored: Stored) -> str:
  """Exponents of cost over work, along every axis; of devices what they cost."""
  axes = stored.get("scaling-cpu", "axes")
  if not axes:
    return f"Scaling: {MISSING}."
  fits, devices = [], []
  for cases in axes.values():
    for name, case in cases.items():
      if "fit" in case:
        fits.append(_fit(name, case))
      else:
        devices += list(_devices(name, case))
  parts = []
  if fits:
    head = ("what", "from", "seconds", "exponent over the work", "farthest from the line", "predicted")
    parts.append(table(head, fits))
  if devices:
    head = ("devices", "how many", "seconds a step", "times one device", "share of exchange")
    parts.append(table(head, devices))
  return "\n\n".join([*parts, stored.facts(["scaling-cpu"])])


def _fit(name: str, case: dict[str, Any]) -> tuple[str, ...]:
  first, last, fit = case["points"][0], case["points"][-1], case["fit"]
  memory = f"; {number(last['peak_memory_mb'])} MB" if "peak_memory_mb" in last else ""
  return (
    name, f"{number(first['x'], 1)} to {number(last['x'], 1)} {case.get('unit', '')}",
    f"{seconds(first.get('seconds'))} to {seconds(last.get('seconds'))}{memory}", number(fit.get("exponent")),
    f"{number(scaled(fit.get('deviation'), 100), 2)} % at {number(fit.get('at'), 1)}", case.get("predicted", ""),
  )  # fmt: skip


def _devices(name: str, case: dict[str, Any]) -> Iterator[tuple[str, ...]]:
  for point in case["points"]:
    alone, share = point.get("times_one_device"), point.get("share_of_exchange")
    yield (
      name, number(point["x"], 1), seconds(point.get("seconds")), "–" if alone is None else times(alone),
      "–" if share is None else per_cent(share),
    )  # fmt: skip
