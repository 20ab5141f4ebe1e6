"""What is left behind of a batch whose loss or gradient was not finite."""

import json
import logging
import math
import pathlib
from collections.abc import Sequence

from zsar_jax.files import write_text
from zsar_jax.train.distributed import is_first
from zsar_jax.train.step import Health

SHOWN = 16  # video ids in a message


class Diverged(RuntimeError):
  """Training cannot go on: the loss or the gradient is not finite."""


def passed_over(workdir: pathlib.Path, step: int, health: Health, ids: Sequence[str], left: int) -> None:
  """Tells of a step that was left out, and how many more may be."""
  logging.warning("%s; the step is left out, %d more may be", _dump(workdir, step, health, ids), left)


def diverged(
  workdir: pathlib.Path, step: int, health: Health, ids: Sequence[str], newest: int | None
) -> Diverged:
  """The error that ends the run; `newest` is the last step that was saved."""
  saved = f"step {newest} is the newest checkpoint" if newest is not None else "no step was saved yet"
  return Diverged(
    f"{_dump(workdir, step, health, ids)}. Nothing of it is saved; {saved}. Look at these videos, lower the learning rate, or pass "
    "over such batches with --config.safety.skip_nonfinite=N, and start the same command again"
  )


def _dump(workdir: pathlib.Path, step: int, health: Health, ids: Sequence[str]) -> str:
  """Writes the ids of the whole batch; returns what happened in words."""
  loss, norm = float(health.loss), float(health.grad_norm)
  file = workdir / "nonfinite" / f"step-{step:08d}.json"
  told = {"step": step, "loss": _text(loss), "grad_norm": _text(norm), "videos": list(ids)}
  where = str(file)
  if is_first():
    try:
      file.parent.mkdir(exist_ok=True)
      write_text(file, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:  # what happened matters more
      where = f"{file} cannot be written: {error.strerror}"
  more = f", … ({len(ids) - SHOWN} more)" if len(ids) > SHOWN else ""
  return f"at step {step} the loss is {loss:.6g} and the gradient's norm {norm:.6g}, of {', '.join(ids[:SHOWN])}{more} ({where})"


def _text(value: float) -> float | str:
  return value if math.isfinite(value) else str(value)
