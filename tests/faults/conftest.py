"""Data that the runs of a session share."""

import pytest
from running import make_features


@pytest.fixture(scope="session")
def features_dir(tmp_path_factory):
  return make_features(tmp_path_factory.mktemp("features"))
