"""An evaluation as pictures and one page: `python -m zsar_jax.report WORKDIR [WORKDIR2 ...] [--out DIR] [--names A,B]`.

Reads what an evaluation left in a workdir (`report.json`, `embeddings.npz`; where they are, `metrics.jsonl`, `tuning.json` and
`examples/`) and writes `report.html`, one file that needs no network, and every figure as `figures/NAME.svg` with its numbers in
`figures/NAME.csv`. One workdir is reported inside itself. Several are compared side by side, differences against the first, in
--out (default: `compare-NAMES` beside the first). Needs neither JAX nor TensorFlow.

Exit codes: 0 done, 2 wrong input.
"""

import argparse
import pathlib
import sys

from zsar_jax import commands
from zsar_jax.reporting.writing import write_report
from zsar_jax.workdirs import refuse_model


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.report", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument(
    "workdirs", nargs="+", metavar="WORKDIR", type=pathlib.Path, help="a run that was evaluated"
  )
  parser.add_argument(
    "--out", type=pathlib.Path, help="where the page goes (default: the workdir; see above)"
  )
  parser.add_argument(
    "--names", metavar="A,B", help="what the page calls the runs (default: their folders' names)"
  )
  args = commands.parse(parser, argv)
  for folder in args.workdirs:
    refuse_model(folder)
  names = [name.strip() for name in args.names.split(",")] if args.names is not None else None
  print(write_report(args.workdirs, args.out, names))


if __name__ == "__main__":
  sys.exit(main())
