"""A small exported model, written once for all tests of this folder."""

import shutil

import pytest
from bundles import tiny_bundle


@pytest.fixture(scope="session")
def written(tmp_path_factory):
  return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def folder(written, tmp_path):
  """A copy to spoil."""
  return shutil.copytree(written, tmp_path / "tiny")
