"""Names the actions in videos: `python -m zsar_jax.predict --model DIR VIDEO… --classes "fencing, archery, juggling balls"`.

DIR is a folder that `zsar_jax.export` wrote. VIDEO is a file, or a folder that is searched for videos at any depth, linked folders
too; files in it that are not called as videos are counted on stderr. --classes are the names to choose from: separated by commas, or
a file with one name a line, or a shipped list such as ucf101. Up to five videos get a table each, more of them a line each. Scores
are cosines, -1 to 1. A name marked `seen` was trained on, by its spelling or its meaning. A video that cannot be read is told on
stderr, and the others go on.

--timeline DIR writes, for each video, STEM.csv (start and end of each window in seconds, and every class's score) and STEM.svg.

--json prints one document and nothing else on stdout:
  model     folder, name, method, backbone, space, step, checkpoint, num_parameters, num_seen_classes, num_clips, vectors,
            pretrained_from, pretrained_known (false: a name may have been trained on without a mark), licence
  classes   of every name: name, words; seen_as and distance (of a name that was trained on, else null); recipe: [{name, share}],
            the seen classes that its prototype is made of; nearest_seen: [{name, score}], seen classes by meaning
  notes     what is odd about the names, a sentence each
  videos    of every video that was named: video, seconds, num_frames, ranking: [{name, score}], scores: {name: score} of every
            class, nearest_seen: [{name, score}], seen classes that the video looks like; timeline: null or {csv, svg}, the files
            that --timeline wrote of it (svg: null without matplotlib)
  failures  [{video, reason}]
  complete  false after Ctrl-C

Exit codes: 0 every video was named, 1 some could not be read, 2 wrong input, 130 stopped by Ctrl-C (what was named stays).
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import zsar_jax
from zsar_jax import commands
from zsar_jax.bundle.contents import MOST_CLIPS
from zsar_jax.classes.class_lists import ClassList
from zsar_jax.classes.vectors import check_spec
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import is_folder
from zsar_jax.predicting import inputs
from zsar_jax.predicting.document import document
from zsar_jax.predicting.printing import Printer, Screen, StdoutClosed, tell_end, tell_failure
from zsar_jax.predicting.timeline import TimelineFiles
from zsar_jax.recognition.answers import Failure, Prediction
from zsar_jax.saved.bundles import is_bundle

SOME_UNREAD = 1


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return commands.guarded(lambda: _main(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
  args = commands.parse(_parser(), argv)
  videos, given = _checked(args)
  answers: list[Prediction | Failure] = []
  try:
    _predict(args, videos, given, answers)
  except KeyboardInterrupt:
    print(f"interrupted: {_num_named(answers)} of {len(videos)} videos were named", file=sys.stderr)
    return commands.INTERRUPTED
  except StdoutClosed:
    _drop_stdout()
  return SOME_UNREAD if _num_named(answers) < len(answers) else 0


def _predict(
  args: argparse.Namespace, videos: Sequence[str], given: ClassList, answers: list[Prediction | Failure]
) -> None:
  """Names every video and tells it; `answers` takes each as it comes."""
  from zsar_jax import compilation

  compilation.use_cache()
  screen = Screen()
  with _progress(screen, args.json, len(videos)) as advance:
    recognizer = zsar_jax.load(args.model)
    candidates = recognizer.candidates(given.names, args.vectors, rules=given.source)
    printer = Printer(screen, recognizer.bundle.facts, candidates, videos, args.explain)
    files, written = None, {}
    if args.timeline is not None:
      inputs.make_folder(args.timeline)
      files = TimelineFiles(args.timeline, videos, candidates.classes.names)
    if not args.json:
      printer.notes()
    found = recognizer.recognize(
      videos, candidates, top=args.top, num_clips=args.num_clips, timeline=args.timeline is not None
    )
    try:
      with contextlib.closing(found):
        for one in found:
          advance()
          if isinstance(one, Failure):
            answers.append(one)
            tell_failure(one)
            continue
          if files is not None:
            written[one.video] = files.write(one)
          answers.append(one._replace(timeline=None))  # of thousands of videos they take gigabytes
          if not args.json:
            printer.answer(one)
    finally:
      if args.json:
        complete = len(answers) == len(videos)
        _say(json.dumps(document(recognizer.bundle, candidates, answers, written, complete), allow_nan=False))
  tell_end(answers)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(prog="python -m zsar_jax.predict", description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
  parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a video file, or a folder of them")
  parser.add_argument("--model", required=True, metavar="DIR", type=pathlib.Path, help="an exported model")
  parser.add_argument("--classes", required=True, metavar="NAMES|FILE", help="what to choose from")
  parser.add_argument(
    "--vectors",
    metavar="SPEC",
    help="word vectors: FILE, sentence:DIR or hash:300 (default: the model's own)",
  )
  parser.add_argument("--top", type=int, default=5, metavar="K", help="names a video (default: 5)")
  parser.add_argument(
    "--num_clips",
    type=int,
    metavar="N",
    help=f"clips that are looked at, 1 to {MOST_CLIPS} (default: as the model was evaluated)",
  )
  parser.add_argument("--explain", action="store_true", help="say which seen classes stand behind every name")
  parser.add_argument(
    "--timeline", type=pathlib.Path, metavar="DIR", help="write scores along each video into DIR"
  )
  parser.add_argument("--json", action="store_true", help="one JSON document and nothing else")
  return parser


def _checked(args: argparse.Namespace) -> tuple[list[str], ClassList]:
  """(videos, class names); raises InputError with all that is wrong."""
  videos, problems, passed_over = inputs.find_videos(args.videos)
  given, of_names = inputs.find_names(args.classes)
  problems += of_names
  if args.vectors is not None:
    try:
      check_spec(args.vectors)
    except InputError as error:
      problems.append(str(error))
  if args.top < 1:
    problems.append(f"--top is {args.top}, expected 1 or more")
  if args.num_clips is not None and not 1 <= args.num_clips <= MOST_CLIPS:
    problems.append(f"--num_clips is {args.num_clips}, expected 1 to {MOST_CLIPS}")
  problems += _model_problems(args.model)
  if args.timeline is not None:
    problems += inputs.check_folder(args.timeline)
  raise_all(problems, "predict cannot begin:")
  if passed_over:
    print(inputs.passed_over_note(passed_over), file=sys.stderr)
  return videos, given


def _model_problems(folder: pathlib.Path) -> list[str]:
  """Why `--model` cannot be read, as far as the names in it tell."""
  if not is_folder(folder):
    return [f"--model {str(folder)!r}: no such folder, expected one that zsar_jax.export wrote"]
  if is_bundle(folder):
    return []  # whether it is whole is seen as it is read
  from zsar_jax.bundle.read import check_bundle

  try:
    check_bundle(folder)
  except InputError as error:
    return [f"--model: {error}"]
  return []


@contextlib.contextmanager
def _progress(screen: Screen, is_json: bool, total: int) -> Iterator[Any]:
  """Gives a function that says that one video is done; a bar on a terminal, nothing elsewhere."""
  from rich.console import Console
  from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

  console: Console = screen
  if is_json or not screen.is_terminal:
    console = Console(stderr=True)
  # Errors stay on stderr where that goes elsewhere.
  bar = Progress(
    TextColumn("naming videos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console,
    transient=True, disable=not console.is_terminal, redirect_stdout=False, redirect_stderr=sys.stderr.isatty(),
  )  # fmt: skip
  with bar:
    task = bar.add_task("", total=total)
    yield lambda: bar.advance(task)


def _num_named(answers: Sequence[Prediction | Failure]) -> int:
  return sum(isinstance(one, Prediction) for one in answers)


def _say(text: str) -> None:
  try:
    print(text, flush=True)
  except BrokenPipeError:
    raise StdoutClosed from None


def _drop_stdout() -> None:
  """What is left in the buffer must not fail at exit either."""
  os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
  sys.exit(main())
