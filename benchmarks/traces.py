"""Profiler traces of compiled steps: which instruction ran when, and what each had of the device's time."""

import os
import pathlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hlo_text import Module


class Event(NamedTuple):
  instruction: str  # "" where the device did something else, such as a copy to the host
  start: float  # ns
  end: float  # ns


class Shares(NamedTuple):
  seconds: dict[str, float]  # of each instruction; one of two that run at once has half of that time
  counts: dict[str, int]
  window: float  # seconds from the first event's start to the last one's end
  busy: float  # seconds of it in which anything ran


def compiled_module(name: str, instructions: set[str]) -> Module:
  """Of the process's compiled modules of this name, such as "jit_step", the one that has most of `instructions`.

  Raises LookupError where there is none.
  """
  import jax

  client: Any = jax.devices()[0].client
  found = [m for e in client.live_executables() for m in e.hlo_modules() if m.name == name]
  if not found:
    raise LookupError(f"nothing called {name} was compiled")
  return max(
    map(Module, {m.to_string() for m in found}), key=lambda m: len(instructions & set(m.instructions))
  )


def show_single_kernels() -> None:
  """Has GPUs run every kernel by itself: traces name instructions only so. To be called before JAX finds its devices."""
  flags = os.environ.get("XLA_FLAGS", "")
  if "xla_gpu_enable_command_buffer" not in flags:
    os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_enable_command_buffer=".strip()


def record(call: Callable[[], None], steps: int, module: str) -> list[list[Event]]:
  """Runs `call` so many times under the profiler: the events of `module` on each device."""
  import jax

  options = jax.profiler.ProfileOptions()
  options.python_tracer_level = 0  # it would slow the host down
  with tempfile.TemporaryDirectory() as folder:
    jax.profiler.start_trace(folder, profiler_options=options)
    try:
      for _ in range(steps):
        call()
    finally:
      jax.profiler.stop_trace()
    [path] = pathlib.Path(folder).rglob("*.xplane.pb")
    return read(path, module)


def read(path: pathlib.Path, module: str) -> list[list[Event]]:
  """The events of one trace file, a list for each device that has any; all CPU devices are one.

  Raises LookupError, with what events do say, where none names an instruction of `module`.
  """
  from jax.profiler import ProfileData

  planes = list(ProfileData.from_file(str(path)).planes)
  accelerators = [p for p in planes if p.name.startswith("/device:")]
  found = [_device_events(p, module) for p in accelerators]
  named = [events for events in found if any(event.instruction for event in events)]
  if named:
    return named
  hosts = [p for p in planes if p.name.startswith("/host:CPU")]
  on_host = [] if any(found) else _host_events(hosts, module)
  if not on_host:
    statistics = sorted(_statistics(accelerators or hosts))
    raise LookupError(
      f"no traced event names an instruction of {module} (hlo_module, hlo_op); their statistics: {', '.join(statistics) or 'none'}"
    )
  return [on_host]


def _statistics(planes: Iterable[Any]) -> set[str]:
  """The names of what events say of themselves."""
  return {
    name for plane in planes for line in plane.lines for event in line.events for name, _ in event.stats
  }


def _device_events(plane: Any, module: str) -> list[Event]:
  """Of an accelerator: its streams, or where it has none, its line of operations."""
  lines = list(plane.lines)
  chosen = [line for line in lines if line.name.startswith("Stream")] or [
    line for line in lines if line.name == "XLA Ops"
  ]
  found = []
  for line in chosen:
    for event in line.events:
      stats = dict(event.stats)
      ours = _in_module(stats, module)
      found.append(Event(str(stats["hlo_op"]) if ours else "", event.start_ns, event.end_ns))
  return found


def _host_events(planes: Iterable[Any], module: str) -> list[Event]:
  """Of XLA's CPU threads. An operation that hands its work to other threads returns early; a mark says when it ended."""
  started: dict[Any, Event] = {}
  ended: dict[Any, float] = {}
  for plane in planes:
    for line in plane.lines:
      for event in line.events:
        stats = dict(event.stats)
        if _in_module(stats, module):
          key = stats.get("_p", object())
          started[key] = Event(str(stats["hlo_op"]), event.start_ns, event.end_ns)
        elif event.name.startswith("end: ") and "_c" in stats:
          ended[stats["_c"]] = event.start_ns
  return [e._replace(end=max(e.end, ended.get(key, 0))) for key, e in started.items()]


def _in_module(stats: dict[str, Any], module: str) -> bool:
  found = str(stats.get("hlo_module", ""))
  return "hlo_op" in stats and (found == module or found.startswith(f"{module}("))


def share_out(events: list[Event], is_container: Callable[[str], bool]) -> Shares:
  """Divides the time among the instructions that run at each moment; loops and calls have what nothing inside them has."""
  seconds: dict[str, float] = defaultdict(float)
  counts: dict[str, int] = defaultdict(int)
  marks = []
  for index, event in enumerate(events):
    counts[event.instruction] += 1
    if event.end <= event.start:
      continue
    marks += [(event.start, 1, index), (event.end, 0, index)]
  marks.sort()
  leaves: set[int] = set()
  containers: set[int] = set()
  busy, before = 0.0, marks[0][0] if marks else 0.0
  for moment, starts, index in marks:
    active = leaves or containers
    if active and moment > before:
      busy += moment - before
      for i in active:
        seconds[events[i].instruction] += (moment - before) / len(active) / 1e9
    before = moment
    group = containers if is_container(events[index].instruction) else leaves
    (group.add if starts else group.discard)(index)
  window = marks[-1][0] - marks[0][0] if marks else 0.0
  return Shares(dict(seconds), dict(counts), window / 1e9, busy / 1e9)
