import hashlib
import pathlib
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from tiny_videos import CODECS, frame_numbers, ramp_frames, write_audio, write_video

from zsar_jax.data import decode
from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.decode import Decoder, VideoError, decode_video, read_frames

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "video"


@pytest.fixture(scope="module")
def decoder():
  with Decoder() as shared:
    yield shared


def from_jpegs(jpegs: list[bytes]) -> np.ndarray:
  frames = []
  for jpeg in jpegs:
    codec = av.CodecContext.create("mjpeg", "r")
    (frame,) = codec.decode(av.Packet(jpeg))
    frames.append(frame.to_ndarray(format="rgb24"))
  return np.stack(frames)


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_every_container_is_read_whole(suffix, tmp_path, decoder):
  path = write_video(tmp_path / f"a{suffix}", ramp_frames(12, 48, 64, first=20))
  video = decoder.video(str(path), 24)
  assert (video.height, video.width) == (24, 32)
  assert video.fps == pytest.approx(10, rel=0.01)
  assert video.source_hash == hashlib.sha256(path.read_bytes()).hexdigest()
  np.testing.assert_array_equal(video.crcs, crc32c(video.frames))
  decoded = from_jpegs(video.frames)
  if suffix == ".gif":  # 256 colours: levels are approximate
    assert len(decoded) == 12
  else:
    np.testing.assert_array_equal(frame_numbers(decoded, first=20), np.arange(12))
  frames, fps = decoder.frames(str(path), short_side=24)
  assert fps == video.fps
  np.testing.assert_allclose(frames.mean((1, 2)), decoded.mean((1, 2)), atol=4)


def test_colours_survive(tmp_path, decoder):
  colours = np.array([[200, 40, 40], [40, 180, 60], [30, 60, 210], [128, 128, 128]], np.uint8)
  frames = np.broadcast_to(colours[:, None, None], (4, 32, 32, 3))
  path = write_video(tmp_path / "a.mp4", frames)
  found = from_jpegs(decoder.video(str(path), 16).frames).mean((1, 2))
  np.testing.assert_allclose(found, colours, atol=6)


def test_shrinking_does_not_alias(tmp_path, decoder):
  stripes = np.zeros((2, 96, 96, 3), np.uint8)
  stripes[:, :, ::2] = 255
  path = write_video(tmp_path / "a.mkv", stripes)
  small, _ = decoder.frames(str(path), short_side=24)
  assert small.std() < 10
  np.testing.assert_allclose(small.mean(), 127, atol=12)


@pytest.mark.parametrize(
  ("height", "width", "expected"), [(48, 64, (32, 43)), (64, 48, (43, 32)), (16, 16, (32, 32))]
)
def test_short_side(height, width, expected, tmp_path, decoder):
  path = write_video(tmp_path / "a.mp4", ramp_frames(2, height, width))
  video = decoder.video(str(path), 32)
  assert (video.height, video.width) == expected
  assert from_jpegs(video.frames).shape[1:3] == expected


def test_fps_drops_frames_evenly_and_never_adds(tmp_path, decoder):
  path = write_video(tmp_path / "a.mp4", ramp_frames(20), fps=10)
  frames, fps = decoder.frames(str(path), fps=5)
  assert fps == 5
  np.testing.assert_array_equal(frame_numbers(frames), np.arange(0, 20, 2))
  frames, fps = decoder.frames(str(path), fps=4)
  assert len(frames) == 8
  frames, fps = decoder.frames(str(path), fps=100)
  assert (len(frames), fps) == (20, 10)


def test_quality_costs_bytes(tmp_path, decoder):
  noise = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
  path = write_video(tmp_path / "a.mp4", noise)
  sizes = [sum(map(len, decoder.video(str(path), 32, jpeg_quality=q).frames)) for q in (10, 50, 95, 100)]
  assert sizes == sorted(set(sizes))


def test_a_picture_is_the_same_bytes_every_time(tmp_path):
  path = str(write_video(tmp_path / "a.avi", ramp_frames(5)))
  assert decode_video(path, 24).frames == decode_video(path, 24).frames


def damaged(tmp_path: pathlib.Path, kind: str) -> pathlib.Path:
  path = tmp_path / f"{kind}.avi"
  if kind == "truncated":
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.avi", noise).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
  elif kind == "empty":
    path.write_bytes(b"")
  elif kind == "random":
    path.write_bytes(np.random.default_rng(0).bytes(5000))
  elif kind == "audio":
    return write_audio(tmp_path / "audio.mp4")
  return path


@pytest.mark.parametrize(
  ("kind", "reason"),
  [
    ("truncated", r"fewer frames than declared: \d+ of 30"),
    ("empty", "unreadable: the file is empty"),
    ("random", "unreadable: invalid data"),
    ("absent", "unreadable: no such file"),
    ("audio", "no video stream"),
  ],
)
def test_faults_are_named(kind, reason, tmp_path, decoder):
  path = str(damaged(tmp_path, kind))
  with pytest.raises(VideoError, match=reason):
    decoder.video(path, 24)
  with pytest.raises(VideoError, match=reason):
    decoder.frames(path)


def test_a_truncated_mp4_is_refused(tmp_path, decoder):
  whole = write_video(tmp_path / "a.mp4", ramp_frames(20)).read_bytes()
  (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
  with pytest.raises(VideoError, match=r"unreadable|fewer frames"):
    decoder.video(str(tmp_path / "b.mp4"), 24)


def test_frames_that_the_file_itself_cuts_away_are_not_missed(tmp_path, decoder):
  whole = write_video(tmp_path / "a.mp4", ramp_frames(20))
  with av.open(str(whole)) as source, av.open(str(tmp_path / "b.mp4"), "w") as target:
    stream = target.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(video=0):
      if packet.dts is not None:  # the last one only ends the stream
        shift = int(0.8 / packet.time_base)
        packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
        target.mux(packet)
  video = decoder.video(str(tmp_path / "b.mp4"), 24)
  assert video.source_frames == 20
  np.testing.assert_array_equal(frame_numbers(from_jpegs(video.frames)), np.arange(8, 20))


def hang(*_):
  time.sleep(1000)


def test_a_decoder_that_hangs_is_ended(monkeypatch):
  monkeypatch.setattr(decode, "_decode_video", hang)
  with pytest.raises(VideoError, match=r"timeout: not done after 0\.3 s"):
    decode_video("a.mp4", 24, timeout=0.3)


def test_errors_survive_the_process_boundary(tmp_path):
  with pytest.raises(VideoError, match="no such file"):
    read_frames(str(tmp_path / "nothing.mp4"))


def test_reading_needs_no_tensorflow_and_importing_needs_no_pyav():
  code = (
    "import sys; sys.modules['tensorflow'] = None\n"
    "import zsar_jax.data.decode, zsar_jax.data.sampling, zsar_jax.data.index\n"
    "assert 'av' not in sys.modules and 'jax' not in sys.modules"
  )
  subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample videos are not there")
def test_real_videos(decoder):
  ucf = sorted((SHARED / "ucf101").glob("*/*.avi"))[0]
  video = decoder.video(str(ucf), 128)
  assert (video.height, video.width) == (128, 171)
  assert len(video.frames) == video.source_frames
  mp4 = sorted((SHARED / "actions7").glob("*/*.mp4"))[0]
  frames, fps = decoder.frames(str(mp4), short_side=64)
  assert frames.shape == (81, 64, 111, 3)
  assert fps == 8
