"""Text files that are whole or not there."""

import os
import pathlib


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes UTF-8 under a temporary name and renames it, so that nobody ever reads half a file."""
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  temporary.write_text(text, encoding="utf-8")
  os.replace(temporary, path)
