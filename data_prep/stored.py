"""Source: records that exist, ours or TFDS's with an index, to be stored again at another size."""

import argparse
from pathlib import Path

from data_prep.listing import Listing
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    "--records", required=True, metavar="DIR", help="ours, or TFDS's after `python -m data_prep.index DIR`"
  )


def from_options(options: argparse.Namespace) -> Listing:
  return list_records(options.records, "--records")


def list_records(directory: str | Path, option: str) -> Listing:
  """Every video of indexed records, under its id there.

  Raises:
    InputError: no such records, no index, files of another size than the index says; records of features.
  """
  if Path(directory).is_dir() and not (Path(directory) / "index").is_dir():
    raise InputError(
      f"{option} {directory} has no index; make one with: python -m data_prep.index {directory}"
    )
  index = open_index(directory)
  if index.kind == "features":
    raise InputError(
      f"{option} {directory} holds features, which have no size to change: use them as they are"
    )
  entries = [
    Entry(str(directory), int(label), index.video_id(row), row=row) for row, label in enumerate(index.label)
  ]
  return Listing(entries, list(index.class_names), kind=index.kind)


def add_tfds_argument(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    "--tfds", metavar="DIR", help="instead: the folder of a version that TFDS prepared, indexed"
  )


def list_tfds(options: argparse.Namespace, name: str) -> Listing:
  """The records of `--tfds`; InputError where options for raw files are given beside it."""
  raw = ("videos", "images", "unpack_to", "list", "splits", "split", "part")
  beside = [f"--{key}" for key in raw if getattr(options, key, None)]
  if beside:
    raise InputError(f"{name}: --tfds takes every record as it is and goes without {', '.join(beside)}")
  return list_records(options.tfds, "--tfds")
