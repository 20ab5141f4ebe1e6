"""`tuning.json` of a run: the transfer coefficients that `zsar_jax.tune` chose, read where prototypes are composed."""

import dataclasses
import math
import pathlib
import warnings
from typing import Any, NamedTuple

from zsar_jax.config import Config
from zsar_jax.errors import InputError
from zsar_jax.files import parse_json

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
    held = parse_json(file.read_text(encoding="utf-8"))
    chosen = held["chosen"]
    coefficients = {"num_neighbors": _count(chosen, "num_neighbors"), "max_seen_per_unseen": _count(chosen, "max_seen_per_unseen"),
                    "distinctiveness": float(_number(chosen, "distinctiveness"))}  # fmt: skip
    gamma = None if chosen["gamma"] is None else _gamma(chosen["gamma"])
    if not isinstance(held["checkpoint"], str):
      raise ValueError("'checkpoint' is no text")
    return Tuned(coefficients, gamma, held["checkpoint"])
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"{file} is not what zsar_jax.tune writes ({type(error).__name__}: {error}): run it again, remove the file, or set "
      "--config.transfer.use_tuned=false"
    ) from error


def _gamma(value: Any) -> float:
  """Below 0 it lifts the seen classes."""
  if type(value) not in (int, float) or not math.isfinite(value):
    raise ValueError("'gamma' is no finite number")
  return float(value)


def _number(held: Any, key: str) -> int | float:
  value = held[key]
  if type(value) not in (int, float) or not 0 <= value < 1 << 31:
    raise ValueError(f"{key!r} is no number from 0 on")
  return value


def _count(held: Any, key: str) -> int:
  value = _number(held, key)
  if type(value) is not int or value < 1:
    raise ValueError(f"{key!r} is no whole number from 1 on")
  return value


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
