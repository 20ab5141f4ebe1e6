"""Files that are whole or not there, and JSON and paths from anywhere."""

import hashlib
import json
import os
import pathlib
from typing import Any


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes UTF-8 under a temporary name and renames it, so that nobody ever reads half a file."""
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  temporary.write_text(text, encoding="utf-8")
  os.replace(temporary, path)


def parse_json(text: str | bytes) -> Any:
  """What a JSON text holds. Raises ValueError for any text that is none; one nested too deep is none either."""
  try:
    return json.loads(text)
  except RecursionError:
    raise ValueError("nested too deep") from None


def json_digest(held: dict[str, Any]) -> str:
  """SHA-256 of an object of JSON, whatever its spaces and order, but for its own `sha256`; hexadecimal."""
  rest = {key: value for key, value in held.items() if key != "sha256"}
  try:
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
  except (
    RecursionError,
    ValueError,
  ):  # nested too deep, or a number of thousands of digits: nothing that we write
    return ""


def is_file(path: str | pathlib.Path) -> bool:
  """Whether there is a file to read; False for a name that no file can have (too long, with a NUL)."""
  try:
    return pathlib.Path(path).is_file()
  except (OSError, ValueError):
    return False


def is_folder(path: str | pathlib.Path) -> bool:
  """Whether there is a folder; False for a name that none can have."""
  try:
    return pathlib.Path(path).is_dir()
  except (OSError, ValueError):
    return False
