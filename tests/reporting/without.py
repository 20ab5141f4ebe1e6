"""The report command in a process of its own where some packages cannot be imported."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
HEAVY = ("jax", "flax", "optax", "orbax", "tensorflow", "tensorflow_datasets", "gensim", "av")
CODE = """
import importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
  def find_spec(self, name, path=None, target=None):
    if name.split('.')[0] in {blocked!r}:
      raise ModuleNotFoundError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Block())
from zsar_jax.report import main
sys.exit(main({argv!r}))
"""


def run_without(blocked, argv):
  """Runs `python -m zsar_jax.report ARGV`; the finished process with its output as text."""
  code = CODE.format(blocked=tuple(blocked), argv=[str(x) for x in argv])
  return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
