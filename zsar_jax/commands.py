"""What every command shares: keys of the config on the command line, and errors that become one message and an exit code."""

import errno
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from zsar_jax.errors import InputError

FAILED = 1
WRONG_INPUT = 2
NO_CHECKPOINT = 3
STUCK = 4  # no step for long, or another process is gone: a scheduler may start the command again
INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def guarded(command: Callable[[], None]) -> int:
  """Runs `command` and returns its exit code."""
  logging.basicConfig(level=logging.WARNING, format="%(message)s")
  warnings.showwarning = _show_warning  # type: ignore[assignment]
  try:
    command()
  except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return _left(WRONG_INPUT)
  except KeyboardInterrupt:
    print("interrupted; start the same command again to go on", file=sys.stderr)
    return _left(INTERRUPTED)
  except Exception as error:
    code = _exit_code(error)
    if code is None:
      _leave_loudly()
      raise
    return _left(code)
  return 0


def parse_overrides(arguments: list[str]) -> dict[str, str]:
  """`--config.a.b=value` (or `--config.a.b value`) as {"a.b": "value"}; anything else is refused."""
  overrides, rest = {}, list(arguments)
  while rest:
    name, equals, value = rest.pop(0).partition("=")
    if not name.startswith("--config."):
      raise InputError(f"unknown argument {name!r}; options of the config are written --config.KEY=VALUE")
    if not equals:
      if not rest:
        raise InputError(f"{name} has no value; write {name}=VALUE")
      value = rest.pop(0)
    overrides[name.removeprefix("--config.")] = value
  return overrides


def _show_warning(message: Warning | str, *_: Any) -> None:
  print(f"warning: {message}", file=sys.stderr)


def _leave_loudly() -> None:
  """One of several processes tells its defect and ends."""
  distributed = sys.modules.get("zsar_jax.train.distributed")
  if distributed is not None and not distributed.is_alone():
    traceback.print_exc()
    distributed.leave(FAILED)


def _left(code: int) -> int:
  """The code; of several processes this one ends here, for the others cannot be waited for."""
  distributed = sys.modules.get("zsar_jax.train.distributed")
  if distributed is not None:
    distributed.leave(code)
  return code


def _exit_code(error: Exception) -> int | None:
  """Tells an error that has a code of its own; None: it is a defect of the program."""
  from zsar_jax.data.index import RecordError
  from zsar_jax.train.checkpoint import CheckpointError, SaveError
  from zsar_jax.train.nonfinite import Diverged
  from zsar_jax.train.signals import Stopped

  if isinstance(error, Stopped):
    print(error, file=sys.stderr)
    return error.exit_code
  codes = {RecordError: WRONG_INPUT, CheckpointError: NO_CHECKPOINT, Diverged: FAILED, SaveError: FAILED}
  if type(error) in codes:
    print(f"error: {error}", file=sys.stderr)
    return codes[type(error)]
  if isinstance(error, OSError) and error.errno in NO_ROOM:
    print(
      f"error: {error.filename or 'a file'} cannot be written: {error.strerror}; make room and start the same command again",
      file=sys.stderr,
    )
    return FAILED
  return None
