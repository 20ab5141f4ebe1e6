"""Eight fake CPU devices for every test, before JAX starts, and one compilation cache for all its processes."""

import os
import tempfile

import pytest

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
  # Workers and the commands that tests start inherit it, so each program is compiled once.
  CACHE = tempfile.TemporaryDirectory(prefix="zsar-jax-cache-", ignore_cleanup_errors=True)
  os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE.name
  os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
  """Where the runs of a session keep the generated data that they share."""
  return tmp_path_factory.mktemp("data")
