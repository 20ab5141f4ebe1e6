"""Turns videos, still images or features into indexed records.

python -m data_prep.build folder --videos DIR --out DIR --short_side 128

Before it starts it prints what it found against what the source's list expects, and the room it will take. Run again,
it resumes. Videos that cannot be used are listed, with reasons, in `quarantine.jsonl`; `--retry` tries them again.
`--verify` only checks.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from data_prep import report
from data_prep.checks import check_options
from data_prep.estimate import estimate_bytes, free_bytes
from data_prep.listing import Listing
from data_prep.options import SOURCES, parse
from data_prep.verify import verify_entries
from zsar_jax.commands import FAILED, INTERRUPTED, WRONG_INPUT
from zsar_jax.data.build import BuildSummary, build_records
from zsar_jax.data.schema import RecordOptions
from zsar_jax.errors import InputError


def main(arguments: list[str] | None = None) -> int:
  """Runs the command; its exit status: 0, 1 where `--verify` found faults, 2 where what the user gave is wrong."""
  try:
    options = parse(__doc__, arguments)
    return _run(options)
  except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return WRONG_INPUT
  except KeyboardInterrupt:
    print("interrupted: run the same command again to go on from the last finished shard", file=sys.stderr)
    return INTERRUPTED
  except OSError as error:
    print(f"error: {error.filename or 'the records'}: {error.strerror or error}", file=sys.stderr)
    return WRONG_INPUT


def _run(options: argparse.Namespace) -> int:
  check_options(options)
  module, _ = SOURCES[options.source]
  may_lack = getattr(options, "allow_missing", False)
  options.allow_missing = may_lack or options.verify  # verifying tells of all that is missing
  listing: Listing = module.from_options(options)
  report.print_listing(options.source, listing)
  _print_estimate(listing, options)
  if options.verify:
    whole = _verify(listing, options) and (may_lack or not listing.empty)
    return 0 if whole else FAILED
  try:
    summary = _build(listing, options)
  except OSError as error:
    raise InputError(
      f"writing to {options.out} failed: {error}. Run the same command again to go on"
    ) from error
  report.print_summary(summary, listing, options.out, retried=options.retry)
  return 0


def _print_estimate(listing: Listing, options: argparse.Namespace) -> None:
  if options.short_side is None and listing.kind != "features":
    return  # --verify alone
  wanted = RecordOptions(options.short_side or 0, options.fps, options.jpeg_quality, listing.kind)
  estimate = estimate_bytes(listing.entries, wanted, options.timeout)
  report.print_estimate(estimate, free_bytes(options.out or "."), len(listing.entries))


def _verify(listing: Listing, options: argparse.Namespace) -> bool:
  with _progress("opening", len(listing.entries)) as progress:
    bad = verify_entries(
      listing.entries,
      listing.kind,
      workers=options.workers or os.cpu_count() or 1,
      timeout=options.timeout,
      progress=progress,
    )
  report.print_verified(len(listing.entries), listing.quarantined, bad)
  return not bad and not listing.quarantined


def _build(listing: Listing, options: argparse.Namespace) -> BuildSummary:
  runner = None
  if options.runner == "beam":
    from data_prep.beam import make_runner

    runner = make_runner(options.beam_args or [])
  with _progress("decoding", len(listing.entries)) as progress:
    return build_records(
      listing.entries,
      listing.class_names,
      options.out,
      short_side=options.short_side or 0,
      kind=listing.kind,
      quarantined=listing.quarantined,
      workers=options.workers,
      runner=runner,
      fps=options.fps,
      jpeg_quality=options.jpeg_quality,
      timeout=options.timeout,
      videos_per_shard=options.videos_per_shard,
      retry=options.retry,
      progress=progress,
    )


@contextlib.contextmanager
def _progress(verb: str, total: int) -> Iterator[Callable[[int, int], None]]:
  """A bar; what it gives is called with how many are done and how many of these are bad."""
  from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

  columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
  with Progress(*columns) as bar:
    task = bar.add_task(verb, total=total)

    def progress(done: int, bad: int) -> None:
      bar.update(task, completed=done, description=f"{verb} ({bad} bad)" if bad else verb)

    yield progress


if __name__ == "__main__":
  sys.exit(main())
