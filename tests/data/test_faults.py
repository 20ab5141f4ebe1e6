"""What goes wrong with tens of thousands of videos, all in one build; and a build that is killed, or finds the disk full."""

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction

import av
import numpy as np
import pytest
from tiny_videos import CLASSES, ramp_frames, write_audio, write_video

from data_prep.build import main as build
from zsar_jax.data.build import build_records
from zsar_jax.data.index import open_index
from zsar_jax.data.pipeline import ClipSpec, train_batches
from zsar_jax.data.schema import Entry

ROOT = pathlib.Path(__file__).parents[2]
LONG = "walk " + "ü" * 110 + ".mp4"  # 229 bytes
OPTIONS = {"short_side": 24, "videos_per_shard": 4}


def noise(num_frames):
  return np.random.default_rng(0).integers(0, 255, (num_frames, 48, 64, 3), np.uint8)


def faststart(path, frames):
  """An mp4 whose header comes first: cut short it still opens."""
  with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
    stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
    stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
    stream.codec_context.time_base = Fraction(1, 10)
    for array in frames:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
    container.mux(stream.encode(None))
  return path


def cut(path, share):
  path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
  return path


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
  """({file name: reason in quarantine.jsonl}, the build's summary, its directory)."""
  root = tmp_path_factory.mktemp("faulty")
  videos = root / "vidéos 日本"
  write_video(videos / "good.mp4", ramp_frames(8))
  write_video(videos / LONG, ramp_frames(8))
  write_video(videos / "one_frame.mp4", ramp_frames(1, first=100))
  write_video(videos / "wrong.avi", ramp_frames(8)).rename(videos / "really_avi.mp4")
  cut(write_video(videos / "header_at_end.mp4", noise(20)), 0.5)
  cut(faststart(videos / "header_first.mp4", noise(20)), 0.5)
  cut(write_video(videos / "short.avi", noise(20)), 0.5)
  (videos / "zero.mp4").write_bytes(b"")
  (videos / "random.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
  (videos / "text.mp4").write_text("This is not a video.\n" * 50)
  write_audio(videos / "sound.mp4")
  os.mkfifo(videos / "hangs.mp4")  # nobody writes to it: opening never returns
  entries = [Entry(str(path), number % 3, path.name) for number, path in enumerate(sorted(videos.iterdir()))]
  entries.append(Entry(str(videos / "good.mp4"), 0, "outside", 20.0, 30.0))
  entries.append(Entry(str(videos / "absent.mp4"), 0, "absent"))
  summary = build_records(entries, CLASSES, root / "out", workers=2, timeout=2, **OPTIONS)
  lines = [json.loads(line) for line in (root / "out" / "quarantine.jsonl").read_text("utf-8").splitlines()]
  return {pathlib.Path(line["path"]).name: line["reason"] for line in lines}, summary, root / "out"


@pytest.mark.parametrize(
  ("name", "reason"),
  [
    ("header_at_end.mp4", "unreadable"),
    ("header_first.mp4", r"unreadable: invalid data .* after \d+ frames"),
    ("short.avi", "fewer frames than declared"),
    ("zero.mp4", "unreadable: the file is empty"),
    ("random.mp4", "unreadable: invalid data"),
    ("text.mp4", "unreadable: invalid data"),
    ("sound.mp4", "no video stream"),
    ("hangs.mp4", "timeout: not done after 2 s"),
    ("good.mp4", "segment outside the video: 20 to 30 s asked for, it ends at 0.8 s"),
    ("absent.mp4", "unreadable: no such file"),
  ],
)
def test_a_fault_is_quarantined_with_its_reason(name, reason, faulty):
  assert re.search(reason, faulty[0][name])


def test_everything_else_is_kept(faulty):
  reasons, summary, out = faulty
  index = open_index(out)
  kept = {index.video_id(row) for row in range(len(index))}
  assert kept == {"good.mp4", LONG, "one_frame.mp4", "really_avi.mp4"}
  assert (summary.num_videos, len(summary.quarantined), len(reasons)) == (4, 10, 10)


def test_one_frame_is_counted_and_looped(faulty):
  _, summary, out = faulty
  assert summary.num_one_frame == 1
  index = open_index(out)
  (row,) = np.flatnonzero(index.num_frames == 1)
  batches = train_batches(
    index,
    np.array([row]),
    np.zeros(1, np.int32),
    np.zeros((1, 1), np.int32),
    ClipSpec(4, 1, 24),
    batch_size=1,
    seed=0,
    workers=1,
  )
  (clip,) = next(batches).frames[0]
  np.testing.assert_array_equal(clip, np.repeat(clip[:1], 4, axis=0))
  assert abs(clip.mean() - 100) < 5


def contents(directory):
  skipped = ("dataset_info.json", ".lock")  # TFDS's holds a date
  files = [p for p in directory.rglob("*") if p.is_file() and p.name not in skipped]
  return {p.relative_to(directory).as_posix(): p.read_bytes() for p in files}


KILLED = """
import os, pathlib, signal, threading, time
from zsar_jax.data.build import build_records
from zsar_jax.data.schema import (Entry)
from zsar_jax.data.tensorflow_import import tensorflow_datasets
out, how = pathlib.Path({out!r}), {how!r}
tensorflow_datasets()  # imported once, for all that are forked off
if how == "beam":
  import apache_beam

def build(attempt):
  def new():  # what this run has begun, or finished
    mine = out.rglob(f"*.tmp-{{os.getpid()}}-*") if attempt % 2 else out.glob("shards/*.npz")
    return set(map(str, mine))
  before = set() if attempt % 2 else new()
  def watch():
    while not new() - before:
      time.sleep(0.001)
    time.sleep(attempt * 0.004)
    os.kill(os.getpid(), signal.SIGKILL)
  threading.Thread(target=watch, daemon=True).start()
  first = []
  def progress(done, bad):  # goes no further than two shards: what is left is enough for all ten runs
    first.append(done)
    if done == first[0] + 3:
      time.sleep(300)
  runner = None
  if how == "beam":
    from data_prep.beam import make_runner
    runner = make_runner([])
  build_records([Entry(*e) for e in {entries!r}], {classes!r}, out, short_side=24, videos_per_shard=1,
                workers=int(how) if how != "beam" else None, runner=runner, progress=progress)

for attempt in range(10):
  child = os.fork()
  if child == 0:
    build(attempt)
    os._exit(0)
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
  "how", [pytest.param("1", marks=pytest.mark.slow), "2", pytest.param("beam", marks=pytest.mark.slow)]
)
def test_killed_ten_times_the_bytes_are_those_of_one_run(how, tmp_path):
  if how == "beam":
    pytest.importorskip("apache_beam")
  entries = []
  for number in range(24):
    path = write_video(tmp_path / "videos" / f"{number:02d}.mp4", ramp_frames(20, 96, 128))
    entries.append(tuple(Entry(str(path), number % 3, path.name)))
  out = tmp_path / "out"
  code = KILLED.format(out=str(out), how=how, entries=entries, classes=CLASSES)
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, timeout=400, check=False, cwd=ROOT
  )
  assert done.stdout.split() == [str(-signal.SIGKILL)] * 10, done.stderr
  assert not (out / "index").exists()
  options = {"short_side": 24, "videos_per_shard": 1}
  summary = build_records([Entry(*e) for e in entries], CLASSES, out, workers=2, **options)
  assert 0 < summary.num_resumed < 24
  assert not list(out.rglob("*.tmp-*"))
  build_records([Entry(*e) for e in entries], CLASSES, tmp_path / "whole", workers=1, **options)
  assert contents(out) == contents(tmp_path / "whole")


def test_a_full_disk_is_told_and_the_build_goes_on_later(tmp_path, capsys):
  for number in range(6):
    write_video(tmp_path / "videos" / CLASSES[number % 2] / f"{number}.mp4", noise(8 if number < 5 else 60))
  command = ["folder", "--videos", str(tmp_path / "videos"), "--out", str(tmp_path / "out"), "--short_side", "48",
             "--workers", "1", "--videos_per_shard", "1"]  # fmt: skip
  limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
  code = f"{limit}\nimport sys\nfrom data_prep.build import main\nsys.exit(main({command!r}))"
  done = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False
  )
  assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
  assert done.returncode == 2, done.stderr
  assert "Traceback" not in done.stderr
  assert f"writing to {tmp_path / 'out'} failed" in done.stderr
  assert not list((tmp_path / "out").rglob("*.tmp-*"))  # a full disk is not kept full
  assert build(command) == 0
  assert "were done before" in capsys.readouterr().out
  assert len(open_index(tmp_path / "out")) == 6


def test_a_second_build_is_kept_out(tmp_path):
  path = write_video(tmp_path / "a.mp4", ramp_frames(4))
  entries = [Entry(str(path), 0, "a"), Entry(str(path), 0, "b")]
  code = f"""
    from zsar_jax.data.build import build_records
    from zsar_jax.data.schema import Entry
    from zsar_jax.errors import InputError
    try:
      build_records([Entry({str(path)!r}, 0, "a")], ("a",), {str(tmp_path / "out")!r}, short_side=24)
    except InputError as error:
      print(error)
  """
  told = []

  def other(done, bad):
    if done == 1:
      told.append(
        subprocess.run(
          [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=100
        )
      )

  build_records(entries, ("a",), tmp_path / "out", short_side=24, workers=1, progress=other)
  assert "another build is writing" in told[0].stdout


def test_whatever_a_file_does_to_the_decoder_the_build_goes_on(tmp_path):
  """Bytes changed at random in headers and frames: a video is kept, or has a reason."""
  rng = np.random.default_rng(0)
  originals = [write_video(tmp_path / f"a{suffix}", noise(8)) for suffix in (".mp4", ".avi", ".mkv")]
  entries = []
  for number in range(90):
    source = originals[number % 3]
    contents = bytearray(source.read_bytes())
    near_the_front = rng.integers(0, 400, 3) if number % 2 else rng.integers(0, len(contents), 20)
    for place in near_the_front.tolist():
      contents[place] = int(rng.integers(0, 256))
    path = tmp_path / f"{number}{source.suffix}"
    path.write_bytes(contents)
    entries.append(Entry(str(path), number % 3, path.name))
  wide = write_video(tmp_path / "wide.mkv", np.zeros((2, 2, 2048, 3), np.uint8))
  codec = bytearray(originals[1].read_bytes())
  codec = codec.replace(b"FMP4", b"ZZZZ")
  (tmp_path / "codec.avi").write_bytes(codec)
  entries += [Entry(str(wide), 0, "wide"), Entry(str(tmp_path / "codec.avi"), 0, "codec")]
  summary = build_records(entries, CLASSES, tmp_path / "out", workers=2, short_side=128, timeout=10)
  reasons = {pathlib.Path(bad.path).stem: bad.reason for bad in summary.quarantined}
  assert summary.num_videos + len(reasons) == len(entries)
  assert "131072 x 128 pixels would be too large for a JPEG" in reasons["wide"]
  assert "no decoder" in reasons["codec"]
  assert summary.num_videos > 10
  assert len(reasons) > 10


def test_a_mended_video_is_taken_in_by_retry(tmp_path):
  whole = write_video(tmp_path / "whole.mp4", ramp_frames(6)).read_bytes()
  for name in "abc":
    (tmp_path / f"{name}.mp4").write_bytes(whole if name != "b" else whole[:100])
  entries = [Entry(str(tmp_path / f"{name}.mp4"), 0, name) for name in "abc"]
  options = {"short_side": 24, "videos_per_shard": 1, "workers": 1}
  build_records(entries, CLASSES, tmp_path / "out", **options)
  (tmp_path / "b.mp4").write_bytes(whole)
  assert build_records(entries, CLASSES, tmp_path / "out", **options).num_videos == 2
  again = build_records(entries, CLASSES, tmp_path / "out", retry=True, **options)
  assert (again.num_videos, again.num_resumed, again.quarantined) == (3, 2, ())
  build_records(entries, CLASSES, tmp_path / "fresh", **options)
  assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
