"""Makes the generated data sets that a config names: videos first, then records by the writer real videos take."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Sequence

from zsar_jax.config import Config
from zsar_jax.data import stills, storage, synthetic
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import SCHEMA, Entry
from zsar_jax.errors import InputError

PREFIX = "figures_"
TRAIN, TEST, SEEN_TEST = "figures_train", "figures_test", "figures_seen_test"
STILLS = "figures_stills"
NAMES = (TRAIN, TEST, SEEN_TEST, STILLS)


def generated_path(config: Config, name: str) -> pathlib.Path:
  """Where the records of a generated data set are: one folder per schema, seed and `generated` setting."""
  settings = json.dumps(
    [SCHEMA, config.seed, config.data.short_side, dataclasses.asdict(config.generated)], sort_keys=True
  )
  return (
    pathlib.Path(config.data.dir) / f"figures-{hashlib.sha256(settings.encode()).hexdigest()[:12]}" / name
  )


def make_generated(config: Config, names: Sequence[str], say: Callable[[str], None] = print) -> None:
  """Writes what is missing of the named generated data sets.

  Raises:
    InputError: they cannot be written.

  Training clips are in the domain `studio`, test clips in `street`. No unseen class is in `figures_train`. `figures_stills` are
  pictures (see `stills`) in the domain `studio`, as many a class as training videos.
  """
  seen, unseen = synthetic.split_classes(config.seed, config.generated.num_unseen)
  plans = {
    TRAIN: (seen, config.generated.train_per_class, "studio"),
    TEST: (unseen, config.generated.test_per_class, "street"),
    SEEN_TEST: (seen, config.generated.seen_test_per_class, "street"),
    STILLS: (stills.STILL_NAMES, config.generated.train_per_class, "studio"),
  }
  if names and storage.is_remote(config.data.dir):
    raise InputError(
      f"'data.dir' is {config.data.dir}, but {', '.join(names)} are made on this machine: give a folder of it"
    )
  for name in names:
    path = generated_path(config, name)
    if (path / "index" / "index.json").is_file():
      continue
    classes, per_class, domain = plans[name]
    what = "pictures" if name == STILLS else "videos"
    say(f"making {name}: {len(classes)} classes x {per_class} {what}, domain {domain}")
    try:
      if name == STILLS:
        _make_stills(config, path, seen)
      else:
        _make(config, path, classes, per_class, domain)
    except OSError as error:
      raise InputError(
        f"{name} cannot be written to {path} ({error}); give another folder with --config.data.dir"
      ) from error


def _make(config: Config, path: pathlib.Path, classes: Sequence[str], per_class: int, domain: str) -> None:
  videos = path.with_name(path.name + "_videos")
  synthetic.write_videos(
    videos, classes, per_class, config.seed, domain,
    size=config.generated.size, num_frames=config.generated.num_frames,
  )  # fmt: skip
  entries = [
    Entry(str(synthetic.video_path(videos, name, index)), label, f"{name}/{index}")
    for label, name in enumerate(classes)
    for index in range(per_class)
  ]
  build_records(entries, classes, path, short_side=config.data.short_side)


def _make_stills(config: Config, path: pathlib.Path, seen: Sequence[str]) -> None:
  """Larger than the videos' frames: boxes that move over them are cut out (E2E section 4.1)."""
  pictures = path.with_name(path.name + "_pictures")
  size, per_class = config.generated.size * 3 // 2, config.generated.train_per_class
  stills.write_stills(pictures, per_class, config.seed, "studio", seen, size=size)
  entries = [
    Entry(str(stills.still_path(pictures, name, index)), label, f"{name}/{index}")
    for label, name in enumerate(stills.STILL_NAMES)
    for index in range(per_class)
  ]
  short_side = max(size, config.data.short_side)
  build_records(entries, stills.STILL_NAMES, path, short_side=short_side, kind="image")
