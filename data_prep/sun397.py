"""Source: SUN397's still images, from its archive, a folder, or records that TFDS's own builder prepared."""

import argparse

from data_prep import official
from data_prep.class_names import official_names
from data_prep.listing import IMAGE_SUFFIXES, Listing, drop_empty_classes
from data_prep.stored import add_tfds_argument, list_tfds
from data_prep.video_lists import read_video_list, select
from zsar_jax.errors import InputError

NUM_IMAGES = 108_754


def add_arguments(parser: argparse.ArgumentParser) -> None:
  official.add_arguments(parser, "--images", "image")
  parser.add_argument("--classes", default="sun397", metavar="FILE", help="such as its ClassName.txt")
  add_tfds_argument(parser)


def from_options(options: argparse.Namespace) -> Listing:
  """Images by class, a class being a path such as `/a/abbey`; `--list` takes its `Training_01.txt` and the like."""
  if options.tfds:
    return list_tfds(options, "sun397")
  if not options.images:
    raise InputError("sun397 needs --images PATH (the archive or a folder) or --tfds DIR")
  names = official_names(options.classes)
  listing = official.list_official(
    options.images, options.unpack_to, names, IMAGE_SUFFIXES, "--images", "image"
  )
  if options.list:
    listing = select(listing, read_video_list(options.list, names))
  listing = official.whole_set_note(listing, NUM_IMAGES)
  return drop_empty_classes(listing, options.allow_missing, f"--images {options.images}")
