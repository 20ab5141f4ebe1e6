"""Source: UCF101, from its archive, a folder, or records that TFDS's own builder prepared."""

import argparse
from pathlib import Path

from data_prep import official
from data_prep.class_names import official_names
from data_prep.listing import Listing, drop_empty_classes, lines_of
from data_prep.stored import add_tfds_argument, list_tfds
from data_prep.video_lists import read_video_list, select
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.errors import InputError

NUM_VIDEOS = 13_320


def add_arguments(parser: argparse.ArgumentParser) -> None:
  official.add_arguments(parser, "--videos", "video")
  official.add_split_arguments(parser)
  add_tfds_argument(parser)


def from_options(options: argparse.Namespace) -> Listing:
  if options.tfds:
    return list_tfds(options, "ucf101")
  if not options.videos:
    raise InputError("ucf101 needs --videos PATH (the archive or a folder) or --tfds DIR")
  names = official_names("ucf101")
  listing = official.list_official(
    options.videos, options.unpack_to, names, VIDEO_SUFFIXES, "--videos", "video"
  )
  file = split_file(options, names) if options.splits else options.list
  if file:
    listing = select(listing, read_video_list(file, names, "--splits" if options.splits else "--list"))
  listing = official.whole_set_note(listing, NUM_VIDEOS)
  return drop_empty_classes(listing, options.allow_missing, f"--videos {options.videos}")


def split_file(options: argparse.Namespace, class_names: list[str]) -> Path:
  """The official list of `--split` and `--part`; InputError where it is not there or its classes differ."""
  if options.list or not (options.split and options.part):
    raise InputError("--splits needs --split 1|2|3 and --part train|test, and stands instead of --list")
  name = f"{options.part}list{options.split:02d}.txt"
  _check_classes(options.splits, class_names)
  return _one_of(options.splits, (name, f"ucf101_{name}"))


def _check_classes(folder: str, class_names: list[str]) -> None:
  found = [
    p
    for p in sorted(Path(folder).rglob("*classInd.txt"))
    if p.name in ("classInd.txt", "ucf101_classInd.txt")
  ]
  for file in found[:1]:
    numbered = [line.split() for line in lines_of(file, "--splits") if line.strip()]
    if numbered != [[str(number), name] for number, name in enumerate(class_names, 1)]:
      raise InputError(f"{file} numbers other classes than UCF101's {len(class_names)}, or in another order")


def _one_of(folder: str, names: tuple[str, ...]) -> Path:
  found = [path for name in names for path in sorted(Path(folder).rglob(name))]
  if not found:
    raise InputError(f"--splits {folder} holds no {' or '.join(names)}")
  return found[0]
