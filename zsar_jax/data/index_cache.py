"""Columns of a remote index, copied to this machine once: they are memory-mapped, which no object store allows."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from zsar_jax.data import storage
from zsar_jax.data.hashing import byte_bar
from zsar_jax.errors import InputError, raise_all


def local_columns(directory: str, description: dict[str, Any], identity: str) -> str:
  """The folder of an index's columns on this machine, copied and verified first where `directory` is remote.

  Copies lie under `$XDG_CACHE_HOME/zsar_jax` (`~/.cache/zsar_jax` where that is not set), by `identity`, the
  SHA-256 of index.json. Any number of processes may ask at once.

  Raises:
    InputError: a column is missing or not what was written, or there is no room for the copy.
  """
  remote = storage.join(directory, "index")
  if not storage.is_remote(directory):
    return remote
  base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
  target = Path(base) / "zsar_jax" / f"index-{identity[:32]}"
  names = list(description["columns"])
  if all((target / f"{name}.npy").is_file() for name in names):
    return str(target)
  temporary = None
  try:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=f"{target.name}.tmp-", dir=target.parent)
    _copy(remote, Path(temporary), description["columns"])
    try:
      os.rename(temporary, target)
    except OSError:
      # Another process was faster; what an earlier one left incomplete gives way.
      if not all((target / f"{name}.npy").is_file() for name in names):
        shutil.rmtree(target, ignore_errors=True)
        os.rename(temporary, target)
  except OSError as error:
    raise InputError(
      f"cannot keep a copy of the columns of {remote} in {target}: {error}. Set XDG_CACHE_HOME to a folder with room"
    ) from None
  finally:
    if temporary is not None:
      shutil.rmtree(temporary, ignore_errors=True)
  return str(target)


def _copy(remote: str, folder: Path, columns: dict[str, Any]) -> None:
  problems = []
  sizes = {name: storage.file_size(storage.join(remote, f"{name}.npy")) for name in columns}
  with byte_bar("copying the index", sum(filter(None, sizes.values()))) as advance:
    for name, size in sizes.items():
      source, copy = storage.join(remote, f"{name}.npy"), folder / f"{name}.npy"
      if size is None:
        problems.append(f"{source} is missing")
        continue
      with open(copy, "wb") as file:
        for chunk in storage.chunks(source):
          file.write(chunk)
          advance(len(chunk))
      if storage.sha256(str(copy)) != columns[name]["sha256"]:
        problems.append(f"{source} is not what was written: its SHA-256 differs from index.json's")
  raise_all(problems, "the index is not whole; make it and copy it to the store again:")
