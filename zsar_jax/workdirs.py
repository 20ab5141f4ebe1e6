"""Folders that are given as the workdir of a run."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from zsar_jax.errors import InputError
from zsar_jax.saved.bundles import is_bundle


def refuse_model(folder: pathlib.Path) -> None:
  """Raises InputError where `folder` holds an exported model."""
  if is_bundle(folder):
    raise InputError(
      f"{folder} is an exported model, not the workdir of a run: give the folder that the run was trained in (runs/NAME). To name "
      f"videos with the model: python -m zsar_jax.predict --model {folder}"
    )


@contextlib.contextmanager
def removed_if_refused(workdir: pathlib.Path) -> Iterator[None]:
  """Where what happens inside raises InputError, removes what was made of `workdir` and of the folders above it, and is empty."""
  made = [folder for folder in (workdir, *workdir.parents) if not os.path.lexists(folder)]
  try:
    yield
  except InputError:
    for folder in made:
      with contextlib.suppress(OSError):
        folder.rmdir()
    raise
