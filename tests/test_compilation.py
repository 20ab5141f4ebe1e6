"""Where compiled programs are kept."""

import os
import subprocess
import sys

VARIABLES = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
CODE = (
  "import jax; from zsar_jax.compilation import use_cache; use_cache(); c = jax.config; "
  "print(c.jax_compilation_cache_dir, c.jax_persistent_cache_min_compile_time_secs, sep='\\n')"
)


def settings_of(**environ):
  """[the folder, seconds that a program must compile for to be kept]"""
  env = {key: value for key, value in os.environ.items() if key not in VARIABLES} | environ
  done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
  return done.stdout.rstrip("\n").split("\n")


def folder_of(**environ):
  return settings_of(**environ)[0]


def test_in_the_users_cache_unless_told_otherwise(tmp_path):
  mine, shortest = settings_of(XDG_CACHE_HOME=str(tmp_path))
  assert mine.startswith(f"{tmp_path}/zsar_jax/compiled-")
  assert float(shortest) == 0
  assert settings_of(XDG_CACHE_HOME=str(tmp_path), JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="2")[1] == "2.0"
  assert os.path.isdir(mine)
  assert folder_of(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "other")) == str(tmp_path / "other")
  assert folder_of(JAX_COMPILATION_CACHE_DIR="") in ("", "None")
  (tmp_path / "file").touch()
  assert folder_of(XDG_CACHE_HOME=str(tmp_path / "file")) == "None"
