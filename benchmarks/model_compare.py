"""One model's measurements for benchmarks/models.py: each side in a process of its own, all in alternation."""

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import agreement
import measuring
from apart import Apart, SideError
from model_cases import Case
from model_sides import Ours, make_theirs, repeats_for

from zsar_jax.large_pages import with_large_pages

LARGE = "torch_large_pages"  # PyTorch's eager calls, with the memory pages that our commands ask for


class Machine(NamedTuple):
  """What `Probe.measure` told."""

  accelerator: bool
  reachable: float | None  # FLOP/s; see ceilings.reachable_rate
  ceilings: dict[str, float]


def compare(
  case: Case, batch: int, options: argparse.Namespace, machine: Machine, sides: tuple[str, ...]
) -> dict[str, Any]:
  """Checks that all compute the same, then measures `options.tasks` in alternation.

  Returns:
    The model's entry; see benchmarks/models.py. With `disagrees` it has no measurements.

  Raises:
    SideError: our side failed, or any ran out of memory.
  """
  entry: dict[str, Any] = {"batch": batch, "num_frames": case.num_frames, "size": case.size}
  with ExitStack() as stack:

    def apart(side: str) -> Apart:
      return stack.enter_context(_begin(side, case, batch, options))

    mine, other = apart("ours"), apart("torch") if len(sides) > 1 else None
    entry["agreement"] = _check(case, mine, other)
    wrong = agreement.disagreements(entry["agreement"])
    if wrong:
      return entry | {"disagrees": wrong}
    work, failed = mine.call("work"), {}
    processes = {side: mine if side == "ours" else other for side in sides}
    if LARGE in sides:
      processes[LARGE] = apart(LARGE)
    for task in options.tasks:
      runs, prepared = _prepare_all(task, processes, failed)
      seconds, repeats = alternate(runs, options.rounds, prepared, machine.accelerator)
      for side in runs.keys() - {"ours"}:
        processes[side].call("check_memory")
      entry[task] = {
        **_speeds(batch, seconds),
        "steps_per_round": repeats,
        **_efforts(prepared, seconds),
        **limits(work[task], seconds, machine),
      }
  return entry | ({"failed": failed} if failed else {})


def _check(case: Case, mine: Apart, other: Apart | None) -> dict[str, float | None]:
  errors: dict[str, float | None] = {"golden": mine.call("golden")}
  if other is None:
    return errors
  errors["golden_torch"] = other.call("golden")
  frames, words = agreement.check_input(case)
  ours = mine.call("outputs", frames, words)
  theirs = other.call("outputs", mine.call("torch_weights"), frames, words)
  return errors | {name: agreement.relative(ours[name], value) for name, value in theirs.items()}


Runs = dict[str, Callable[[int], float]]  # a side's name -> seconds a step of so many steps


def _begin(side: str, case: Case, batch: int, options: argparse.Namespace) -> Apart:
  """The process of a side; ours is as our commands are, with large pages."""
  large = with_large_pages(os.environ) if side in ("ours", LARGE) else None
  return Apart(Ours if side == "ours" else make_theirs, case, batch, options, environment=large)


def _call_of(side: str, task: str) -> tuple[str, ...]:
  """What its process's `prepare` and `run` are called with."""
  return (task,) if side == "ours" else ("torch" if side == LARGE else side, task)


def _prepare_all(task: str, processes: dict[str, Any], failed: dict[str, str]) -> tuple[Runs, dict]:
  """Compiles and warms up, one side after the other; a side of PyTorch that fails is left out and told."""
  runs: Runs = {}
  prepared = {}
  for side, apart in processes.items():
    args = _call_of(side, task)
    try:
      prepared[side] = apart.call("prepare", *args)
      if side != "ours":
        apart.call("check_memory")
    except SideError as error:
      if side == "ours" or error.out_of_memory:
        raise
      failed[f"{side}, {task}"] = error.text
      continue
    runs[side] = lambda repeats, apart=apart, args=args: apart.call("run", *args, repeats)
  return runs, prepared


def alternate(
  runs: Runs, rounds: int, prepared: dict[str, dict[str, Any]], accelerator: bool
) -> tuple[dict[str, list[float]], int]:
  """Seconds a step of each side, by measuring.take_turns; and how many steps a round had.

  On CPUs a turn begins with a step that is not timed, so that the timed one finds the memory which the one before gave back, as all
  steps of a training do: some virtual machines take free memory away within seconds.
  """
  repeats = repeats_for(min(p["seconds"] for p in prepared.values()), accelerator)

  def turn(run: Callable[[int], float]) -> float:
    if not accelerator:
      run(1)
    return run(repeats)

  return measuring.take_turns({side: partial(turn, run) for side, run in runs.items()}, rounds), repeats


