"""Config and study files: Python that says what to run."""

import importlib.util
import pathlib
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
  if not pathlib.Path(file).is_file():
    known = sorted(str(p) for p in pathlib.Path(folder).glob("*.py"))
    raise InputError(f"{file}: no such {kind} file{did_you_mean(file, known)}")
  spec = importlib.util.spec_from_file_location(f"zsar_{kind}", file)
  assert spec is not None
  assert spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
    return getattr(module, function)(variant)
  except InputError:
    raise
  except Exception as error:
    raise InputError(f"{path}: the {kind} file fails: {type(error).__name__}: {error}") from error
