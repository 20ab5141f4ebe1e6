"""The training bar: clips/s, shares of time spent waiting for data and saving, loss, time left."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zsar_jax.train.process_age import seconds_running


class TrainProgress:
  """Shows a bar on a terminal, and a line each `show` elsewhere."""

  def __init__(self, num_steps: int, first_step: int, batch_size: int):
    self._console = Console()
    self._batch_size = batch_size
    self._step, self._num_steps = first_step, num_steps
    self._status = ""
    self._has_stepped = False
    self._begin()
    self._rates: dict[str, float] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[status]}"))  # fmt: skip
    self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
    self._task = self._bar.add_task("training", total=num_steps, completed=first_step, status="")

  def __enter__(self) -> "TrainProgress":
    self._bar.start()
    return self

  def __exit__(self, *_: object) -> None:
    self._bar.stop()

  def begin_phase(self, phase: str, first: int, last: int) -> None:
    """Says which steps come, and why the first of them takes long."""
    self._console.print(
      f"{phase} phase, steps {first}–{last}; compiling its step, which may take a minute", highlight=False
    )

  def step_done(self) -> None:
    """A step has left the device; of the first it is said how long it took to come here."""
    if self._has_stepped:
      return
    self._has_stepped = True
    seconds = seconds_running()
    if seconds is not None:
      self._console.print(f"first step done, {seconds:.1f} s after this process began", highlight=False)

  def advance(self, phase: str, waited: float) -> None:
    """Counts one step that waited `waited` seconds for its batch."""
    self._step += 1
    self._steps += 1
    self._waited += waited
    self._bar.update(self._task, completed=self._step, description=phase)

  def saving(self, seconds: float) -> None:
    """Counts time that a checkpoint held up training."""
    self._saving += seconds

  @contextlib.contextmanager
  def aside(self) -> Iterator[None]:
    """What happens inside is no training: it does not count in the rates."""
    started = time.perf_counter()
    yield
    self._since += time.perf_counter() - started

  def show(self, loss: float) -> None:
    """Measures the rates since the last call and shows them with the loss."""
    seconds = time.perf_counter() - self._since
    self._rates = {
      "clips_per_second": self._steps * self._batch_size / seconds,
      "data_wait_share": self._waited / seconds,
      "save_share": self._saving / seconds,
    }
    left = seconds / max(self._steps, 1) * (self._num_steps - self._step)
    self._begin()
    self._status = (
      f"loss {loss:.4g} · {self._rates['clips_per_second']:.0f} clips/s · "
      f"data wait {100 * self._rates['data_wait_share']:.0f} %"
    )
    self._bar.update(self._task, status=self._status)
    if not self._console.is_terminal:
      self._console.print(
        f"step {self._step}/{self._num_steps} · {self._status} · {left:.0f} s left", highlight=False
      )

  def show_validation(self, top1: float) -> None:
    self._console.print(f"step {self._step}: seen-class validation {top1:.1f} %", highlight=False)

  def rates(self) -> dict[str, float]:
    """`clips_per_second`, `data_wait_share` and `save_share` as last measured."""
    return dict(self._rates)

  def _begin(self) -> None:
    self._since, self._waited, self._saving, self._steps = time.perf_counter(), 0.0, 0.0, 0
