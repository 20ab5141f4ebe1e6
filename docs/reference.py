"""Writes the reference of all modules, from their docstrings: `python docs/reference.py [--out build/api]`. Needs the extra `docs`.

Nothing is fetched, and TensorFlow is not imported.
"""

import argparse
import importlib
import pathlib
import pkgutil

import pdoc

WITH_LISTS = ("zsar_jax", "zsar_jax.models")  # packages whose `__all__` leaves their modules out
LEFT_OUT = ("!zsar_jax.studies.jobs",)  # pdoc cannot resolve a NamedTuple that names itself


def write_reference(out: pathlib.Path) -> pathlib.Path:
  """Writes one page a module into `out`; returns the first page."""
  for name in WITH_LISTS:
    package = importlib.import_module(name)
    # pdoc sees what is in the module, not what it gives when asked.
    vars(package).update({each: getattr(package, each) for each in package.__all__})
    modules = [module.name for module in pkgutil.iter_modules(package.__path__)]
    vars(package)["__all__"] = [*package.__all__, *modules]
  pdoc.render.configure(docformat="google", footer_text="zsar_jax")
  pdoc.pdoc("zsar_jax", *LEFT_OUT, output_directory=out)
  return out / "index.html"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
    "--out", type=pathlib.Path, default=pathlib.Path("build/api"), help="default: build/api"
  )
  print(write_reference(parser.parse_args().out))


if __name__ == "__main__":
  main()
