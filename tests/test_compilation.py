"""Where compiled programs are kept."""

import os
import subprocess
import sys

CODE = "import jax; from zsar_jax.compilation import use_cache; use_cache(); print(jax.config.jax_compilation_cache_dir)"


def folder_of(**environ):
  env = {key: value for key, value in os.environ.items() if key != "JAX_COMPILATION_CACHE_DIR"} | environ
  done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
  return done.stdout.strip()


def test_in_the_users_cache_unless_told_otherwise(tmp_path):
  mine = folder_of(XDG_CACHE_HOME=str(tmp_path))
  assert mine.startswith(f"{tmp_path}/zsar_jax/compiled-")
  assert os.path.isdir(mine)
  assert folder_of(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "other")) == str(tmp_path / "other")
  assert folder_of(JAX_COMPILATION_CACHE_DIR="") in ("", "None")
  (tmp_path / "file").touch()
  assert folder_of(XDG_CACHE_HOME=str(tmp_path / "file")) == "None"
