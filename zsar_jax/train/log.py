"""Metrics on disk: one JSON object a line, and TensorBoard events."""

import contextlib
import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from zsar_jax.files import write_text


class MetricsLog:
  """Appends to `metrics.jsonl` (flushed at every line) and, where asked, to TensorBoard events.

  Lines past `first_step`, of steps that a resumed run does again, are removed.
  """

  def __init__(self, workdir: pathlib.Path, first_step: int, tensorboard: bool):
    _drop_after(workdir / "metrics.jsonl", first_step)
    self._file = open(workdir / "metrics.jsonl", "a", encoding="utf-8")  # noqa: SIM115
    self._events = _events(workdir) if tensorboard else None

  def write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
    """Writes scalars of `kind` ("train" or "validation") at `step`; a non-finite number becomes null."""
    numbers = {k: float(v) for k, v in values.items() if not isinstance(v, str)}
    finite = {k: (v if math.isfinite(v) else None) for k, v in numbers.items()}
    texts = {k: v for k, v in values.items() if isinstance(v, str)}
    line = {"step": step, "kind": kind, "time": round(time.time(), 3), **texts, **finite}
    self._file.write(json.dumps(line) + "\n")
    self._file.flush()
    if self._events:
      for name, value in numbers.items():
        self._events.add_scalar(f"{kind}/{name}", value, step)

  def close(self) -> None:
    self._file.close()
    if self._events:
      self._events.close()


def _drop_after(path: pathlib.Path, step: int) -> None:
  if not path.exists():
    return
  kept = []
  for line in path.read_text(encoding="utf-8").splitlines():
    with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short
      if json.loads(line)["step"] <= step:
        kept.append(line + "\n")
  write_text(path, "".join(kept))


def _events(workdir: pathlib.Path) -> Any:
  from tensorboardX import SummaryWriter

  return SummaryWriter(str(workdir / "events"))
