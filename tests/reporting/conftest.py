"""Made-up runs that the tests of a session share; nobody may write into them."""

import pytest
from made_up_run import write_made_up_run
from without import HEAVY, run_without

SMALL = {"num_seen": 12, "data_sets": {"ucf101": 14, "hmdb51": 8}, "videos_per_class": 5, "dim": 24}


@pytest.fixture(scope="session")
def rest_run(tmp_path_factory):
  return write_made_up_run(tmp_path_factory.mktemp("runs") / "rest", **SMALL)


@pytest.fixture(scope="session")
def e2e_run(tmp_path_factory):
  return write_made_up_run(tmp_path_factory.mktemp("runs") / "e2e", seed=1, method="e2e", **SMALL)


@pytest.fixture(scope="session")
def rest_page(rest_run, tmp_path_factory):
  """The page of the ResT run with all its figures, as the command writes it where there is no JAX and no TensorFlow."""
  out = tmp_path_factory.mktemp("page")
  done = run_without(HEAVY, [rest_run, "--out", out])
  assert done.returncode == 0, done.stderr
  return out / "report.html"
