"""Choose the transfer coefficients K, rho and theta: `python -m zsar_jax.tune --workdir RUN`.

Cross-validation over the seen classes of a ResT run (ResT section 4.1): in each fold a fifth of them plays unseen, and the
coefficients are judged by how well these classes' training videos are then named. No test class and no test video is looked at. The
training videos are embedded once (`seen_embeddings/`); the grid is printed, drawn (`figures/tuning.svg`) and written with what was
chosen to `tuning.json`, which evaluation reads from then on (unless `--config.transfer.use_tuned=false`). Exit codes as `zsar_jax.main`.
"""

import argparse
import dataclasses
import json
import pathlib
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from zsar_jax import commands, tuning
from zsar_jax.config import Config
from zsar_jax.errors import InputError
from zsar_jax.files import write_text
from zsar_jax.run_config import read_run_config
from zsar_jax.zeroshot.search import Coefficients, SearchResult, search
from zsar_jax.zeroshot.search_input import check_folds


def tune(config: Config, workdir: pathlib.Path, *, num_folds: int, seed: int) -> SearchResult:
  """Searches, and writes `tuning.json` and its picture.

  Raises:
    InputError: E2E, or one task alone; too few classes; stored embeddings of another checkpoint.
    CheckpointError: nothing to tune.
  """
  from zsar_jax.embedding import make_embedder, origin_of
  from zsar_jax.seen_embeddings import SeenStore
  from zsar_jax.session import open_session
  from zsar_jax.train.state import fingerprint

  _check(config, workdir)
  # The default to compare with is the config's own, not what was tuned before.
  config = dataclasses.replace(config, transfer=dataclasses.replace(config.transfer, use_tuned=False))
  session = open_session(config, workdir, must_resume=True)
  check_folds(len(session.corpus.seen.names), num_folds, seed)
  state = session.restore()
  checkpoint = fingerprint(state)
  store = SeenStore(workdir, origin_of(session, state, checkpoint), keeps_embeddings=True)
  if store.prototypes() is None:
    make_embedder(session, state).seen_prototypes(store)
  train = store.embeddings()
  default = Coefficients(*(getattr(config.transfer, key) for key in tuning.KEYS))
  seen, ids = session.corpus.seen, session.corpus.train.videos.video_ids(train.row)
  found = search(
    train.shards, train.label, seen, default=default, num_folds=num_folds, seed=seed, video_ids=ids
  )
  facts = {"checkpoint": checkpoint, "step": int(state.step)} | found.as_dict()
  write_text(workdir / tuning.FILE, json.dumps(facts, indent=1) + "\n")
  _draw(facts, workdir / "figures")
  return found


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="zsar_jax.tune", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument(
    "--workdir", type=pathlib.Path, required=True, metavar="RUN", help="of a trained ResT run"
  )
  parser.add_argument(
    "--num_folds", type=int, default=5, help="parts that the seen classes are cut into (default: 5)"
  )
  parser.add_argument("--seed", type=int, default=0, help="which classes are in which fold")
  args, overrides = commands.parse_with_config(parser, argv)
  config = read_run_config(args.workdir, overrides)
  print_result(tune(config, args.workdir, num_folds=args.num_folds, seed=args.seed), args.workdir)


def print_result(found: SearchResult, workdir: pathlib.Path) -> None:
  """The grid at the theta that was chosen, and what was chosen."""
  console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
  facts = found.as_dict()
  grid, chosen = facts["grid"], facts["chosen"]
  theta = grid["distinctiveness"].index(chosen["distinctiveness"])
  table = Table("K \\ rho", *map(str, grid["max_seen_per_unseen"]),
                title=f"held-out seen classes, top-1 per cent, theta = {chosen['distinctiveness']:g}")  # fmt: skip
  for num_neighbors, scores in zip(
    grid["num_neighbors"], np.array(facts["scores"])[:, :, theta], strict=True
  ):
    table.add_row(str(num_neighbors), *(f"{score:.1f}" for score in scores))
  console.print(table)
  for name in ("best", "default", "chosen"):
    gamma = f", gamma {chosen['gamma']:.3f}" if name == "chosen" else ""
    console.print(f"[bold]{name}[/bold]  {_told(facts[name])}{gamma}")
  if all(chosen[key] == facts["default"][key] for key in tuning.KEYS):
    console.print(
      "the config's own coefficients stay: no point of the grid is better by more than the standard error of the gain"
    )
  console.print(f"written to {workdir / tuning.FILE}; evaluation reads it from now on")


def _told(point: dict) -> str:
  return (f"K {point['num_neighbors']}, rho {point['max_seen_per_unseen']}, theta {point['distinctiveness']:g}: "
          f"{point['score']:.1f} ± {point['deviation']:.1f} over the folds")  # fmt: skip


def _check(config: Config, workdir: pathlib.Path) -> None:
  if config.method != "rest" or len(config.model.tasks) < 2:
    raise InputError(
      f"{workdir}: only ResT with both tasks composes prototypes ('method' is {config.method!r}, 'model.tasks' "
      f"{','.join(config.model.tasks)}): there is nothing to tune"
    )
  if not config.data.remove_overlap:
    raise InputError(
      f"{workdir}: 'data.remove_overlap' is False, so test classes are among the seen ones that the search would look at; tune a run "
      "without them"
    )


def _draw(facts: dict, folder: pathlib.Path) -> None:
  from zsar_jax.reporting.figures.tuning import tuning_figure

  figure = tuning_figure(facts)
  if isinstance(figure, str):
    print(f"no picture of the grid: {figure}", file=sys.stderr)
    return
  folder.mkdir(exist_ok=True)
  write_text(folder / "tuning.svg", figure.svg)


if __name__ == "__main__":
  sys.exit(main())
