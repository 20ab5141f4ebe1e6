"""Made-up runs, figures and pages that the tests of a session share; nobody may write into them."""

import pytest
from made_up_run import write_made_up_run
from without import HEAVY, run_without

from zsar_jax.reporting.run import read_run
from zsar_jax.reporting.writing import draw, write_files

SMALL = {"num_seen": 12, "data_sets": {"ucf101": 14, "hmdb51": 8}, "videos_per_class": 5, "dim": 24}
# More classes than are named and shown one by one, so that lists are cut and labels thinned.
WIDE = {"num_seen": 70, "data_sets": {"ucf101": 34}, "videos_per_class": 4}


@pytest.fixture(scope="session")
def rest_run(tmp_path_factory):
  return write_made_up_run(tmp_path_factory.mktemp("runs") / "rest", **SMALL)


@pytest.fixture(scope="session")
def e2e_run(tmp_path_factory):
  return write_made_up_run(tmp_path_factory.mktemp("runs") / "e2e", seed=1, method="e2e", **SMALL)


@pytest.fixture(scope="session")
def wide_runs(tmp_path_factory):
  """A ResT and an E2E run."""
  folder = tmp_path_factory.mktemp("runs")
  made = [("rest", 0), ("e2e", 1)]
  return [
    read_run(write_made_up_run(folder / method, seed=seed, method=method, **WIDE)) for method, seed in made
  ]


@pytest.fixture(scope="session")
def wide_drawn(wide_runs):
  """(figures, what was left out) of the wide ResT run alone."""
  return draw(wide_runs[:1], ["ResT, one"])


@pytest.fixture(scope="session")
def rest_page(wide_runs, wide_drawn, tmp_path_factory):
  """The page of the wide ResT run with all its figures."""
  return write_files(tmp_path_factory.mktemp("page"), wide_runs[:1], ["ResT, one"], *wide_drawn)


@pytest.fixture(scope="session")
def semantic_run(tmp_path_factory):
  """A ResT run whose main results are without transfer: its prototypes are not as wide as its embeddings."""
  small = SMALL | {"data_sets": {"hmdb51": 8}}
  return write_made_up_run(tmp_path_factory.mktemp("runs") / "semantic", space="semantic", **small)


@pytest.fixture(scope="session")
def semantic_page(semantic_run, tmp_path_factory):
  """Its page with all figures, as the command writes it where there is no JAX and no TensorFlow."""
  out = tmp_path_factory.mktemp("page")
  done = run_without(HEAVY, [semantic_run, "--out", out])
  assert done.returncode == 0, done.stderr
  return out / "report.html"
