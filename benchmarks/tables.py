"""Writes the tables of README and docs/performance.md from benchmarks/results, so that no figure is typed by hand.

python benchmarks/tables.py            # rewrites what stands between the markers
python benchmarks/tables.py --check    # says which tables differ from the results, and writes nothing: exit code 1 if one does

A page says where a table goes with `<!-- table: NAME -->` and `<!-- end -->`, each a line of its own. A figure whose file or key is not
there is "not measured". Nothing is measured here, so there is no floor: it takes a tenth of a second.
"""

import argparse
import pathlib
import re
import sys
from collections.abc import Callable

import table_aims
import table_cpu
import table_demo
import table_input
import table_models
import table_pages
import table_ratios
from table_cells import Stored

ROOT = pathlib.Path(__file__).parent.parent
PAGES = ("README.md", "docs/performance.md")
TABLES: dict[str, Callable[[Stored], str]] = {
  "readme": table_ratios.readme,
  "aims": table_aims.aims,
  "accelerator": table_models.accelerator,
  "input": table_input.inputs,
  "variants": table_input.variants,
  "feeding": table_input.feeding,
  "reading": table_input.reading,
  "models": table_pages.models,
  "costs": table_models.costs,
  "operations": table_models.operations,
  "evaluation": table_pages.evaluation,
  "overhead": table_pages.overhead,
  "predict": table_pages.predict,
  "serving": table_pages.serving,
  "startup": table_cpu.startup,
  "scaling": table_cpu.scaling,
  "demo": table_demo.demo,
}
MARKED = re.compile(r"^<!-- table: (\S+) -->$\n.*?^<!-- end -->$", re.M | re.S)


def render(text: str, stored: Stored) -> tuple[str, list[str], list[str]]:
  """A page with its tables made anew, the names of those that changed, and of those that nobody knows."""
  changed: list[str] = []
  unknown: list[str] = []

  def fill(match: re.Match[str]) -> str:
    name = match[1]
    if name not in TABLES:
      unknown.append(name)
      return match[0]
    made = f"<!-- table: {name} -->\n\n{TABLES[name](stored)}\n\n<!-- end -->"
    if made != match[0]:
      changed.append(name)
    return made

  return MARKED.sub(fill, text), changed, unknown


def run(root: pathlib.Path, results: pathlib.Path, check: bool) -> int:
  """Renders the pages below `root`; the exit code."""
  stored, worst = Stored(results), 0
  for page in PAGES:
    path = root / page
    before = path.read_text(encoding="utf-8")
    after, changed, unknown = render(before, stored)
    opened = len(re.findall(r"^<!-- table: ", before, re.M))
    if unknown or opened != len(MARKED.findall(before)):
      print(f"{page}: unknown tables {unknown}, or a marker without its end; there are {', '.join(TABLES)}")
      return 2
    if changed:
      print(
        f"{page}: {', '.join(changed)} {'differ from the results: run python benchmarks/tables.py' if check else 'written'}"
      )
      worst = 1 if check else worst
      if not check:
        path.write_text(after, encoding="utf-8")
  return worst


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--check", action="store_true", help="write nothing, only compare")
  options = parser.parse_args()
  return run(ROOT, ROOT / "benchmarks" / "results", options.check)


if __name__ == "__main__":
  sys.exit(main())
