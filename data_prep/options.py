"""The command line: a subcommand a source, and the options that all of them share."""

import argparse
import sys
from types import ModuleType

from data_prep import activitynet, csv_file, features, folder, hmdb51, kinetics, stored, sun397, ucf101
from zsar_jax import commands
from zsar_jax.data.schema import JPEG_QUALITY

# Each has add_arguments(parser) and from_options(options) -> Listing.
SOURCES: dict[str, tuple[ModuleType, str]] = {
  "folder": (folder, "a folder of class folders of videos"),
  "csv": (csv_file, "a CSV file: path,label[,start,end]"),
  "kinetics": (kinetics, "Kinetics: annotation CSVs and a folder of videos"),
  "ucf101": (ucf101, "UCF101: archive, folder, or TFDS's records"),
  "hmdb51": (hmdb51, "HMDB51: archive or folder"),
  "activitynet": (activitynet, "ActivityNet: JSON annotations; every labelled segment is a video"),
  "sun397": (sun397, "SUN397, still images: archive, folder, or TFDS's records"),
  "features": (features, "features that another program computed"),
  "records": (stored, "records that exist, to be stored at another size"),
}


def parse(description: str | None, arguments: list[str] | None) -> argparse.Namespace:
  """Options of one run; argparse ends the process with 2 where they are wrong. Raises InputError for unknown ones."""
  parser = argparse.ArgumentParser(
    prog="python -m data_prep.build",
    description=description,
    formatter_class=argparse.RawTextHelpFormatter,
    allow_abbrev=False,
  )
  sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
  for name, (module, told) in SOURCES.items():
    one = sources.add_parser(
      name,
      help=told,
      description=told,
      formatter_class=argparse.RawTextHelpFormatter,
      allow_abbrev=False,
    )
    module.add_arguments(one)
    _add_shared(one, name)
  options = commands.parse(parser, sys.argv[1:] if arguments is None else arguments)
  needed = {"--out": options.out} | (
    {} if options.source == "features" else {"--short_side": options.short_side}
  )
  missing = [key for key, value in needed.items() if value is None]
  if missing and not options.verify:
    parser.error(f"{options.source} needs {' and '.join(missing)} (or --verify)")
  if options.beam_args is not None and options.runner != "beam":
    parser.error("--beam_args needs --runner beam")
  return options


def _add_shared(parser: argparse.ArgumentParser, source: str) -> None:
  parser.add_argument("--out", metavar="DIR", help="where the records go")
  if source != "features":
    parser.add_argument("--short_side", type=int, metavar="PIXELS", help="128 for E2E, 256 for ResT")
    parser.add_argument(
      "--jpeg_quality", type=int, default=JPEG_QUALITY, metavar="Q", help="1 to 100 (default: %(default)s)"
    )
  if source not in ("features", "records", "sun397"):
    parser.add_argument(
      "--fps", type=float, metavar="F", help="store at most F frames a second (default: all)"
    )
  parser.set_defaults(short_side=None, jpeg_quality=JPEG_QUALITY, fps=None)
  parser.add_argument("--workers", type=int, metavar="N", help="decoding processes (default: one a core)")
  parser.add_argument(
    "--timeout", type=float, default=60, metavar="S", help="seconds a video may take (default: 60)"
  )
  parser.add_argument("--videos_per_shard", type=int, default=256, metavar="N", help="default: 256")
  parser.add_argument(
    "--retry",
    action="store_true",
    help="decode again the videos that an earlier run quarantined (mended, or given a longer --timeout)",
  )
  parser.add_argument(
    "--verify", action="store_true", help="only check that everything is there and opens; 1 if not"
  )
  parser.add_argument("--runner", choices=("local", "beam"), default="local", help="default: local")
  parser.add_argument(
    "--beam_args", nargs=argparse.REMAINDER, metavar="...", help="the rest of the line goes to Apache Beam"
  )
