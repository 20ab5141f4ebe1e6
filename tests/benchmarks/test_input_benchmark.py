"""The input benchmarks: their videos, the readers of others, the arithmetic of rates, and the commands on a few tiny videos."""

import argparse
import importlib
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


@pytest.fixture(scope="module")
def made_video(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(BENCHMARKS))
    import input_videos

    path = tmp_path_factory.mktemp("videos") / "class" / "a.mp4"
    input_videos.generate_video(str(path), 0, 2, 256)
  return str(path)


@pytest.fixture
def video(benchmark_path, made_video):
  return made_video


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
def test_readers_give_the_frames_asked_for(video, start):
  import plain_input
  import pyav_input

  clip = pyav_input.read_clip(video, start, 16, 128, 112, corner=(3, 7))
  whole = [f.reformat(170, 128, "rgb24", interpolation="BILINEAR").to_ndarray() for f in decoded(video)]
  np.testing.assert_array_equal(clip, np.stack(whole[start : start + 16])[:, 3:115, 7:119])
  np.testing.assert_array_equal(plain_input.read_clip(video, start, 16, 128, 112, corner=(3, 7)), clip)
  pytest.importorskip("cv2")
  import opencv_input

  # Half the size by area: means of 2 x 2 pixels.
  other = opencv_input.read_clip(video, start, 16, 128, 112, corner=(3, 7))
  large = np.stack([f.to_ndarray(format="rgb24") for f in decoded(video)[start : start + 16]])
  means = large[:, 6:230, 14:238].reshape(16, 112, 2, 112, 2, 3).mean(axis=(2, 4))
  assert np.abs(other - means).max() <= 1


def test_opencv_side_does_not_touch_frames_of_the_right_size(video):
  pytest.importorskip("cv2")
  import opencv_input

  clip = opencv_input.read_clip(video, 30, 4, 256, 224, corner=(16, 32))
  whole = np.stack([f.to_ndarray(format="rgb24") for f in decoded(video)[30:34]])
  assert np.abs(clip.astype(int) - whole[:, 16:240, 32:256]).max() <= 2
  with pytest.raises(RuntimeError, match="no frame"):
    opencv_input.read_clip(video, 1000, 4, 256, 224)


@pytest.mark.parametrize("reader", ["pyav_input", "opencv_input"])
def test_a_short_video_repeats_its_last_frame(video, reader):
  if reader == "opencv_input":
    pytest.importorskip("cv2")
  module = importlib.import_module(reader)
  clip = module.read_clip(video, 50, 16, 128, 112, corner=(0, 0))
  assert (clip[10:] == clip[9]).all()
  assert not (clip[9] == clip[8]).all()


def test_sides_without_their_package_are_named(benchmark_path, monkeypatch):
  import input as benchmark

  monkeypatch.setattr(benchmark, "PACKAGES", {"opencv": ("no_such_package", "json"), "torch": ("json",)})
  assert benchmark.missing("opencv_raw") == "no_such_package"
  assert benchmark.missing("torch_preshrunk") == benchmark.missing("ours") == ""


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
  others = {side for side in row["median"] if "_" in side}
  assert others | set(row["not_measured"]) == {
    "torch_raw",
    "plain_raw",
    "torch_preshrunk",
    "opencv_raw",
    "opencv_preshrunk",
  }
  assert set(row["ratio"]) == others
  assert set(row["median"]) == others | {"ours", "limit"}
  for side, rates in row["median"].items():
    assert all(value > 0 for value in rates.values()), side
  ours, theirs = row["median"]["ours"], row["median"]["torch_raw"]
  expected = ours["clips_per_second"] / theirs["clips_per_second"]
  assert row["ratio"]["torch_raw"]["clips_per_second"] == pytest.approx(expected, rel=0.01)
  assert row["stored"]["videos"] == 4
  assert row["stored"]["frames"] == 120


def test_variants_tell_the_floor_and_the_prediction(video, benchmark_path):
  import input_pictures
  import input_variants
  from input_pictures import Variant

  names = [variant.name for variant in input_variants.VARIANTS]
  assert len(set(names)) == len(names)
  # The first variant of each crop is what the papers' configs read.
  firsts = [next(v for v in input_variants.VARIANTS if v.crop == crop) for crop in (112, 224)]
  assert firsts == [Variant(112, 128), Variant(224, 256)]
  assert input_variants.cpu_seconds(Variant(224, 256), 1e6) == pytest.approx(
    7e-3 + 2.5e-9 * 16 * 224**2 + 4e-4
  )
  assert input_variants.cpu_seconds(Variant(224, 256, group=4), 1e6) is None
  clips, wall, cpu = input_pictures.read_clips([(video, 60)], 128, 112, 0)
  assert clips == 1
  assert min(wall, cpu) > 0


