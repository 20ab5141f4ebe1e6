"""Metrics on disk: one JSON object a line, and TensorBoard events."""

import contextlib
import json
import math
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from zsar_jax.files import parse_json, write_text
from zsar_jax.train.distributed import is_first
from zsar_jax.train.events import Events
from zsar_jax.train.saving import telling

TIMINGS = (
  "time",
  "clips_per_second",
  "data_wait_share",
  "save_share",
)  # all else is the same in every run of a config


class MetricsLog:
  """Appends to `metrics.jsonl` (flushed at every line) and, where asked, to TensorBoard events. Of several processes the first writes.

  Lines past `first_step`, of steps that a resumed run does again, are removed.

  Raises:
    SaveError: a line cannot be written.
  """

  def __init__(self, workdir: pathlib.Path, first_step: int, tensorboard: bool):
    self._path = workdir / "metrics.jsonl"
    self._file: TextIO | None = None
    self._events: Events | None = None
    if is_first():
      with telling(self._path):
        _drop_after(self._path, first_step)
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
      self._events = Events(workdir, first_step + 1) if tensorboard else None

  def write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
    """Writes scalars of `kind` ("train" or "validation") at `step`; a non-finite number becomes null."""
    numbers = {k: float(v) for k, v in values.items() if not isinstance(v, str)}
    finite = {k: (v if math.isfinite(v) else None) for k, v in numbers.items()}
    texts = {k: v for k, v in values.items() if isinstance(v, str)}
    line = {"step": step, "kind": kind, "time": round(time.time(), 3), **texts, **finite}
    if self._file:
      with telling(self._path):
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
    if self._events:
      self._events.add({f"{kind}/{k}": v for k, v in numbers.items() if math.isfinite(v)}, step)

  def has(self, step: int, kind: str) -> bool:
    """Whether a line of `kind` at `step` is there; False in all processes but the first."""
    return self._file is not None and any(
      line.get("step") == step and line.get("kind") == kind for line in _lines(self._path)
    )

  def close(self) -> None:
    """Waits until everything is on disk."""
    try:
      if self._file:
        with telling(self._path):
          self._file.close()
    finally:
      if self._events:
        self._events.close()


def _drop_after(path: pathlib.Path, step: int) -> None:
  if path.exists():
    write_text(path, "".join(json.dumps(line) + "\n" for line in _lines(path) if line["step"] <= step))


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """The lines that can be read; a kill may have cut one short."""
  for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
    with contextlib.suppress(ValueError):
      line = parse_json(text)
      if isinstance(line, dict) and isinstance(line.get("step"), int):
        yield line
