"""The reference of all modules is made from their docstrings without a warning, where TensorFlow is not installed."""

import subprocess
import sys

import pytest
from docs_pages import ROOT

pytestmark = pytest.mark.slow
CODE = """
import importlib.abc, pathlib, runpy, sys, warnings
class Block(importlib.abc.MetaPathFinder):
  def find_spec(self, name, path=None, target=None):
    if name.split('.')[0] in ('tensorflow', 'tensorflow_datasets', 'gensim', 'torch'):
      raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
warnings.simplefilter('error', UserWarning)
sys.argv = ['reference.py', '--out', sys.argv[1]]
runpy.run_path('docs/reference.py', run_name='__main__')
"""


def test_reference_is_written(tmp_path):
  pytest.importorskip("pdoc")
  done = subprocess.run(
    [sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  for page in ("zsar_jax", "zsar_jax/recognition/recognizer", "zsar_jax/bundle/read", "zsar_jax/models/resnet",
               "zsar_jax/zeroshot/compose", "zsar_jax/config"):  # fmt: skip
    assert (tmp_path / f"{page}.html").exists(), page
  first = (tmp_path / "zsar_jax.html").read_text()
  for name in ("recognition", "bundle", "Recognizer", "load"):
    assert name in first