@pytest.mark.slow
def test_coarser_variants_lose_more_and_take_less(video, benchmark_path, tmp_path):
  import input_pictures
  import input_variants
  from input_pictures import Variant

  source = pathlib.Path(video)
  variants = (
    Variant(112, 128, quality=95),
    Variant(112, 128, quality=50),
    Variant(112, 256, quality=95, scaled_to=128),
    Variant(112, 128, group=4),
  )
  stored = [input_variants.store(variant, source.parent.parent, tmp_path, 1) for variant in variants]
  fine, coarse, scaled, encoded = (
    input_pictures.psnr(variant, form.records, form.copies, [source])
    for variant, form in zip(variants, stored, strict=True)
  )
  assert coarse + 5 < fine < scaled < 50
  assert coarse < encoded < fine
  sizes = [form.bytes_per_clip for form in stored]
  assert sizes[3] < sizes[1] < sizes[0] / 2 < sizes[2]


def test_feeding_takes_measured_rates_where_there_are_some(benchmark_path):
  import feeding

  options = argparse.Namespace(device="h200")
  per_core = {"median": {"ours": {"clips_per_second_per_core": 100.0}}}
  variants = [
    {"name": "base", "crop": 224, "cheaper": 1.0, "bytes_per_clip": 400, "psnr": 40.0},
    {"name": "half", "crop": 224, "cheaper": 1.6, "bytes_per_clip": 200, "psnr": 35.0},
    {"name": "other crop", "crop": 112, "cheaper": 9.0, "bytes_per_clip": 1, "psnr": 30.0},
  ]
  inputs = {
    "rates": {"models": {"resnet18": {"num_frames": 8, "train": {"clips_per_second": {"ours": 2000.0}}}}},
    "input": {"rows": {"16x224": per_core}},
    "variants": {"variants": variants},
  }
  one = feeding.row("resnet18", "train", options, inputs, feeding.find_device("h200"))
  assert (one["rate"], one["num_frames"]) == ("measured", 8)
  at = one["at"]["measured"]
  # 100 clips of 16 frames a second and core.
  assert at["cores"] == pytest.approx(2000 * 8 / 16 / 100, abs=0.06)
  assert at["bytes_to_device_per_second"] == 2000 * 8 * 224 * 224 * 3
  assert set(one["other_ways"]) == {"half"}
  assert one["other_ways"]["half"]["cores"] == pytest.approx(at["cores"] / 1.6, abs=0.06)
  assert one["other_ways"]["half"]["bytes_read_per_second"] == pytest.approx(
    at["bytes_read_per_second"] / 2, abs=1
  )
  assert "2000 measured" in feeding.table([one])


def test_feeding_computes_the_other_rates(benchmark_path):
  import feeding

  options = argparse.Namespace(device="h200")
  inputs = {
    "rates": {},
    "input": json.loads((BENCHMARKS / "results" / "input-cpu.json").read_text()),
    "variants": {},
  }
  device = feeding.find_device("h200")
  one = feeding.row("resnet18", "train", options, inputs, device)
  assert one["rate"] == "computed"
  # 6 operations for each of 30.8 thousand million multiply-adds.
  assert one["at"]["50%"]["clips_per_second"] == pytest.approx(0.5 * device.bfloat16 / 6 / 30.8e9, rel=0.01)
  cores = [point["cores"] for point in one["at"].values()]
  assert cores[1] == pytest.approx(cores[0] * 5 / 4, abs=0.1)
  assert cores[2] == pytest.approx(cores[0] * 6 / 4, abs=0.1)
  assert "not measured" in feeding.table([one])


@pytest.mark.slow
def test_command_compares_the_variants(tmp_path):
  out = tmp_path / "variants.json"
  command = [
    sys.executable,
    "benchmarks/input_variants.py",
    "--small",
    "--crops",
    "112",
    "--workers",
    "1",
    "--out",
    str(out),
  ]
  done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True)
  rows = json.loads(out.read_text())["variants"]
  assert len(rows) == 10
  assert all(row["cheaper"] > 0 and row["clips_per_second"] > 0 and 25 < row["psnr"] < 50 for row in rows)
  assert rows[0]["cheaper"] == rows[0]["predicted"] == 1
  assert "112 of 256 read as 128, quality 85" in done.stdout
