"""Source: HMDB51, from its archive of archives or a folder."""

import argparse
from pathlib import Path

from data_prep import official
from data_prep.class_names import official_names
from data_prep.listing import Listing, drop_empty_classes, lines_of, raise_shortened
from data_prep.video_lists import Listed, read_video_list, select
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.errors import InputError, raise_all

NUM_VIDEOS = 6_766
_PARTS = {"train": "1", "test": "2"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
  official.add_arguments(parser, "--videos", "video")
  official.add_split_arguments(parser)


def from_options(options: argparse.Namespace) -> Listing:
  if not options.videos:
    raise InputError("hmdb51 needs --videos PATH: the archive or a folder")
  names = official_names("hmdb51")
  listing = official.list_official(
    options.videos, options.unpack_to, names, VIDEO_SUFFIXES, "--videos", "video"
  )
  if options.splits:
    if options.list or not (options.split and options.part):
      raise InputError("--splits needs --split 1|2|3 and --part train|test, and stands instead of --list")
    listing = select(listing, read_split(options.splits, options.split, options.part, names))
  elif options.list:
    listing = select(listing, read_video_list(options.list, names))
  listing = official.whole_set_note(listing, NUM_VIDEOS)
  return drop_empty_classes(listing, options.allow_missing, f"--videos {options.videos}")


def read_split(folder: str | Path, split: int, part: str, class_names: list[str]) -> list[Listed]:
  """The videos of one part ("train" or "test") of an official split.

  Official files are `CLASS_test_splitN.txt`, with `NAME.avi 0|1|2` a line: in neither part, in training, in test.
  A single `hmdb51_train_rgb_split_N.txt` (or `val`) with PATH FRAMES LABEL is read in their stead.

  Raises:
    InputError: files are missing, lines are wrong: all at once.
  """
  single = f"hmdb51_{'val' if part == 'test' else 'train'}_rgb_split_{split}.txt"
  paths = {path.name: path for path in sorted(Path(folder).rglob("*.txt"))}
  if single in paths:
    return read_video_list(paths[single], class_names, "--splits")
  names = [f"{name}_test_split{split}.txt" for name in class_names]
  missing = [name for name in names if name not in paths]
  raise_all(
    [", ".join(missing)] if missing else [], f"--splits {folder} lacks {len(missing)} of {len(names)} files:"
  )
  listed: list[Listed] = []
  problems: list[str] = []
  for label, name in enumerate(names):
    for number, line in enumerate(lines_of(paths[name], "--splits"), 1):
      video, _, mark = line.strip().rpartition(" ")
      if line.strip() and (not video or mark not in ("0", "1", "2")):
        problems.append(f"{name} line {number}: {line.strip()!r}")
      elif mark == _PARTS[part]:
        listed.append(Listed(f"{class_names[label]}/{video.strip()}", label))
  raise_shortened(problems, f"--splits {folder}: expected NAME.avi 0, 1 or 2 in every line:")
  return listed
