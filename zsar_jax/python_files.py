"""Config and study files: Python that says what to run."""

import pathlib
import types
from typing import Any

from zsar_jax.errors import InputError, did_you_mean


def call_in_file(path: str, function: str, kind: str, folder: str) -> Any:
  """What `function(variant)` of a file gives; `path` is `FILE.py` or `FILE.py:variant`.

  Args:
    path: the file, and what follows the colon.
    function: its name in the file.
    kind: what messages call the file.
    folder: where files of that kind lie, for suggestions.

  Raises:
    InputError: there is no such file, or it fails.
  """
  file, _, variant = path.partition(":")
  text = _read(file, kind, folder)
  module = types.ModuleType(f"zsar_{kind}")
  module.__file__ = file
  try:
    # Compiled here: Python's import keeps bytecode by the second and the size of a file, and would run that of another text.
    exec(compile(text, file, "exec"), module.__dict__)
    return getattr(module, function)(variant)
  except InputError:
    raise
  except (Exception, SystemExit) as error:  # a file that leaves is one that did nothing of what was asked
    raise InputError(f"{path}: the {kind} file fails: {type(error).__name__}: {error}") from error


def _read(file: str, kind: str, folder: str) -> bytes:
  try:
    return pathlib.Path(file).read_bytes()
  except PermissionError as error:
    raise InputError(f"{file}: the {kind} file cannot be read: {error.strerror}") from error
  except (OSError, ValueError):  # none there, a folder, or a name that no file can have
    known = sorted(str(p) for p in pathlib.Path(folder).glob("*.py"))
    raise InputError(f"{file}: no such {kind} file{did_you_mean(file, known)}") from None
