"""The config of a run that was trained, read back from its workdir."""

import pathlib
from collections.abc import Mapping

from zsar_jax import config as configs
from zsar_jax.config import Config
from zsar_jax.errors import InputError
from zsar_jax.files import is_file
from zsar_jax.train.checkpoint import read_saved_config
from zsar_jax.workdirs import refuse_model


def read_run_config(workdir: pathlib.Path, overrides: Mapping[str, str]) -> Config:
  """What the run in `workdir` was last started with, and `key -> text` overrides.

  Raises:
    InputError: `workdir` is no run, its config cannot be read, or an override is wrong.
  """
  refuse_model(workdir)
  file = workdir / "config.json"
  if not is_file(file):
    raise InputError(
      f"--workdir {workdir} holds no config.json: expected the workdir of a run of zsar_jax.main"
    )
  saved = configs.to_flat(configs.from_dict(read_saved_config(workdir), str(file)))
  return configs.from_flat(saved | dict(overrides), str(file))
