"""What UCF101, HMDB51 and SUN397 share: an archive or folder of class folders with official class names."""

import argparse
from pathlib import Path

from data_prep.archives import unpacked
from data_prep.class_names import FolderLabels
from data_prep.listing import Listing, add_allow_missing, find_files, folder_at, raise_shortened
from zsar_jax.data.schema import Entry
from zsar_jax.errors import did_you_mean


def add_arguments(parser: argparse.ArgumentParser, option: str, noun: str) -> None:
  """Options of every official set; `option` names the folder, such as `--videos`."""
  parser.add_argument(option, metavar="PATH", help=f"the archive, or a folder of class folders of {noun}s")
  parser.add_argument("--unpack_to", metavar="DIR", help="of an archive (default: beside it)")
  parser.add_argument(
    "--list", metavar="FILE", help="take only what this list names: PATH [FRAMES LABEL] a line"
  )
  add_allow_missing(parser, noun)


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument("--splits", metavar="DIR", help="the official split files; needs --split and --part")
  parser.add_argument("--split", type=int, choices=(1, 2, 3))
  parser.add_argument("--part", choices=("train", "test"))


def list_official(
  path: str | Path,
  unpack_to: str | None,
  class_names: list[str],
  suffixes: tuple[str, ...],
  option: str,
  kind: str,
) -> Listing:
  """Files in folders that bear official class names, at any depth, in class order, sorted within one.

  A video's id is `CLASS/FILE`, wherever its folder lies.

  Raises:
    InputError: no such folder or archive, folders that are no class, a file that is there twice: all of a kind at once.
  """
  root = folder_at(unpacked(path, unpack_to, option), option, "an archive or a folder of class folders")
  found = find_files(root, suffixes)
  labels = FolderLabels(class_names)
  unknown: set[str] = set()
  entries: dict[str, Entry] = {}
  twice: list[str] = []
  for file in found.files:
    folders = file.split("/")[:-1]
    label = labels.of_parts(folders)
    if label is None:
      unknown.add("/".join(folders) or str(root))
      continue
    video_id = f"{class_names[label].strip('/')}/{file.rsplit('/', 1)[-1]}"
    if video_id in entries:
      twice.append(f"{video_id}: {entries[video_id].path} and {root / file}")
    entries[video_id] = Entry(str(root / file), label, video_id)
  close = {folder: did_you_mean(folder.rsplit("/", 1)[-1], class_names) for folder in unknown}
  problems = [
    f"{folder} is none of the {len(class_names)} classes{close[folder]}" for folder in sorted(unknown)
  ]
  raise_shortened(problems, f"{option} {root} holds {kind}s in folders that are no class:")
  raise_shortened(twice, f"{option} {root} holds {kind}s twice:")
  ordered = sorted(entries.values(), key=lambda entry: entry.label)
  return Listing(ordered, class_names, found.ignored, found.quarantined, kind=kind)


def whole_set_note(listing: Listing, num_whole: int) -> Listing:
  """Tells how much of the whole set is there, where no list does."""
  if listing.expected is not None:
    return listing
  return listing._replace(
    notes=[*listing.notes, f"the whole set has {num_whole:,}, {len(listing.entries):,} are here"]
  )
