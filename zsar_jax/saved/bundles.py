"""The names of what lies in an exported model's folder. Needs neither JAX nor Orbax."""

import pathlib

from zsar_jax.saved.folders import SUMS

FACTS, CONFIG, CLASSES, WORDS, PARAMETERS, CARD = (
  "model.json",
  "config.json",
  "classes.npz",
  "words.npz",
  "parameters",
  "README.md",
)
STABLEHLO = "stablehlo"
_OURS = {FACTS, CONFIG, CLASSES, WORDS, PARAMETERS, CARD, STABLEHLO, SUMS}


def is_bundle(folder: pathlib.Path) -> bool:
  """Whether `folder` looks like an exported model, whole or not."""
  try:
    return (folder / FACTS).is_file() or ((folder / SUMS).is_file() and (folder / PARAMETERS).is_dir())
  except (OSError, ValueError):  # a name that no folder can have
    return False


def is_replaceable(folder: pathlib.Path) -> bool:
  """Whether a folder holds an exported model and nothing beside it. Raises OSError."""
  names = {path.name for path in folder.iterdir()}
  return {FACTS, SUMS, PARAMETERS} <= names <= _OURS
