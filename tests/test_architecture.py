"""The rules of the house: which package may import which, and what must work without the optional parts."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "zsar_jax"
OPTIONAL = ("tensorflow", "tensorflow_datasets", "gensim", "av", "matplotlib", "torch")
SERVER = ("fastapi", "pydantic", "starlette", "uvicorn", "prometheus_client", "swagger_ui_bundle")
BASE = {"types", "errors", "files", "descriptors", "lock", "python_files"}
# What each package may import from zsar_jax.
ALLOWED = {
  "types": set(),
  "errors": set(),
  "files": set(),
  "descriptors": set(),
  "lock": {"errors"},
  "python_files": {"errors"},
  "config": BASE | {"config_checks", "config_values"},
  "config_checks": set(),
  "config_values": set(),
  "saved": set(),
  "classes": BASE | {"commands"},  # __main__.py is a command
  "zeroshot": BASE | {"classes"},
  "models": BASE | {"commands", "saved"},  # weights.py is a command too
  "methods": BASE | {"config", "classes", "zeroshot", "models"},
  "train": BASE | {"config", "methods", "models", "saved"},
  "bundle": BASE | {"config", "classes", "methods", "models", "saved", "train"},
  "recognition": BASE | {"bundle", "classes", "config", "data", "methods", "models", "train", "zeroshot"},
  "predicting": BASE | {"bundle", "classes", "data", "recognition", "reporting"},
  "serving": BASE | {"bundle", "classes", "data", "recognition"},
  "reporting": BASE | {"classes", "zeroshot"},
  "data": BASE | {"config", "classes", "commands"},  # profile.py is a command
}


def _modules():
  return sorted(PACKAGE.rglob("*.py"))


def _imports(path):
  """(top-level module or zsar_jax part, at module level?) of every import in a file."""
  tree = ast.parse(path.read_text(encoding="utf-8"))
  top = {id(node) for node in tree.body}
  for node in ast.walk(tree):
    names = []
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f"{path}: relative import"
      names = [node.module or ""]
      if node.module == "zsar_jax":
        names = [f"zsar_jax.{alias.name}" for alias in node.names]
    for name in names:
      yield name, id(node) in top


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_import_arrows(path):
  part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
  if part not in ALLOWED:
    return  # a verb: may use all
  for name, _ in _imports(path):
    if name.startswith("zsar_jax."):
      used = name.split(".")[1]
      assert used == part or used in ALLOWED[part], f"{part} must not import {name}"


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_data_imports_tensorflow(path):
  inside_data = path.relative_to(PACKAGE).parts[0] == "data"
  for name, _ in _imports(path):
    if name.split(".")[0] in ("tensorflow", "tensorflow_datasets"):
      assert inside_data, f"{path} imports {name}"


def _import_all(modules, blocked):
  code = f"""
import importlib, importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
  def find_spec(self, name, path=None, target=None):
    if name.split('.')[0] in {tuple(blocked)!r}:
      raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
for module in {modules!r}:
  importlib.import_module(module)
"""
  return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def _names(parts):
  for path in _modules():
    inside = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(inside).removesuffix(".__init__")
    if len(inside) > 1 and parts(inside[1]):
      yield name


def test_everything_outside_data_imports_without_optional_parts():
  modules = list(_names(lambda part: part not in ("data", "serving")))
  assert len(modules) > 25
  done = _import_all(modules, (*OPTIONAL, *SERVER))
  assert done.returncode == 0, done.stderr


def test_the_server_imports_without_what_it_does_not_serve_with():
  done = _import_all(list(_names(lambda part: part == "serving")), OPTIONAL)
  assert done.returncode == 0, done.stderr


def test_classes_and_reports_import_without_jax():
  parts = ("classes", "types", "errors", "report", "reporting", "saved")
  done = _import_all(list(_names(lambda part: part in parts)), ("jax", "flax", "optax", *OPTIONAL))
  assert done.returncode == 0, done.stderr


def test_data_modules_for_inference_import_without_tensorflow():
  modules = [f"zsar_jax.data.{name}" for name in ("sampling", "synthetic", "decode", "index", "datasets")]
  done = _import_all(modules, ("tensorflow", "tensorflow_datasets", "gensim", "matplotlib"))
  assert done.returncode == 0, done.stderr
