"""Turns videos into indexed records.

python -m data_prep.build folder --videos DIR --out DIR --short_side 128

Run again, it resumes. Videos that cannot be used are listed, with reasons, in `quarantine.jsonl`.
"""

import argparse
import sys
from collections import Counter

from data_prep.folder import Listing, list_folder
from zsar_jax.data.build import BuildSummary, build_records
from zsar_jax.errors import InputError


def main(arguments: list[str] | None = None) -> int:
  """Runs the command; its exit status: 0, or 2 where something the user gave is wrong."""
  options = _parser().parse_args(arguments)
  try:
    listing = list_folder(options.videos)
    _print_listing(options.videos, listing)
    summary = _build(listing, options)
  except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print("interrupted: run the same command again to go on from the last finished shard", file=sys.stderr)
    return 130
  except OSError as error:
    print(
      f"error: writing to {options.out} failed: {error}. Run the same command again to go on", file=sys.stderr
    )
    return 2
  _print_summary(summary, options.out)
  return 0


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="python -m data_prep.build", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
  folder = sources.add_parser("folder", help="a folder of class folders of videos")
  folder.add_argument("--videos", required=True, metavar="DIR", help="holds one folder a class")
  folder.add_argument("--out", required=True, metavar="DIR", help="where the records go")
  folder.add_argument(
    "--short_side", required=True, type=int, metavar="PIXELS", help="128 for E2E, 256 for ResT"
  )
  folder.add_argument("--workers", type=int, metavar="N", help="decoding processes (default: one a core)")
  folder.add_argument("--fps", type=float, metavar="F", help="store at most F frames a second (default: all)")
  folder.add_argument("--jpeg_quality", type=int, default=95, metavar="Q", help="1 to 100 (default: 95)")
  folder.add_argument(
    "--timeout", type=float, default=60, metavar="S", help="seconds a video may take (default: 60)"
  )
  folder.add_argument("--videos_per_shard", type=int, default=256, metavar="N", help="default: 256")
  return parser


def _build(listing: Listing, options: argparse.Namespace) -> BuildSummary:
  from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

  columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
  with Progress(*columns) as bar:
    task = bar.add_task("decoding", total=len(listing.entries))

    def progress(done: int, bad: int) -> None:
      bar.update(task, completed=done, description=f"decoding ({bad} bad)" if bad else "decoding")

    return build_records(
      listing.entries,
      listing.class_names,
      options.out,
      short_side=options.short_side,
      workers=options.workers,
      fps=options.fps,
      jpeg_quality=options.jpeg_quality,
      timeout=options.timeout,
      videos_per_shard=options.videos_per_shard,
      progress=progress,
    )


def _print_listing(source: str, listing: Listing) -> None:
  print(f"{source}: {len(listing.entries)} videos in {len(listing.class_names)} classes")
  counts = Counter(entry.label for entry in listing.entries)
  for label, name in enumerate(listing.class_names):
    print(f"{counts[label]:7d}  {name}")
  if listing.ignored:
    shown = ", ".join(listing.ignored[:5]) + (", …" if len(listing.ignored) > 5 else "")
    print(f"passed over {len(listing.ignored)} files that are not named as videos: {shown}")


def _print_summary(summary: BuildSummary, out: str) -> None:
  num_bad = len(summary.quarantined)
  done = summary.num_videos + num_bad - summary.num_resumed
  print(
    f"{out}: {summary.num_videos} videos, {num_bad} bad, {summary.num_bytes / 1e6:.1f} MB; "
    f"{done} decoded in {summary.seconds:.1f} s ({done / max(summary.seconds, 1e-9):.1f} videos/s)"
    + (f", {summary.num_resumed} were done before" if summary.num_resumed else "")
  )
  for bad in summary.quarantined[:5]:
    print(f"  bad: {bad.path}: {bad.reason}")
  if num_bad:
    print(f"  all bad videos and reasons: {out}/quarantine.jsonl")


if __name__ == "__main__":
  sys.exit(main())
