"""Compiled programs kept on disk, so that a run that is started again does not compile again."""

import functools
import hashlib
import os
import pathlib
import platform

import jax

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def use_cache() -> None:
  """Keeps compiled programs, small ones too, in `$XDG_CACHE_HOME/zsar_jax` (`~/.cache/zsar_jax`).

  `JAX_COMPILATION_CACHE_DIR` names another folder, for which JAX's own settings hold; empty: nothing is kept.

  A folder that cannot be made is no reason to fail: nothing is kept then.
  """
  if VARIABLE in os.environ:
    return
  try:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
  except (OSError, RuntimeError):  # RuntimeError: nobody knows where home is
    return
  jax.config.update("jax_compilation_cache_dir", str(folder))
  if SHORTEST not in os.environ:
    # JAX leaves out what compiles within a second: a run has some 150 such programs, together many seconds.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def cache_folder() -> pathlib.Path:
  """One for every kind of machine: programs for CPUs hold instructions that another lacks, and a home may be shared."""
  root = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
  return root / "zsar_jax" / f"compiled-{_machine()}"


@functools.cache
def _machine() -> str:
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
  except OSError:
    lines = []
  told = sorted({line for line in lines if line.startswith(("flags", "model name", "Features"))})
  text = "\n".join([platform.machine(), platform.processor(), jax.__version__, *told])
  return hashlib.sha256(text.encode()).hexdigest()[:12]
