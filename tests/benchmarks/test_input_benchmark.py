"""The input benchmark: its videos, PyTorch's reader, the arithmetic of rates, and the command on a few tiny videos."""

import itertools
import json
import pathlib
import subprocess
import sys

import av
import numpy as np
import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_path(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def video(benchmark_path, tmp_path):
  import input_videos

  path = tmp_path / "class" / "a.mp4"
  input_videos.generate_video(str(path), 0, 2, 256)
  return str(path)


def decoded(path):
  with av.open(path) as container:
    return list(container.decode(video=0))


def test_small_copies_hold_every_frame_and_frequent_keyframes(video, tmp_path):
  import input_videos

  small = str(tmp_path / "small.mp4")
  num_bytes = input_videos.shrink_video(video, small, 128)
  before, after = decoded(video), decoded(small)
  assert (before[0].height, before[0].width, len(before)) == (256, 340, 60)
  assert (after[0].height, after[0].width, len(after)) == (128, 170, 60)
  assert sum(frame.key_frame for frame in before) == 1
  assert [t for t, frame in enumerate(after) if frame.key_frame] == [0, 12, 24, 36, 48]
  assert num_bytes == pathlib.Path(small).stat().st_size


def test_portrait_and_odd_sizes_become_even(benchmark_path):
  import input_videos

  assert input_videos.scaled_size(240, 427, 128) == (128, 228)
  assert input_videos.scaled_size(1280, 720, 256) == (456, 256)


@pytest.mark.parametrize("start", [0, 1, 13, 44])
def test_torch_side_reads_the_frames_asked_for(video, start):
  pytest.importorskip("torch")
  import torch_input

  clip = torch_input.read_clip(video, start, 16, 128, 112, corner=(3, 7))
  whole = [f.reformat(170, 128, "rgb24", interpolation="BILINEAR").to_ndarray() for f in decoded(video)]
  np.testing.assert_array_equal(clip, np.stack(whole[start : start + 16])[:, 3:115, 7:119])


def test_torch_side_repeats_the_last_frame_of_a_short_video(video):
  pytest.importorskip("torch")
  import torch_input

  clip = torch_input.read_clip(video, 50, 16, 128, 112, corner=(0, 0))
  assert (clip[10:] == clip[9]).all()
  assert not (clip[9] == clip[8]).all()


def test_rates_count_whole_rounds_of_the_workers(benchmark_path):
  import input as benchmark

  job = {"workers": 3, "batch": 8, "seconds": 0}
  taken = []
  rates = benchmark.rates(itertools.count(), lambda n: taken.append(n) or 2.0 * n, job, warm_up=2)
  # Two rounds of three batches measured after two that are not; 2 CPU seconds for each batch of 8.
  assert taken == list(range(12))
  assert rates["clips_per_cpu_second"] == pytest.approx(4)
  assert rates["clips_per_second"] > 0


@pytest.mark.slow
def test_command_reports_both_sides_and_the_limit():
  pytest.importorskip("torch")
  command = [sys.executable, "benchmarks/input.py", "--json", "--crops", "112", "--rounds", "1"]
  command += [
    "--num_videos",
    "4",
    "--video_seconds",
    "1",
    "--seconds",
    "0.1",
    "--batch",
    "2",
    "--workers",
    "1",
  ]
  done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True)
  row = json.loads(done.stdout)["rows"]["16x112"]
  assert set(row["median"]) == {"ours", "torch_raw", "torch_preshrunk", "limit"}
  for side, rates in row["median"].items():
    assert all(value > 0 for value in rates.values()), side
  ours, theirs = row["median"]["ours"], row["median"]["torch_raw"]
  expected = ours["clips_per_second"] / theirs["clips_per_second"]
  assert row["ratio"]["torch_raw"]["clips_per_second"] == pytest.approx(expected, rel=0.01)
  assert row["stored"]["videos"] == 4
  assert row["stored"]["frames"] == 120
