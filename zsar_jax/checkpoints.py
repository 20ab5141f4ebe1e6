"""The saved steps of a run: `python -m zsar_jax.checkpoints list|verify|prune|copy WORKDIR`.

  list WORKDIR                          every step: when, size, validation, whether it is whole (by the sizes of its files)
  verify WORKDIR                        reads every byte of every step and says what is wrong
  prune WORKDIR --keep N --keep_best M  keeps the newest N and the best M by seen-class validation, after reading every byte of
                                        them, and deletes the others and those that are bad; --dry_run only says which
  copy WORKDIR TO [--step S]            copies a step (default: the newest good one), config.json and classes.json into the
                                        workdir TO, which can then be evaluated or trained on

Needs no accelerator. Exit codes: 0 done, 1 some steps are bad (verify) or something cannot be written, 2 wrong input, 3 no good
step.
"""

import argparse
import pathlib
import sys

from rich.console import Console
from rich.table import Table

from zsar_jax import commands
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import write_text
from zsar_jax.saved.manifest import byte_problems, read_manifest, shortened, size_problems
from zsar_jax.saved.steps import ASIDE, FOLDER, kept, leftovers, ranked, remove, step_folders, whole_steps
from zsar_jax.train.checkpoint import CheckpointError
from zsar_jax.train.saving import Folder, SaveError, copy_step

CONFIG, CLASSES = "config.json", "classes.json"


def print_list(workdir: pathlib.Path) -> None:
  """A table of the steps, and what else lies there. Reads no array."""
  folders, whole = _folders(workdir), whole_steps(workdir / FOLDER)
  best = ranked({step: manifest.facts.validation for step, manifest in whole.items()})[:1]
  table = Table("step", "saved (UTC)", "MB", "validation", "", "state", title=str(workdir / FOLDER))
  for step, folder in folders.items():
    if step not in whole:
      table.add_row(str(step), "", "", "", "", shortened(size_problems(folder)))
      continue
    manifest = whole[step]
    validation = manifest.facts.validation
    notes = [*(["newest"] if step == max(whole) else []), *(["best"] if step in best else [])]
    table.add_row(str(step), manifest.saved.replace("T", " ").rstrip("Z"), f"{manifest.size / 1e6:.1f}",
                  "" if validation is None else f"{validation:.2f}", ", ".join(notes), "whole")  # fmt: skip
  Console(width=None if sys.stdout.isatty() else 140).print(table)
  for path in leftovers(workdir / FOLDER):
    print(f"{path} is left of a save that was cut off; the next start of the run deletes it")
  if (workdir / ASIDE).is_dir():
    print(f"steps that could not be read lie in {workdir / ASIDE}")


def verify(workdir: pathlib.Path) -> int:
  """Prints a line a step, and a line a problem; returns the exit code.

  Raises:
    CheckpointError: no step is good.
  """
  bad = 0
  folders = _folders(workdir)
  for step, folder in folders.items():
    problems = byte_problems(folder)
    bad += bool(problems)
    told = "bad" if problems else f"good, {len(read_manifest(folder).files)} files"
    print("\n  ".join([f"step {step}: {told}", *problems]))
  if bad == len(folders):
    raise _none_good(workdir)
  return commands.FAILED if bad else 0


def prune(workdir: pathlib.Path, keep: int, keep_best: int, *, dry_run: bool = False) -> None:
  """Deletes all steps but the newest `keep` and the best `keep_best` of those of which every byte is right.

  Raises:
    CheckpointError: no step is good; nothing is deleted.
    SaveError: a step cannot be deleted.
  """
  raise_all([f"{flag} is {value}, expected {least} or more" for flag, value, least
             in (("--keep", keep, 1), ("--keep_best", keep_best, 0)) if value < least])  # fmt: skip
  folders = _folders(workdir)
  keeping = _good_and_kept(workdir, keep, keep_best)
  for step in folders:
    if step in keeping:
      print(f"step {step}: kept")
    elif dry_run:
      print(f"step {step}: would be deleted")
    else:
      try:
        remove(workdir / FOLDER, step)
      except OSError as error:
        raise SaveError(
          f"{folders[step]} cannot be deleted: {error.strerror}; make the workdir writable"
        ) from error
      print(f"step {step}: deleted")


