import pathlib

import pytest
from tiny_videos import CLASSES, ramp_frames, write_video

from zsar_jax.data.build import build_records
from zsar_jax.data.index import VideoIndex, open_index
from zsar_jax.data.schema import Entry


def make_entries(root: pathlib.Path) -> list[Entry]:
  """Ten videos of 6 to 24 frames in three classes; the last one is no video."""
  entries = []
  for i in range(10):
    path = root / CLASSES[i % 3] / f"v{i}.mp4"
    write_video(path, ramp_frames(6 + 2 * i))
    entries.append(Entry(str(path), i % 3, f"{CLASSES[i % 3]}/v{i}.mp4"))
  bad = root / "sit" / "bad.mp4"
  bad.write_bytes(b"this is no video" * 50)
  return [*entries, Entry(str(bad), 0, "sit/bad.mp4")]


@pytest.fixture(scope="session")
def entries(tmp_path_factory) -> list[Entry]:
  return make_entries(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="session")
def records(entries, tmp_path_factory) -> pathlib.Path:
  """Records of `entries` in three shards, short side 24. Read only: copy before damaging."""
  out = tmp_path_factory.mktemp("records") / "tiny"
  build_records(entries, CLASSES, out, short_side=24, workers=1, videos_per_shard=4)
  return out


@pytest.fixture(scope="session")
def more_records(entries, records) -> pathlib.Path:
  """Two other classes beside `records`: videos of 6, 8, 10 and 12 frames."""
  out = records.parent / "more"
  others = [entry._replace(label=row % 2) for row, entry in enumerate(entries[:4])]
  build_records(others, ("clap", "jump"), out, short_side=24, workers=1)
  return out


@pytest.fixture(scope="session")
def index(records) -> VideoIndex:
  return open_index(records)
