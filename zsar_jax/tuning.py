"""`tuning.json` of a run: the transfer coefficients that `zsar_jax.tune` chose, read where prototypes are composed."""

import dataclasses
import json
import pathlib
import warnings
from typing import Any, NamedTuple

from zsar_jax.config import Config
from zsar_jax.errors import InputError

FILE = "tuning.json"
KEYS = ("num_neighbors", "max_seen_per_unseen", "distinctiveness")


class Tuned(NamedTuple):
  """What a search chose."""

  coefficients: dict[str, Any]  # KEYS
  gamma: float | None  # what calibrated stacking takes off seen classes' cosines
  checkpoint: str  # hash of the parameters it was searched with


def read_tuned(config: Config, workdir: pathlib.Path) -> Tuned | None:
  """What was tuned for the run in `workdir`; None where nothing was, where the config does not want it, or for E2E.

  Raises:
    InputError: the file cannot be read or is not what `zsar_jax.tune` writes.
  """
  file = workdir / FILE
  if config.method != "rest" or not config.transfer.use_tuned or not file.exists():
    return None
  try:
    held = json.loads(file.read_text(encoding="utf-8"))
    chosen = held["chosen"]
    coefficients = {key: type(getattr(config.transfer, key))(chosen[key]) for key in KEYS}
    return Tuned(coefficients, chosen["gamma"], held["checkpoint"])
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"{file} is not what zsar_jax.tune writes ({type(error).__name__}: {error}): run it again, remove the file, or set "
      "--config.transfer.use_tuned=false"
    ) from error


def with_tuned(config: Config, tuned: Tuned | None) -> Config:
  """The config with the coefficients that were tuned, if any were."""
  if tuned is None:
    return config
  return dataclasses.replace(config, transfer=dataclasses.replace(config.transfer, **tuned.coefficients))


def warn_if_outdated(tuned: Tuned | None, checkpoint: str) -> None:
  """Coefficients of an earlier checkpoint are used, but not silently."""
  if tuned is not None and tuned.checkpoint != checkpoint:
    warnings.warn(
      f"{FILE} was searched with another checkpoint ({tuned.checkpoint}, this one is {checkpoint}): its coefficients are used; "
      "run zsar_jax.tune again, or set --config.transfer.use_tuned=false",
      stacklevel=2,
    )
