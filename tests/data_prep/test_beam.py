import pathlib

import pytest
from tiny_videos import CLASSES, ramp_frames, write_video

from data_prep.beam import make_runner
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

pytest.importorskip("apache_beam")
pytestmark = pytest.mark.filterwarnings("default")  # Beam's own


@pytest.fixture
def entries(tmp_path):
  found = []
  for number in range(5):
    path = write_video(tmp_path / "videos" / f"{number}.mp4", ramp_frames(4 + number))
    found.append(Entry(str(path), number % 3, path.name))
  bad = tmp_path / "videos" / "bad.mp4"
  bad.write_bytes(b"")
  return [*found, Entry(str(bad), 0, bad.name)]


def contents(directory: pathlib.Path):
  files = [p for p in directory.rglob("*") if p.is_file() and p.name != "dataset_info.json"]
  return {p.relative_to(directory).as_posix(): p.read_bytes() for p in files}


def test_the_bytes_are_those_of_a_local_build(entries, tmp_path):
  options = {"short_side": 24, "videos_per_shard": 2}
  local = build_records(entries, CLASSES, tmp_path / "local", workers=1, **options)
  seen = []
  beamed = build_records(
    entries, CLASSES, tmp_path / "beam", runner=make_runner([]), progress=lambda *a: seen.append(a), **options
  )
  assert (beamed.num_videos, len(beamed.quarantined)) == (local.num_videos, 1) == (5, 1)
  assert seen[-1] == (6, 1)
  assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_only_unfinished_shards_are_given_to_beam(entries, tmp_path):
  options = {"short_side": 24, "videos_per_shard": 2}
  build_records(entries, CLASSES, tmp_path / "out", workers=1, **options)
  min((tmp_path / "out").glob("*.tfrecord-*")).unlink()
  given = []
  runner = make_runner(["--direct_num_workers=1"])
  again = build_records(
    entries,
    CLASSES,
    tmp_path / "out",
    runner=lambda specs, count: given.append(len(specs)) or runner(specs, count),
    **options,
  )
  assert given == [1]
  assert again.num_resumed == 4


def test_unknown_options_are_named():
  with pytest.raises(InputError, match="no option 'direct_num_wokers'"):
    make_runner(["--direct_num_wokers=2"])
