"""What every command shares: keys of the config on the command line, and errors that become one message and an exit code."""

import argparse
import errno
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zsar_jax.errors import InputError, did_you_mean, raise_all

FAILED = 1
WRONG_INPUT = 2
NO_CHECKPOINT = 3
STUCK = 4  # no step for long, or another process is gone: a scheduler may start the command again
INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_TAKES_THE_REST = ("--beam_args",)  # an option whose values may look like options


def guarded(command: Callable[[], int | None]) -> int:
  """Runs `command` and returns its exit code: what it returns (None: 0), or that of the error which ended it."""
  logging.basicConfig(level=logging.WARNING, format="%(message)s")
  warnings.showwarning = _show_warning  # type: ignore[assignment]
  try:
    return command() or 0
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


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
  """What `parser` makes of the arguments; an option that it does not have is told before one that is missing.

  Raises:
    InputError: unknown options, each with the nearest known one.
  """
  check_options(parser, arguments)
  return parser.parse_args(list(arguments))


def parse_with_config(
  parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, dict[str, str]]:
  """The same, and the keys of the config among the arguments (see `parse_overrides`)."""
  check_options(parser, arguments, with_config=True)
  args, rest = parser.parse_known_args(list(arguments))
  return args, parse_overrides(rest)


def check_options(
  parser: argparse.ArgumentParser, arguments: Sequence[str], *, with_config: bool = False
) -> None:
  """Raises InputError where an argument looks like an option and `parser`, or the verb that is given, has none of that name."""
  known = set(_options(parser, arguments))
  unknown, rest = [], iter(arguments)
  for argument in rest:
    name, equals, _ = argument.partition("=")
    if name == "--" or name in _TAKES_THE_REST:
      break
    if with_config and name.startswith("--config."):
      if not equals:
        next(rest, None)
    elif name.startswith("--") and " " not in name and name not in known:
      unknown.append(name)
  config = "; keys of the config are written --config.KEY=VALUE" if with_config else ""
  raise_all([
    f"unknown argument {name!r}{did_you_mean(name, known) or config or '; --help lists the options'}" for name in unknown
  ])  # fmt: skip


def _options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Iterator[str]:
  """The names of the parser's options, and of those of the verbs that are given."""
  for action in parser._actions:
    yield from action.option_strings
    if isinstance(action, argparse._SubParsersAction):
      for verb in action.choices:
        if verb in arguments:
          yield from _options(action.choices[verb], arguments)


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
