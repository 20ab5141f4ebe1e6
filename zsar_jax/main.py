"""Train once, then name unseen actions: `python -m zsar_jax.main --config configs/rest101.py [--workdir DIR]`.

Any key of the config can be given on the command line: `--config.train.batch_size=32`. A run whose workdir holds
checkpoints goes on from the newest. On several hosts the same command is started on each, with a workdir that all of
them see; under SLURM, Open MPI and on Cloud TPU they find each other, elsewhere the last three flags tell.

Exit codes: 0 done, 1 failed (the loss is not finite, or the workdir cannot be written), 2 wrong input, 3 no readable
checkpoint, 4 stuck, or another process is gone (start it again), 130/143 stopped by a signal with everything saved.
"""

import argparse
import pathlib
import sys
import warnings

from zsar_jax import commands
from zsar_jax import config as configs
from zsar_jax.config import Config
from zsar_jax.train import distributed
from zsar_jax.train.distributed import is_first


def run(
  config: Config,
  workdir: pathlib.Path,
  *,
  evaluate_only: bool,
  force: bool,
  results_folder: pathlib.Path | None = None,
) -> None:
  """Trains (unless `evaluate_only`), evaluates, and writes everything into `workdir`, or what evaluation makes into `results_folder`.

  Raises:
    InputError: anything the user gave is wrong; nothing was compiled yet.
    CheckpointError: no readable checkpoint where one is needed.
  """
  from zsar_jax import compilation, evaluate, results
  from zsar_jax.result_table import print_table
  from zsar_jax.session import open_session

  compilation.use_cache()
  session = open_session(config, workdir, must_resume=evaluate_only, force=force)
  state = session.restore() if evaluate_only else session.train()
  result = evaluate.evaluate(session, state, just_trained=not evaluate_only)
  folder = results_folder or workdir
  if not is_first():
    return
  results.write(session, result, folder)
  print_table(result.report.evaluations)
  if config.eval.report and config.eval.frame_order == "natural":
    _write_page(folder)
  else:
    print(f"all rows: {folder / 'report.json'}")


def _write_page(folder: pathlib.Path) -> None:
  """A page that cannot be drawn does not undo a run: its numbers are there."""
  from zsar_jax.report import write_report

  try:
    print(f"all rows, and figures: {write_report([folder])}")
  except Exception as error:
    warnings.warn(
      f"report.html could not be written ({type(error).__name__}: {error}); the numbers are in {folder}/report.json; to draw it "
      f"again: python -m zsar_jax.report {folder}",
      stacklevel=2,
    )


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.main", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("--config", required=True, metavar="FILE.py[:variant]", help="what to run")
  parser.add_argument("--workdir", type=pathlib.Path, help="where results go (default: runs/<config>)")
  parser.add_argument("--evaluate_only", action="store_true", help="evaluate the newest good checkpoint")
  parser.add_argument(
    "--force", action="store_true", help="go on although the config differs from the workdir's"
  )
  parser.add_argument(
    "--results", type=pathlib.Path, metavar="DIR", help="where evaluation writes (default: the workdir)"
  )
  distributed.add_arguments(parser)
  args, overrides = commands.parse_with_config(parser, argv)
  config = configs.load(args.config, overrides)
  workdir = args.workdir or default_workdir(args.config)
  with distributed.joined(args, config.safety.heartbeat_seconds):
    run(
      config,
      workdir,
      evaluate_only=args.evaluate_only,
      force=args.force,
      results_folder=args.results,
    )


def default_workdir(config_path: str) -> pathlib.Path:
  """`runs/demo` for `configs/demo.py`, `runs/demo-e2e` for its variant `e2e`."""
  file, _, variant = config_path.partition(":")
  stem = pathlib.Path(file).stem
  return pathlib.Path("runs") / (f"{stem}-{variant}" if variant else stem)


if __name__ == "__main__":
  sys.exit(main())
