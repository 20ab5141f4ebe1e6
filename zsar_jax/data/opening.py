"""The data sets that a config names, opened together: whatever is wrong with them is told at once, with what makes them."""

import os
from collections.abc import Mapping, Sequence

from zsar_jax.classes.vectors import check_spec
from zsar_jax.config import Config
from zsar_jax.data import storage
from zsar_jax.data.generated import NAMES as GENERATED
from zsar_jax.data.generated import PREFIX, generated_path
from zsar_jax.data.index import VideoIndex, open_index
from zsar_jax.data.references import SHOWN, Reference
from zsar_jax.errors import InputError, did_you_mean, raise_all


def check_generated(references: Sequence[Reference]) -> None:
  """Raises InputError for names that only a generated data set may have."""
  raise_all([f"{r.name!r} is no generated data set{did_you_mean(r.name, GENERATED)}"
             for r in references if r.name.startswith(PREFIX) and r.name not in GENERATED])  # fmt: skip


def vector_problems(config: Config) -> list[str]:
  """What is wrong with where the word vectors are said to be; nothing is read."""
  try:
    check_spec(config.vectors)
  except InputError as error:
    return [f"{error}; give it with --config.vectors=FILE"]
  return []


def open_all(
  config: Config, names: Sequence[str], other_problems: Sequence[str] = ()
) -> dict[str, VideoIndex]:
  """The records of every data set.

  Raises:
    InputError: what is wrong with any of them, and `other_problems`.
  """
  indexes: dict[str, VideoIndex] = {}
  problems: dict[str, str] = {}
  for name in names:
    path = str(generated_path(config, name)) if name in GENERATED else storage.join(config.data.dir, name)
    try:
      indexes[name] = open_index(path, config.data.short_side, config.data.verify)
    except InputError as error:
      problems[name] = f"{name}: {error}"
  told = [problem + _instead(config, name, indexes) for name, problem in problems.items()]
  raise_all([*told, *other_problems], "these data sets cannot be used:" if told else "")
  return indexes


def _instead(config: Config, name: str, opened: Mapping[str, VideoIndex]) -> str:
  """What may have been meant by a data set that is not there."""
  folder = config.data.dir
  if storage.is_remote(folder) or os.path.isdir(storage.join(folder, name)):
    return ""
  for other, index in opened.items():
    if name in index.class_names:
      return (
        f"; it is a class of {other!r}, and classes of one data set are joined by +: {other}:CLASS+{name}"
      )
  there = sorted(entry for entry in _names_in(folder) if os.path.isdir(storage.join(folder, entry, "index")))
  more = ", …" if len(there) > SHOWN else ""
  held = f"; {folder} ('data.dir') holds: {', '.join(there[:SHOWN]) or 'no records'}{more}"
  return did_you_mean(name, there) or held


def _names_in(folder: str) -> list[str]:
  try:
    return os.listdir(folder)
  except OSError:
    return []
