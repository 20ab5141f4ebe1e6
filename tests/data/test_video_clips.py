"""Clips cut straight from a video file are those that the evaluation reads from records, to the last bit."""

import pathlib

import av
import numpy as np
import pytest
from PIL import Image
from tiny_videos import clips_of, frame_numbers, ramp_frames, write_audio, write_video

from zsar_jax.data import sampling, video_clips
from zsar_jax.data.decode import Decoder, VideoError
from zsar_jax.data.jpeg import encode_jpegs
from zsar_jax.data.video_clips import ClipOptions, read_clips
from zsar_jax.data.video_source import VideoSource

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "video"
OPTIONS = ClipOptions(short_side=24, crop=16, num_frames=4, stride=2, num_clips=5)


def noise(path, length=40, height=48, width=64, fps=10):
  """A video whose pixels all differ."""
  frames = np.random.default_rng(0).integers(0, 200, (length, height // 4, width // 4, 3), np.uint8)
  return write_video(path, frames.repeat(4, axis=1).repeat(4, axis=2), fps)


@pytest.mark.parametrize(
  ("stored", "options"),
  [
    pytest.param(24, OPTIONS, id="plain"),
    pytest.param(24, OPTIONS._replace(fps=4.0, crop=24), id="fewer frames a second"),
    pytest.param(41, OPTIONS._replace(short_side=41, crop=33, num_clips=1), id="odd sizes"),
    pytest.param(48, OPTIONS._replace(stored_short_side=48), id="half as large"),
    pytest.param(40, OPTIONS._replace(stored_short_side=40), id="resized"),
    pytest.param(61, OPTIONS._replace(stored_short_side=61), id="half and resized"),
  ],
)
def test_clips_are_those_of_the_records(stored, options, tmp_path):
  pytest.importorskip("tensorflow")
  from zsar_jax.data.build import build_records
  from zsar_jax.data.index import open_index
  from zsar_jax.data.pipeline import ClipSpec, eval_batches
  from zsar_jax.data.schema import Entry

  paths = [
    noise(tmp_path / "a.mp4"),
    noise(tmp_path / "b.avi", 5, 64, 48),
  ]  # the second is shorter than a clip
  entries = [Entry(str(path), 0, path.name) for path in paths]
  build_records(entries, ("a",), tmp_path / "records", short_side=stored, fps=options.fps, workers=1)
  index = open_index(tmp_path / "records")
  spec = ClipSpec(options.num_frames, options.stride, options.crop, options.short_side)
  rows = np.argsort([index.video_id(row) for row in range(2)])
  batches = eval_batches(
    index, rows, index.label[rows], spec, batch_size=2, num_clips=options.num_clips, workers=1
  )
  expected = clips_of(next(iter(batches)))
  for path, each in zip(paths, expected, strict=True):
    clips = read_clips(str(path), options)
    np.testing.assert_array_equal(clips.frames[clips.positions], each)


def test_clips_and_windows_of_a_video(tmp_path):
  path = write_video(tmp_path / "a.mp4", ramp_frames(26, 48, 64))
  with Decoder() as decoder:
    clips = decoder.clips(str(path), OPTIONS._replace(windows=True))
  assert clips.num_clips == 5
  assert (clips.num_frames, clips.seconds) == (26, pytest.approx(2.6))
  windows = sampling.even_clips(np.array([26]), 4, 4, 2)[0]  # 26 frames hold four clips of seven frames
  expected = np.concatenate([sampling.even_clips(np.array([26]), 5, 4, 2)[0], windows])
  np.testing.assert_array_equal(frame_numbers(clips.frames)[clips.positions], expected)
  np.testing.assert_allclose(clips.start, windows[:, 0] / 10, atol=1e-5)
  np.testing.assert_allclose(clips.end, windows[:, -1] / 10 + 0.1, atol=1e-5)
  assert len(clips.frames) == len(np.unique(expected))


def test_a_short_video_is_looped_and_has_one_window(tmp_path):
  path = write_video(tmp_path / "a.mp4", ramp_frames(3, 48, 64))
  clips = read_clips(str(path), OPTIONS._replace(windows=True))
  np.testing.assert_array_equal(frame_numbers(clips.frames)[clips.positions], [[0, 2, 1, 0]] * 6)
  np.testing.assert_allclose((clips.start, clips.end), [[0], [0.3]], atol=1e-5)


def test_a_long_video_has_a_hundred_windows_and_no_other_frames_are_kept(tmp_path):
  path = write_video(tmp_path / "a.mp4", ramp_frames(1000, 24, 32) % 200, fps=30)
  clips = read_clips(str(path), OPTIONS._replace(windows=True, num_clips=1))
  assert clips.positions.shape == (101, 4)
  assert len(clips.frames) == 101 * 4 - len(np.intersect1d(clips.positions[:1], clips.positions[1:]))


@pytest.mark.parametrize("told", [0, 9, 25, 27, 300])
def test_a_file_that_counts_otherwise_is_cut_by_what_it_decodes_to(told, tmp_path, monkeypatch):
  path = write_video(tmp_path / "a.mp4", ramp_frames(26, 48, 64))
  expected = read_clips(str(path), OPTIONS)
  monkeypatch.setattr(video_clips, "_counted", lambda *_: told)
  found = read_clips(str(path), OPTIONS)
  np.testing.assert_array_equal(found.frames, expected.frames)
  np.testing.assert_array_equal(found.positions, expected.positions)


@pytest.mark.parametrize("fps", [None, 10.0, 7.3, 4.0, 0.5])
def test_frames_are_counted_as_they_are_kept(fps, tmp_path):
  path = str(write_video(tmp_path / "a.mp4", ramp_frames(26, 48, 64)))
  with VideoSource(path, 24, fps) as source:
    num = len(list(source.frames()))
    assert source.num_kept(source.num_decoded) == num
    assert [source.num_kept(some) for some in (0, 1)] == [0, 1]
  with VideoSource(path, 24, fps) as source:
    assert source.num_kept(sum(1 for _ in source.packet_times())) == num


def test_some_frames_of_a_source_are_the_same_as_among_all(tmp_path):
  path = str(noise(tmp_path / "a.mp4", 12))

  def jpegs(wanted):
    with VideoSource(path, 24, None) as source:
      return encode_jpegs(source.frames(wanted=wanted), lambda: (source.height, source.width), 95)

  every = jpegs(None)
  assert jpegs({3, 4, 11}) == [every[3], every[4], every[11]]


def test_limits_are_told_in_words(tmp_path):
  path = str(write_video(tmp_path / "a.mp4", ramp_frames(26, 48, 64)))
  assert read_clips(path, OPTIONS._replace(most_seconds=2.6, most_pixels=48 * 64))
  with pytest.raises(VideoError, match=r"too long: expected at most 2\.5 s"):
    read_clips(path, OPTIONS._replace(most_seconds=2.5))
  with pytest.raises(VideoError, match="too large: its frames are 64 x 48, expected at most 3,000 pixels"):
    read_clips(path, OPTIONS._replace(most_pixels=3000))


def test_a_header_that_hides_the_length_does_not_help(tmp_path, monkeypatch):
  path = str(write_video(tmp_path / "a.mp4", ramp_frames(26, 48, 64)))
  monkeypatch.setattr(VideoSource, "declared_seconds", 0.0)
  with pytest.raises(VideoError, match="too long"):
    read_clips(path, OPTIONS._replace(most_seconds=2))
  monkeypatch.setattr(video_clips, "_counted", lambda *_: 26)  # nor packets without times
  monkeypatch.setattr(VideoSource, "declared_size", (0, 0))
  with pytest.raises(VideoError, match="too long"):
    read_clips(path, OPTIONS._replace(most_seconds=2))
  with pytest.raises(VideoError, match="too large"):
    read_clips(path, OPTIONS._replace(most_pixels=3000))


def _same_times(path, delta, timescale):
  """Writes the file again with a clock of its own: every frame `delta` / `timescale` seconds after the last."""
  held = bytearray(path.read_bytes())
  at = held.index(b"stts") + 8
  for entry in range(int.from_bytes(held[at : at + 4], "big")):
    held[at + 8 + 8 * entry : at + 12 + 8 * entry] = delta.to_bytes(4, "big")
  at = held.index(b"mdhd")
  held[at + 16 : at + 20] = timescale.to_bytes(4, "big")
  for box, length in ((b"mdhd", 20), (b"mvhd", 20), (b"tkhd", 24)):
    at = held.index(box) + length
    held[at : at + 4] = (1).to_bytes(4, "big")
  for box in (b"edts", b"ctts"):
    held = held.replace(box, b"free")
  path.write_bytes(held)
  return str(path)


def test_a_clock_that_stands_still_hides_no_length(tmp_path):
  still = _same_times(write_video(tmp_path / "a.mp4", ramp_frames(150, 48, 64)), 0, 10_000)
  with pytest.raises(VideoError, match="too long: expected at most 2 s"):
    read_clips(still, OPTIONS._replace(most_seconds=2))
  racing = _same_times(write_video(tmp_path / "b.mp4", ramp_frames(150, 48, 64)), 1, 1_000_000)
  with pytest.raises(VideoError, match="at most 1 s of video, and 120 frames"):
    read_clips(racing, OPTIONS._replace(most_seconds=1))
  assert read_clips(racing, OPTIONS._replace(most_seconds=2)).num_frames == 150


def test_what_is_no_video_is_told_in_words(tmp_path):
  whole = write_video(tmp_path / "whole.mp4", ramp_frames(26, 48, 64))
  (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-400])
  (tmp_path / "empty.mp4").touch()
  (tmp_path / "text.txt").write_text("no video\n" * 100)
  (tmp_path / "text.mp4").write_text("no video\n" * 100)
  (tmp_path / "list.m3u8").write_text(
    f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.6,\n{whole}\n#EXT-X-ENDLIST\n"
  )
  (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile whole.mp4\n")
  Image.new("RGB", (64, 48)).save(tmp_path / "picture.png")
  write_audio(tmp_path / "sound.mp4")
  other = "known format"
  reasons = {
    "cut.mp4": "unreadable: ", "empty.mp4": "the file is empty", "text.txt": f"unreadable: invalid|{other}",
    "text.mp4": "unreadable: invalid", "list.m3u8": other, "list.ffconcat": other, "picture.png": other,
    "sound.mp4": "no video stream", "absent.mp4": "no such file", "": "a folder",
  }  # fmt: skip
  for name, reason in reasons.items():
    with pytest.raises(VideoError, match=reason) as raised:
      read_clips(str(tmp_path / name), OPTIONS)
    assert "\n" not in str(raised.value), name


def test_other_languages_and_patterns_in_names_are_names(tmp_path):
  for name in ("%03d.mp4", "a*b.mp4", "http:x.mp4", "vidéo 東.mp4"):
    path = write_video(tmp_path / name, ramp_frames(9, 48, 64))
    assert read_clips(str(path), OPTIONS).num_frames == 9


@pytest.mark.skipif(not (SHARED / "single").is_dir(), reason="no shared real videos beside the project")
def test_real_videos_are_counted_right_before_decoding():
  for path in sorted((SHARED / "single").iterdir()):
    with av.open(str(path)) as container:
      num = sum(1 for _ in container.decode(video=0))
    assert video_clips._counted(str(path), OPTIONS) == num
    assert read_clips(str(path), OPTIONS).num_frames == num
