"""Whether anything became more expensive than in the last committed result.

python benchmarks/guard.py --quick                    # under a minute on 2 CPU cores: what CI runs
python benchmarks/guard.py --full                     # every model, and clips from disk
python benchmarks/guard.py --full --update            # after a change that is meant: writes benchmarks/results/guard.json
python benchmarks/guard.py --against OLD.json NEW.json    # the ratios of two results of one benchmark

Seconds differ from machine to machine, so none are compared. Counts are (`benchmarks/guard_counts.py` says of what). Work and bytes kept
for the backward pass follow from shapes: within 2 per cent everywhere. Instructions of compiled programs: where all versions and the kind
of processor are those of the committed result, products, loops and copies exactly and the rest within 2 per cent; elsewhere within a
third, which still finds work done twice. Reads and bytes a clip are compared exactly, heavy imports by name. Ratios of two ways in turn
(`benchmarks/guard_ratios.py`) must stay above what falling back to the slow way would give, whatever the machine; those of two result
files may fall by a fifth.

The floor is the compiler: two training steps are compiled (10 to 15 s with little optimisation) and nine models traced (12 s). Exit code 1:
something became worse, is gone, or has no committed value yet; 2: wrong use.
"""

import argparse
import collections
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

os.environ["JAX_PLATFORMS"] = "cpu"  # counts are of what the CPU compiler makes
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

COMMITTED = pathlib.Path(__file__).parent / "results" / "guard.json"
EXACT = (
  "multiply_adds",
  "convolutions",
  "dots",
  "whiles",
  "copies_and_transposes",
)  # where compilers are alike
CLOSE, LOOSE = 0.02, 1 / 3
MODULES = {"modules": 0.2, "own_modules": 0.1}  # those of other packages move with their versions
HALF = 0.5  # of a committed ratio that has no bar in LEAST
FIFTH = 0.8  # of a ratio in a committed file: those are measured with more care


class Finding(NamedTuple):
  """One key that is not as it was."""

  key: str
  old: Any
  new: Any
  verdict: str  # "worse", "better", "moved" (within the margin), "new" or "gone"


def compare_counts(old: dict[str, Any], new: dict[str, Any], comparable: bool) -> Iterator[Finding]:
  """What differs. Fewer is better.

  Args:
    old: the committed counts.
    new: those of this tree.
    comparable: made with the same versions for the same kind of processor.
  """
  for key, value in new.items():
    if key not in old:
      yield Finding(key, None, value, "new")
    elif value != old[key]:
      yield Finding(key, old[key], value, _verdict(key, old[key], value, comparable))
  yield from (Finding(key, value, None, "gone") for key, value in old.items() if key not in new)


def _verdict(key: str, old: Any, new: Any, comparable: bool) -> str:
  if isinstance(new, list):
    return "worse" if set(new) - set(old) else "better"
  allowed = margin(key, comparable)
  if new > old * (1 + allowed):
    return "worse"
  return "better" if new < old * (1 - allowed) else "moved"


def margin(key: str, comparable: bool) -> float:
  """By how much of itself a count may grow."""
  last = key.rpartition(".")[2]
  if last in MODULES:
    return MODULES[last]
  if key.startswith(("reads.", "transfer.")):
    return 0.0
  if not comparable:
    return LOOSE if key.startswith("compiled.") else CLOSE
  return 0.0 if last in EXACT else CLOSE


def compare_ratios(
  old: dict[str, float], new: dict[str, float], least: float, bars: Mapping[str, float]
) -> Iterator[Finding]:
  """More is better; below its bar, or where it has none below `least` of the old one, is worse."""
  for key, value in new.items():
    if key not in old:
      yield Finding(key, None, value, "new")
    elif value < bars.get(key, least * old[key]):
      yield Finding(key, old[key], value, "worse")
    elif value * least > old[key]:
      yield Finding(key, old[key], value, "better")
  yield from (Finding(key, value, None, "gone") for key, value in old.items() if key not in new)


def ratios_in(result: Any, path: tuple[str, ...] = (), inside: bool = False) -> Iterator[tuple[str, float]]:
  """(dotted key, value) of every number under a key that is or begins with `ratio`, or `faster_than_`."""
  if isinstance(result, dict):
    for key, value in result.items():
      named = key.startswith(("ratio", "faster_than_"))
      yield from ratios_in(value, (*path, key), inside or named)
  elif inside and isinstance(result, int | float):
    yield ".".join(path), result


