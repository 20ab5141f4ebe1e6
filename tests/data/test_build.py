import json
import os

import pytest
from tiny_videos import CLASSES

from zsar_jax.data.build import build_records
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError


def contents(directory):
  files = [p for p in directory.rglob("*") if p.is_file() and p.name != "dataset_info.json"]
  return {p.relative_to(directory).as_posix(): p.read_bytes() for p in files}


def build(entries, out, **options):
  options = {"short_side": 24, "workers": 2, "videos_per_shard": 4} | options
  return build_records(entries, CLASSES, out, **options)


def test_summary_and_quarantine(entries, tmp_path):
  seen = []
  summary = build(entries, tmp_path / "out", progress=lambda done, bad: seen.append((done, bad)))
  assert summary.num_videos == 10
  (bad,) = summary.quarantined
  assert bad.path.endswith("bad.mp4")
  lines = (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()
  assert [json.loads(line) for line in lines] == [bad._asdict()]
  assert summary.num_bytes == sum(p.stat().st_size for p in (tmp_path / "out").glob("*.tfrecord-*"))
  assert [done for done, _ in seen] == list(range(12))
  assert seen[-1] == (11, 1)


def test_bytes_do_not_depend_on_workers_or_the_order_of_entries(entries, records, tmp_path):
  build(entries[::-1], tmp_path / "out", workers=3)
  assert contents(tmp_path / "out") == contents(records)


def test_a_second_run_does_nothing(entries, tmp_path):
  build(entries, tmp_path / "out")
  before = contents(tmp_path / "out")
  summary = build([e._replace(path=e.path) for e in entries], tmp_path / "out")
  assert summary.num_resumed == 11
  assert contents(tmp_path / "out") == before


def test_a_damaged_shard_is_mended(entries, records, tmp_path):
  out = tmp_path / "out"
  build(entries, out)
  os.truncate(min(out.glob("*.tfrecord-*")), 100)
  assert build(entries, out).num_resumed == 7
  assert contents(out) == contents(records)


def test_other_options_or_videos_are_refused(entries, tmp_path):
  build(entries[:2], tmp_path / "out")
  with pytest.raises(InputError, match=r"short_side: 24 there, 32 asked(?s:.*)fps: None there, 5 asked"):
    build(entries[:2], tmp_path / "out", short_side=32, fps=5)
  with pytest.raises(InputError, match="num_videos: 2 there, 3 asked for"):
    build(entries[:3], tmp_path / "out")


def test_wrong_input_is_all_named(entries, tmp_path):
  wrong = [*entries, entries[0], Entry("a.mp4", 3, "a")]
  with pytest.raises(InputError) as error:
    build(wrong, tmp_path / "out", jpeg_quality=0, short_side=0, fps=-1)
  for part in ("ids must differ", "0..2", "jpeg_quality 0", "short_side 0", "fps -1"):
    assert part in str(error.value)
  assert not (tmp_path / "out").exists()


def test_an_unwritable_place(entries, tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot write to"):
    build(entries, tmp_path / "file" / "out")


def test_no_readable_video(entries, tmp_path):
  with pytest.raises(InputError, match=r"none of 1 videos could be read(?s:.*)bad\.mp4: unreadable"):
    build(entries[-1:], tmp_path / "out")


def test_a_shard_of_bad_videos_alone(entries, tmp_path):
  bad = [entries[-1]._replace(video_id=f"bad{i}") for i in range(6)]
  summary = build([*bad, entries[0]], tmp_path / "out", videos_per_shard=1)
  assert summary.num_videos == 1
  assert len(open_index(tmp_path / "out")) == 1
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(str(tmp_path / "out"))
  assert len(list(builder.as_dataset(split="videos"))) == 1


def test_an_interrupt_leaves_no_process_behind(entries, tmp_path):
  def interrupt(done, bad):
    if done == 3:
      raise KeyboardInterrupt

  before = workers()  # of other tests
  with pytest.raises(KeyboardInterrupt):
    build(entries, tmp_path / "out", progress=interrupt)
  assert workers() <= before


def workers():
  import psutil

  return {c.pid for c in psutil.Process().children() if "zsar_jax.data.worker" in " ".join(c.cmdline())}
