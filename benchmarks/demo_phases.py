"""One run of `zsar_jax.main` with clocks around its phases: what `startup.py` starts. Not meant to be called by hand.

python benchmarks/demo_phases.py TIMES.json all --config configs/demo.py …          (or `first_step`: leave after that)

Phases are functions of the project and of JAX, called as always; a name that is gone is an error, so that no phase is lost unseen.
TIMES.json gets {"spans": [{"phase", "thread", "start", "seconds"}, …], "seconds"}, all in seconds since the process was started.
"""

import contextlib
import functools
import importlib.abc
import importlib.machinery
import json
import os
import pathlib
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from zsar_jax.train.process_age import seconds_running

PACKAGES = (
  "tensorflow",
  "tensorflow_datasets",
  "matplotlib.pyplot",
  "tensorboardX",
)  # timed where they are imported
Span = dict[str, Any]


def now() -> float:
  """Seconds since this process began.

  Raises:
    RuntimeError: nobody knows when that was (not on Linux).
  """
  age = seconds_running()
  if age is None:
    raise RuntimeError("when this process began is not known: this benchmark needs Linux's /proc/self/stat")
  return age


class Spans:
  """Stretches of time by phase, nested ones too, in the order in which they ended."""

  def __init__(self, out: pathlib.Path):
    self.out = out
    self.ended: list[Span] = []
    self.under_way: list[tuple[str, str, float]] = []  # phase, thread, start

  @contextlib.contextmanager
  def of(self, phase: str) -> Iterator[None]:
    start, thread = now(), threading.current_thread().name
    key = (phase, thread, start)
    self.under_way.append(key)
    try:
      yield
    finally:
      self.under_way.remove(key)
      self._add(*key)

  def _add(self, phase: str, thread: str, start: float) -> None:
    self.ended.append({"phase": phase, "thread": thread, "start": start, "seconds": now() - start})

  def watch(self, home: Any, name: str, phase: str) -> None:
    """Times every call of `home.name`."""
    function = getattr(home, name)

    @functools.wraps(function)
    def timed(*args: Any, **options: Any) -> Any:
      with self.of(phase):
        return function(*args, **options)

    setattr(home, name, timed)

  def write(self) -> None:
    for key in self.under_way:
      self._add(*key)
    self.out.write_text(json.dumps({"spans": self.ended, "seconds": now()}))


class ImportClock(importlib.abc.MetaPathFinder):
  """Times the first import of PACKAGES, by whichever thread."""

  def __init__(self, spans: Spans):
    self.spans = spans

  def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
    spec = importlib.machinery.PathFinder.find_spec(name, path) if name in PACKAGES else None
    if spec is not None and spec.loader is not None:
      self.spans.watch(spec.loader, "exec_module", f"import {name.partition('.')[0]}")
    return spec


def watch_run(spans: Spans, *, leave_at_first_step: bool) -> None:
  """Puts the clocks in place."""
  with spans.of("imports"):
    import jax._src.compiler as compiler

    from zsar_jax import evaluate, main, results, session
    from zsar_jax.data import generated, synthetic
    from zsar_jax.embedding import Embedder
    from zsar_jax.train import loop
    from zsar_jax.train.feed import Feed
    from zsar_jax.train.progress import TrainProgress

  for home, name, phase in (
    (synthetic, "write_videos", "videos"),
    (generated, "build_records", "records"),
    (session, "open_corpus", "data"),
    (session, "_make_network", "model"),
    (loop, "MetricsLog", "opening the log"),
    (Feed, "next", "waiting for batches"),
    (compiler, "compile_or_get_cached", "compiling"),
    (loop._Run, "_validate", "validation"),
    (loop._Run, "_save", "checkpoints"),
    (Embedder, "data_set", "embedding"),
    (Embedder, "seen_prototypes", "embedding"),
    (evaluate, "_score", "scoring"),
    (results, "write", "results"),
    (main, "_write_page", "report page"),
  ):
    spans.watch(home, name, phase)
  run_stage, step_done = loop._Run._run_stage, TrainProgress.step_done

  def staged(self: Any, stage: Any, *args: Any) -> Any:
    with spans.of(f"training, {stage.phase.name} phase"):
      return run_stage(self, stage, *args)

  def told(self: Any) -> None:
    step_done(self)
    if leave_at_first_step:
      spans.write()
      sys.stdout.flush()
      os._exit(0)

  loop._Run._run_stage = staged  # type: ignore[method-assign]
  TrainProgress.step_done = told  # type: ignore[method-assign]


def main() -> int:
  out, until, *arguments = sys.argv[1:]
  spans = Spans(pathlib.Path(out))
  sys.meta_path.insert(0, ImportClock(spans))
  watch_run(spans, leave_at_first_step=until == "first_step")
  from zsar_jax.main import main as command

  code = command(arguments)
  spans.write()
  return code


if __name__ == "__main__":
  sys.exit(main())