def table(findings: list[Finding]) -> str:
  lines = []
  for one in sorted(findings, key=lambda one: (one.verdict != "worse", one.verdict, one.key)):
    change = ""
    if isinstance(one.old, int | float) and isinstance(one.new, int | float) and one.old:
      change = f"{100 * (one.new / one.old - 1):+.1f} %"
    lines.append(
      f"{one.verdict:7} {one.key:58} {_text(one.old):>22} -> {_text(one.new):22} {change}".rstrip()
    )
  return "\n".join(lines)


def _text(value: Any) -> str:
  if value is None:
    return "-"
  if isinstance(value, list):
    return " ".join(value) or "nothing"
  return f"{value:,}"


def conclude(findings: list[Finding], bad: tuple[str, ...], advice: str) -> int:
  """Prints the table and what to do; the exit code: 1 where a verdict is one of `bad`."""
  if findings:
    print(table(findings))
  numbers = collections.Counter(one.verdict for one in findings)
  told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(numbers.items())) or "nothing differs"
  print(f"{told}; {advice}" if findings else told)
  return 1 if any(verdict in bad for verdict in numbers) else 0


def against(old: dict[str, Any], new: dict[str, Any]) -> int:
  """Compares the ratios of two results."""
  for key in ("machine", "versions", "device", "date"):
    if old.get(key) != new.get(key):
      print(f"{key}: {old.get(key)} -> {new.get(key)}")
  findings = list(compare_ratios(dict(ratios_in(old)), dict(ratios_in(new)), FIFTH, {}))
  return conclude(findings, ("worse", "gone"), f"a ratio may fall to {FIFTH} of what it was")


def guard(full: bool, update: bool) -> int:
  """Measures, compares with the committed result, and writes it where `update`; the exit code."""

  def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)

  if not COMMITTED.exists() and not update:
    say(f"{COMMITTED} is not there: python benchmarks/guard.py --full --update makes it")
    return 2
  import guard_counts
  import guard_ratios
  import jax
  import measuring

  jax.config.update("jax_enable_compilation_cache", False)  # programs are compiled here, not read

  committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {"counts": {}, "ratios": {}}
  facts = measuring.facts("jax", "jaxlib", "flax", "optax") | {"processor": measuring.processor()}
  alike = all(committed.get(key) == facts[key] for key in ("versions", "processor"))
  if not alike:
    print(f"other versions or processor than in {COMMITTED.name}: compiled programs may grow by a third")
  counts = guard_counts.measure(full, say)
  bars = {key: HALF * value for key, value in committed["ratios"].items()} | guard_ratios.LEAST
  # An update takes the best of all tries, or a slow one would lower what is compared with next time.
  ratios = guard_ratios.measure({} if update else bars, say, full)
  old_counts = {k: v for k, v in committed["counts"].items() if full or not guard_counts.only_in_full(k)}
  old_ratios = {k: v for k, v in committed["ratios"].items() if full or k not in guard_ratios.ONLY_IN_FULL}
  findings = [
    *compare_counts(old_counts, counts, alike),
    *compare_ratios(old_ratios, ratios, HALF, guard_ratios.LEAST),
  ]
  advice = "if that is meant: python benchmarks/guard.py --full --update, and say in the commit what it buys"
  code = conclude(findings, ("worse", "gone", "new"), f"writing {COMMITTED}" if update else advice)
  if update:
    COMMITTED.write_text(json.dumps(facts | {"counts": counts, "ratios": ratios}, indent=1) + "\n")
  return 0 if update else code


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  what = parser.add_mutually_exclusive_group(required=True)
  what.add_argument("--quick", action="store_true", help="under a minute")
  what.add_argument("--full", action="store_true", help="everything")
  what.add_argument(
    "--against", nargs=2, type=pathlib.Path, metavar=("OLD", "NEW"), help="two files of results"
  )
  parser.add_argument(
    "--update", action="store_true", help="with --full: write what is found as the new result"
  )
  options = parser.parse_args()
  if options.update and not options.full:
    parser.error("--update goes with --full: the committed result holds everything")
  if options.against:
    try:
      old, new = (json.loads(path.read_text()) for path in options.against)
    except (OSError, ValueError) as error:
      parser.error(f"--against: {error}")
    return against(old, new)
  return guard(options.full, options.update)


if __name__ == "__main__":
  sys.exit(main())
