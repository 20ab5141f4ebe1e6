"""What every command shares: keys of the config on the command line, and errors that become one message and an exit code."""

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
