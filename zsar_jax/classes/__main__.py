"""Class names and their meaning: `python -m zsar_jax.classes check|embed|overlap`. Each has a `--help`.

A list of classes is a shipped one (kinetics400, kinetics600, kinetics700, ucf101, hmdb51, activitynet200, sun397, or a
frozen preset such as kinetics700_664) or a file with one name a line. Word vectors are FILE.npz, .bin, .txt or .vec,
sentence:DIR (a sentence-transformers model on this machine), or hash:300 (a stand-in without meaning).

Exit codes: 0 done, 1 `check` found something lacking, 2 wrong input.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from zsar_jax import commands
from zsar_jax.classes.audit import audit_lists, audit_text
from zsar_jax.classes.audit_figure import save_figure
from zsar_jax.classes.class_lists import ClassList, read_class_list, read_names
from zsar_jax.classes.coverage import check_lists, coverage_text
from zsar_jax.classes.embedding_file import write_embeddings
from zsar_jax.classes.vectors import check_spec
from zsar_jax.errors import InputError, raise_all


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  usable = [True]

  def run() -> None:
    args = commands.parse(_parser(), sys.argv[1:] if argv is None else argv)
    usable.append(args.run(args))

  code = commands.guarded(run)
  return code or (0 if usable[-1] else commands.FAILED)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(prog="python -m zsar_jax.classes", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  verbs = parser.add_subparsers(dest="verb", required=True)
  check = verbs.add_parser(
    "check", help="which words have a vector; empty and repeated names", allow_abbrev=False
  )
  embed = verbs.add_parser("embed", help="write what the classes mean to a .npz", allow_abbrev=False)
  overlap = verbs.add_parser(
    "overlap", help="seen classes that mean the same as a test class", allow_abbrev=False
  )
  for verb in (check, embed):
    verb.add_argument(
      "--classes", required=True, nargs="+", action="extend", metavar="LIST", help="shipped lists or files"
    )
  for verb in (check, embed, overlap):
    verb.add_argument("--vectors", required=True, metavar="SPEC", help="FILE, sentence:DIR or hash:300")
  embed.add_argument("--out", required=True, metavar="FILE.npz", help="also serves as --vectors afterwards")
  overlap.add_argument(
    "--seen", required=True, metavar="LIST[,LIST]", help="all that is trained or pretrained on"
  )
  overlap.add_argument("--unseen", required=True, metavar="LIST[,LIST]", help="all that is tested on")
  overlap.add_argument("--threshold", type=float, default=0.05, help="cosine distance (default: 0.05)")
  overlap.add_argument("--figure", metavar="FILE.png", help="histogram of the distances")
  for verb in (check, overlap):
    verb.add_argument("--json", action="store_true", help="one JSON object and nothing else")
  for verb, run in ((check, _check), (embed, _embed), (overlap, _overlap)):
    verb.set_defaults(run=run)
  return parser


def _check(args: argparse.Namespace) -> bool:
  (lists,) = _lists(args.vectors, {"--classes": _split(args.classes)}, read_names)
  report = check_lists(lists, args.vectors)
  _say(json.dumps(report) if args.json else coverage_text(report))
  return report["usable"]


def _embed(args: argparse.Namespace) -> bool:
  (lists,) = _lists(args.vectors, {"--classes": _split(args.classes)}, read_class_list)
  wrote = write_embeddings(lists, args.vectors, args.out)
  print(f"{args.out}: {wrote['classes']} classes, {wrote['words']} words, {wrote['width']} wide")
  return True


def _overlap(args: argparse.Namespace) -> bool:
  given = {"--seen": _split([args.seen]), "--unseen": _split([args.unseen])}
  seen, unseen = _lists(args.vectors, given, read_class_list)
  audit = audit_lists(seen, unseen, args.vectors, args.threshold)
  if args.figure:
    save_figure(audit, args.figure)
  _say(json.dumps(audit.report) if args.json else audit_text(audit.report))
  return True


def _say(text: str) -> None:
  try:
    print(text, flush=True)
  except BrokenPipeError:  # `| head` has read enough; what is left must not fail at exit either
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _split(given: Sequence[str]) -> list[str]:
  return [spec.strip() for text in given for spec in text.split(",") if spec.strip()]


def _lists(
  vectors: str, given: Mapping[str, Sequence[str]], read: Callable[[str], ClassList]
) -> list[dict[str, ClassList]]:
  """Every list of every option by its name; whatever cannot be used, the vectors too, is told at once."""
  problems: list[str] = []
  found: list[dict[str, ClassList]] = []
  for option, specs in given.items():
    problems += [f"{option} names {spec!r} twice" for spec in dict.fromkeys(specs) if specs.count(spec) > 1]
    problems += [] if specs else [f"{option} is empty: expected a list of classes, such as ucf101"]
    found.append({})
    for spec in dict.fromkeys(specs):
      try:
        found[-1][spec] = read(spec)
      except InputError as error:
        problems.append(str(error))
  try:
    check_spec(vectors)
  except InputError as error:
    problems.append(str(error))
  raise_all(problems)
  return found


if __name__ == "__main__":
  sys.exit(main())
