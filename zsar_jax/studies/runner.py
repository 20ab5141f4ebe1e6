"""Runs jobs one after another, each in processes of its own, and goes on where an earlier call stopped."""

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zsar_jax.studies.jobs import Job, as_typed, commands_left

TAIL = 15  # lines of a failed run's log that are shown
_ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(NamedTuple):
  """A run that came to nothing, and why."""

  name: str
  reason: str


def run_jobs(jobs: Sequence[Job], cache: pathlib.Path, say: Callable[[str], None],
             summary: Callable[[Job], str]) -> list[Failure]:  # fmt: skip
  """Runs what is missing of the jobs, in order; a failed one is told and the others go on.

  Args:
    jobs: those first that others start from.
    cache: where compiled programs are kept, unless the environment says so already.
    say: is given one line a job, and the end of the log of a failed one.
    summary: a finished job's result in a few words.

  Raises:
    KeyboardInterrupt, SystemExit: SIGINT, SIGTERM; the run at hand has saved what it could.
  """
  failures: list[Failure] = []
  with _ending_on_signals():
    for number, job in enumerate(jobs, 1):
      told = f"[{number}/{len(jobs)}] {job.run.name}"
      failed = {failure.name for failure in failures}
      if job.source is not None and job.source.run.name in failed:
        failures.append(Failure(job.run.name, f"it starts from {job.source.run.name!r}, which failed"))
        say(f"{told}: left out, {failures[-1].reason}")
        continue
      began = time.monotonic()
      done, reason = _run_job(job, cache, say)
      if reason:
        failures.append(Failure(job.run.name, reason.partition("\n")[0]))
        say(f"{told}: FAILED, {reason}")
      else:
        took = f"{done} in {_clock(time.monotonic() - began)}" if done else "was there"
        say(f"{told}: {took}; {summary(job)}")
  return failures


def _run_job(job: Job, cache: pathlib.Path, say: Callable[[str], None]) -> tuple[str, str]:
  """(what was done, why it failed); both empty for a job that was finished."""
  if not commands_left(job):
    return "", ""
  job.workdir.mkdir(parents=True, exist_ok=True)
  done = []
  with _alone(job.workdir / ".study-lock", say) as lock:
    for what, argv in commands_left(job):  # again: another study may have made it meanwhile
      log = job.workdir / f"{what}.log"
      code = _run(argv, log, cache, lock)
      if code:
        return "", f"exit code {code}; the end of {log}:\n{_tail(log)}"
      done.append(what)
    if commands_left(job):
      return "", f"it ended well, but left no report of this config in {job.workdir}"
  return " and ".join(done), ""


def _run(argv: Sequence[str], log: pathlib.Path, cache: pathlib.Path, lock: int) -> int:
  """Runs a command to its end; its output goes to the end of `log`. Gives its exit code."""
  paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
  env = {
    "JAX_COMPILATION_CACHE_DIR": str(cache.resolve()),
    **os.environ,
    "PYTHONPATH": os.pathsep.join(paths),
  }
  with open(log, "a", encoding="utf-8") as out:
    out.write(f"\n$ {as_typed(list(argv))}\n")
    out.flush()
    # A session of its own: Ctrl-C reaches it through us, once. It holds the lock as long as it lives, even without us.
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env,
                             start_new_session=True, pass_fds=(lock,))  # fmt: skip
    try:
      return child.wait()
    except (KeyboardInterrupt, SystemExit):
      _stop(child)
      raise


def _stop(child: subprocess.Popen) -> None:
  """Lets a run save and end; at once, if asked again."""
  print("stopping: the run at hand saves its step (once more to leave it)", flush=True)
  child.terminate()
  try:
    child.wait()
  except (KeyboardInterrupt, SystemExit):
    child.kill()
    child.wait()


@contextlib.contextmanager
def _alone(path: pathlib.Path, say: Callable[[str], None]) -> Iterator[int]:
  """Waits until no other study works in a folder; gives the file that holds the lock."""
  with open(path, "w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      say(f"another process is at {path.parent}; waiting")
      fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
      pass  # a file system without locks
    yield file.fileno()


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
  """SIGTERM and SIGINT raise, even where the shell started us with SIGINT ignored (in the background)."""

  def end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)

  wanted = {signal.SIGTERM: end, signal.SIGINT: signal.default_int_handler}
  before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
  try:
    yield
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


def _tail(log: pathlib.Path) -> str:
  lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
  return "\n".join(f"    {line}" for line in lines[-TAIL:])


def _clock(seconds: float) -> str:
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes} min"
  return f"{minutes} min {rest} s" if minutes else f"{rest} s"
