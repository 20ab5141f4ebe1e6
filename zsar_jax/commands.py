"""What every command shares: errors a user can act on become one message and an exit code, without a traceback."""

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

from zsar_jax.errors import InputError

FAILED = 1
WRONG_INPUT = 2
NO_CHECKPOINT = 3
INTERRUPTED = 130


def guarded(command: Callable[[], None]) -> int:
  """Runs `command` and returns its exit code."""
  logging.basicConfig(level=logging.WARNING, format="%(message)s")
  warnings.showwarning = _show_warning  # type: ignore[assignment]
  try:
    command()
  except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return WRONG_INPUT
  except KeyboardInterrupt:
    print("interrupted; start the same command again to go on", file=sys.stderr)
    return INTERRUPTED
  except Exception as error:
    return _exit_code(error)
  return 0


def _show_warning(message: Warning | str, *_: Any) -> None:
  print(f"warning: {message}", file=sys.stderr)


def _exit_code(error: Exception) -> int:
  from zsar_jax.data.index import RecordError
  from zsar_jax.train.checkpoint import CheckpointError
  from zsar_jax.train.loop import Diverged
  from zsar_jax.train.signals import Stopped

  if isinstance(error, Stopped):
    print(error, file=sys.stderr)
    return error.exit_code
  codes = {RecordError: WRONG_INPUT, CheckpointError: NO_CHECKPOINT, Diverged: FAILED}
  if type(error) in codes:
    print(f"error: {error}", file=sys.stderr)
    return codes[type(error)]
  raise error
