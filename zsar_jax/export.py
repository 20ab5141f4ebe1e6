"""Export a trained run as one folder that names actions by itself: `python -m zsar_jax.export --workdir RUN --to DIR`.

The folder holds the parameters, the seen classes with their prototypes, the word vectors of many class names, how a video becomes clips,
the config, a model card (`README.md`) and the SHA-256 of every file. It is read back and compared with the run before it gets its
name; one that differs is not kept. `--format stablehlo` adds the network as programs that JAX runs without zsar_jax.

Keys of the run's config can be given anew: `--config.vectors=FILE`. Exit codes: 0 done, 1 the export differs from the run, 2 wrong input
or a folder that cannot be written, 3 no readable checkpoint.
"""

import argparse
import pathlib
import sys

from zsar_jax import commands
from zsar_jax.errors import InputError
from zsar_jax.run_config import read_run_config


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
  parser = argparse.ArgumentParser(prog="zsar_jax.export", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("--workdir", type=pathlib.Path, required=True, metavar="RUN", help="of a trained run")
  parser.add_argument(
    "--to",
    type=pathlib.Path,
    required=True,
    metavar="DIR",
    help="folder to write; an earlier export is replaced",
  )
  parser.add_argument(
    "--format",
    choices=("zsar", "stablehlo"),
    default="zsar",
    help="stablehlo: programs for other users of JAX too",
  )
  parser.add_argument(
    "--words", type=pathlib.Path, metavar="FILE", help="more words whose vectors come along, one a line"
  )
  parser.add_argument("--licence", default="", metavar="TEXT", help="of the weights, for the model card")
  args, overrides = commands.parse_with_config(parser, argv)
  from zsar_jax import compilation
  from zsar_jax.bundle.parity import ParityError
  from zsar_jax.bundle.write import check_target
  from zsar_jax.exporting.run import export

  config = read_run_config(args.workdir, overrides)
  check_target(args.to)
  more = () if args.words is None else _read_words(args.words)
  compilation.use_cache()
  try:
    done = export(
      config,
      args.workdir,
      args.to,
      stablehlo=args.format == "stablehlo",
      more_words=more,
      licence=args.licence,
    )
  except ParityError as error:
    print(f"error: {error}", file=sys.stderr)
    return commands.FAILED
  done.show(args.to)
  return 0


def _read_words(path: pathlib.Path) -> tuple[str, ...]:
  try:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
  except (OSError, ValueError) as error:
    raise InputError(
      f"--words {path} cannot be read ({error}): expected a UTF-8 file with one word a line"
    ) from error
  return tuple(dict.fromkeys(word for line in lines if (word := line.strip())))


if __name__ == "__main__":
  sys.exit(main())