def _speeds(batch: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
  rates = {side: round(batch / statistics.median(values), 3) for side, values in seconds.items()}
  ratios = {
    side: measuring.ratio(values, seconds["ours"]) for side, values in seconds.items() if side != "ours"
  }
  return {"clips_per_second": rates, "ratio": ratios, "seconds": seconds}


def _efforts(prepared: dict[str, dict[str, Any]], seconds: dict[str, list[float]]) -> dict[str, Any]:
  """Compile times and memory. PyTorch's first call compiles or tunes, and runs once."""
  compiling, peaks, sources = {}, {}, {}
  for side, told in prepared.items():
    first = told.get("first_seconds")
    later = statistics.median(seconds[side])
    compiling[side] = round(told["compile_seconds"] if first is None else max(first - later, 0), 3)
    peaks[side] = told["peak_bytes"] or told["program_bytes"]
    sources[side] = "allocator" if told["peak_bytes"] else ("program" if told["program_bytes"] else None)
  programs = {side: told["program_bytes"] for side, told in prepared.items() if told["program_bytes"]}
  return {
    "compile_seconds": compiling,
    "peak_bytes": peaks,
    "peak_bytes_of": sources,
    "program_bytes": programs,
  }


def limits(work: dict[str, int], seconds: dict[str, list[float]], machine: Machine) -> dict[str, Any]:
  """How near each side is to what the device can do.

  Args:
    work: multiply-adds and bytes of a step.
    seconds: of steps, by side.
  """
  flops = 2 * work["multiply_adds"]
  compute = flops / machine.ceilings["matmul_flops_per_second"]
  memory = work["bytes"] / machine.ceilings["copy_bytes_per_second"]
  floor, median = max(compute, memory), {side: statistics.median(values) for side, values in seconds.items()}
  reachable = machine.reachable
  return {
    "flops": flops,
    "bytes": work["bytes"],
    "utilization": {side: round(compute / s, 4) for side, s in median.items()},
    "utilization_of_reachable": reachable and {s: round(flops / reachable / t, 4) for s, t in median.items()},
    "floor_seconds": floor,
    "floor_of": "compute" if compute >= memory else "memory",
    "share_of_floor": {side: round(floor / s, 4) for side, s in median.items()},
  }


def sweep(
  case: Case,
  batch: int,
  options: argparse.Namespace,
  machine: Machine,
  sides: tuple[str, ...],
  go_on: Callable[[], bool],
  before: dict[str, Any],
) -> Iterator[dict[str, Any]]:
  """Doubles the batch until memory runs out or `options.max_batch` is passed, each point in a fresh process.

  Args:
    go_on: asked before each point; False leaves out what is not measured yet.
    before: what an earlier call yielded last; its points are kept, and so are curves that memory or an error ended.

  Yields:
    What is known so far, after each point: {task: {side: {"batches": {batch: {"clips_per_second", "peak_bytes"}}, "limit"}}};
    `limit` says why there are no more.
  """
  found: dict[str, Any] = {task: dict(curves) for task, curves in before.items()}
  for task in options.tasks:
    for side in sides:
      curve: dict[str, Any] = found.setdefault(task, {}).setdefault(side, {"batches": {}})
      if str(curve.get("limit")).startswith(("out of memory", "failed")):
        continue  # an earlier call came to its end
      curve["limit"], size = None, batch
      while curve["limit"] is None:
        if str(size) not in curve["batches"]:
          curve["limit"] = _next_point(curve["batches"], case, size, task, side, options, machine, go_on)
          yield found
        size *= 2


def _next_point(
  points: dict[str, Any], case: Case, size: int, task: str, side: str, options: argparse.Namespace, machine: Machine,
  go_on: Callable[[], bool],
) -> str | None:  # fmt: skip
  """Adds one to `points`, or says what ends them."""
  if options.max_batch and size > options.max_batch:
    return f"--max_batch {options.max_batch}"
  if not go_on():
    return f"no time was left for {size}"
  try:
    points[str(size)] = point(case, size, task, side, options, machine)
  except SideError as error:
    return f"out of memory at {size}" if error.out_of_memory else f"failed at {size}: {error}"
  return None


def point(
  case: Case, batch: int, task: str, side: str, options: argparse.Namespace, machine: Machine
) -> dict[str, Any]:
  """One side at one batch, by itself."""
  args = _call_of(side, task)
  with _begin(side, case, batch, options) as apart:
    told = apart.call("prepare", *args)
    seconds, repeats = alternate(
      {side: lambda n: apart.call("run", *args, n)}, options.rounds, {side: told}, machine.accelerator
    )
  return {
    "clips_per_second": round(batch / statistics.median(seconds[side]), 3),
    "peak_bytes": told["peak_bytes"] or told["program_bytes"],
    "seconds": seconds[side],
    "steps_per_round": repeats,
  }
