"""What is wrong with the options of a build and would be found only after a long listing otherwise."""

import argparse
from pathlib import Path

from zsar_jax.errors import raise_all
from zsar_jax.files import parse_json

# Options that name folders, all that a source walks through.
_WALKED = ("videos", "images", "features", "unpack_to")


def check_options(options: argparse.Namespace) -> None:
  """Raises InputError with all that is wrong; `build_records` checks the rest."""
  problems = []
  for name, least in (("short_side", 1), ("workers", 1), ("videos_per_shard", 1)):
    value = getattr(options, name)
    if value is not None and value < least:
      problems.append(f"--{name} {value}: expected at least {least}")
  for name in ("fps", "timeout"):
    value = getattr(options, name)
    if value is not None and not value > 0:
      problems.append(f"--{name} {value:g}: expected more than 0")
  if not 1 <= options.jpeg_quality <= 100:
    problems.append(f"--jpeg_quality {options.jpeg_quality}: expected 1 to 100")
  if options.out is not None:
    problems += _wrong_place(options)
  raise_all(problems)
  if options.out is not None and not options.verify:
    raise_all(
      _differing(options), f"{options.out} holds records made otherwise; choose another --out or delete it:"
    )


def _wrong_place(options: argparse.Namespace) -> list[str]:
  """Records cannot go where a file is, nor among what they are made from: the next listing would find them."""
  out = Path(options.out)
  there = next(place for place in (out, *out.absolute().parents) if place.exists())
  if not there.is_dir():
    return [f"--out {out}: {there} is a file; expected a folder, or a name that is not taken"]
  for name in (*_WALKED, "records", "tfds"):
    given = getattr(options, name, None)
    if not given or not Path(given).is_dir():
      continue
    # The files of a CSV are looked up, never searched for.
    inside = name in _WALKED and options.source != "csv" and _within(out, given)
    if inside or out.resolve() == Path(given).resolve():
      return [f"--out {out} lies in --{name} {given}: choose a folder outside of it"]
  return []


def _within(path: Path, folder: str) -> bool:
  return path.resolve().is_relative_to(Path(folder).resolve())


def _differing(options: argparse.Namespace) -> list[str]:
  """How the options differ from those of the records that are there."""
  try:
    there = parse_json((Path(options.out) / "build.json").read_text(encoding="utf-8"))
  except (OSError, ValueError):
    return []
  if not isinstance(there, dict):
    return []
  asked = {
    "short_side": options.short_side or 0,
    "fps": options.fps,
    "jpeg_quality": options.jpeg_quality,
    "videos_per_shard": options.videos_per_shard,
  }
  return [
    f"--{name}: {there[name]} there, {value} asked for"
    for name, value in asked.items()
    if name in there and there[name] != value
  ]