def copy(workdir: pathlib.Path, to: pathlib.Path, step: int | None = None) -> None:
  """Copies one step and what belongs to every step; both ends are verified byte by byte.

  Raises:
    InputError: `to` holds the step already, or is the workdir of another config or other classes; the step is not there.
    CheckpointError: the step, or where none is given every step, is bad.
    SaveError: `to` cannot be written.
  """
  folders = _folders(workdir)
  if step is not None and step not in folders:
    raise InputError(f"{workdir / FOLDER} holds no step {step}; it holds {', '.join(map(str, folders))}")
  chosen = _newest_good(folders if step is None else {step: folders[step]})
  if chosen is None:
    raise _none_good(workdir) if step is None else CheckpointError(
      f"step {step} of {workdir / FOLDER} is bad: {shortened(byte_problems(folders[step]))}; leave out --step to copy a good one"
    )  # fmt: skip
  texts = _read_beside(workdir)
  problems = (
    [f"{to / FOLDER / str(chosen)} is there already; give another folder"]
    if (to / FOLDER / str(chosen)).exists()
    else []
  )
  problems += [f"{to / name} is there and differs from {workdir / name}: it belongs to another run; give another folder"
               for name, text in texts.items() if (to / name).exists() and _text(to / name) != text]  # fmt: skip
  raise_all(problems, f"step {chosen} of {workdir} cannot be copied to {to}:")
  folder = Folder((to / FOLDER).absolute())
  try:
    for name, text in texts.items():  # first: a step without its config cannot be gone on from
      write_text(to / name, text)
  except OSError as error:
    raise SaveError(f"{to} cannot be written: {error.strerror}; give another folder") from error
  copy_step(folders[chosen], folder, chosen)
  print(f"step {chosen} of {workdir} was copied to {to} and verified")


def _folders(workdir: pathlib.Path) -> dict[int, pathlib.Path]:
  folders = step_folders(workdir / FOLDER)
  if not folders:
    raise InputError(f"{workdir} holds no saved step (no {FOLDER}/NUMBER); give the workdir of a run")
  return folders


def _good_and_kept(workdir: pathlib.Path, keep: int, keep_best: int) -> set[int]:
  """What `kept` chooses once every chosen step verifies."""
  validations = {step: manifest.facts.validation for step, manifest in whole_steps(workdir / FOLDER).items()}
  good: set[int] = set()
  while validations:
    chosen = kept(validations, keep, keep_best)
    problems = {step: byte_problems(workdir / FOLDER / str(step)) for step in sorted(chosen - good)}
    bad = {step for step, found in problems.items() if found}
    if not bad:
      return chosen
    good |= chosen - bad
    for step in bad:
      print(f"step {step}: bad: {shortened(problems[step])}")
      del validations[step]
  raise _none_good(workdir)


def _newest_good(folders: dict[int, pathlib.Path]) -> int | None:
  for step in sorted(folders, reverse=True):
    problems = byte_problems(folders[step])
    if not problems:
      return step
    print(f"step {step} is passed over: {shortened(problems)}", file=sys.stderr)
  return None


def _read_beside(workdir: pathlib.Path) -> dict[str, str]:
  """The files that a step needs beside it. A run of old may have no classes."""
  if not (workdir / CONFIG).is_file():
    raise InputError(f"{workdir / CONFIG} is missing: without it no step can be evaluated")
  return {name: _text(workdir / name) for name in (CONFIG, CLASSES) if (workdir / name).is_file()}


def _text(path: pathlib.Path) -> str:
  try:
    return path.read_text(encoding="utf-8")
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read: {error}") from error


def _none_good(workdir: pathlib.Path) -> CheckpointError:
  return CheckpointError(
    f"{workdir / FOLDER} holds no good step (python -m zsar_jax.checkpoints verify says why); copy one from elsewhere, or "
    "train again"
  )


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
  args = commands.parse(_parser(), argv)
  if args.verb == "list":
    print_list(args.workdir)
  elif args.verb == "verify":
    return verify(args.workdir)
  elif args.verb == "prune":
    prune(args.workdir, args.keep, args.keep_best, dry_run=args.dry_run)
  else:
    copy(args.workdir, args.to, args.step)
  return 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(prog="zsar_jax.checkpoints", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  verbs = parser.add_subparsers(dest="verb", required=True)
  for name in ("list", "verify", "prune", "copy"):
    verb = verbs.add_parser(name, allow_abbrev=False)
    verb.add_argument("workdir", type=pathlib.Path, metavar="WORKDIR")
    if name == "prune":
      verb.add_argument("--keep", type=int, required=True, metavar="N", help="how many of the newest stay")
      verb.add_argument(
        "--keep_best", type=int, default=1, metavar="M", help="how many of the best stay (default 1)"
      )
      verb.add_argument("--dry_run", action="store_true", help="delete nothing, say what would be deleted")
    if name == "copy":
      verb.add_argument("to", type=pathlib.Path, metavar="TO")
      verb.add_argument("--step", type=int, metavar="S", help="which step (default: the newest good one)")
  return parser


if __name__ == "__main__":
  sys.exit(main())
