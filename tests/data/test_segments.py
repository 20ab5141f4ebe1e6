"""Parts of videos, still images, arrays of features and other records as sources of records."""

import io

import numpy as np
import pytest
from PIL import Image
from tiny_videos import CLASSES, CODECS, frame_numbers, ramp_frames, write_video

from zsar_jax.data.build import build_records
from zsar_jax.data.decode import Decoder, VideoError
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError


@pytest.fixture(scope="module")
def decoder():
  with Decoder() as shared:
    yield shared


def numbers(video):
  import av

  decoded = [av.CodecContext.create("mjpeg", "r").decode(av.Packet(f))[0] for f in video.frames]
  return frame_numbers(np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])).tolist()


@pytest.mark.parametrize("suffix", sorted(set(CODECS) - {".gif"}))
@pytest.mark.parametrize(
  ("start", "end", "first", "last"),
  [(0.0, 1.0, 0, 9), (1.0, 2.0, 10, 19), (0.56, None, 6, 24), (1.21, 1.79, 12, 17), (2.0, 9.0, 20, 24)],
)
def test_a_segment_holds_the_frames_of_its_time(suffix, start, end, first, last, tmp_path, decoder):
  path = write_video(tmp_path / f"a{suffix}", ramp_frames(25))
  video = decoder.video(str(path), 24, start=start, end=end)
  assert numbers(video) == list(range(first, last + 1))
  assert (video.start, video.end) == pytest.approx((first / 10, last / 10 + 0.1), abs=0.02)
  assert len(numbers(decoder.video(str(path), 24, start=start, end=end, fps=5))) == -(
    -(last + 1 - first) // 2
  )


@pytest.mark.parametrize("segment", [(3.0, 4.0), (2.6, None)])
def test_a_segment_outside_is_refused(segment, tmp_path, decoder):
  path = write_video(tmp_path / "a.mp4", ramp_frames(25))
  with pytest.raises(VideoError, match=r"segment outside the video: .* asked for, it ends at 2\.5 s"):
    decoder.video(str(path), 24, start=segment[0], end=segment[1])


def test_a_segment_of_a_file_cut_short_is_refused(tmp_path, decoder):
  noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
  path = write_video(tmp_path / "a.avi", noise)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  with pytest.raises(VideoError, match=r"fewer frames than declared|segment outside"):
    decoder.video(str(path), 24, start=1.0, end=6.0)


def test_segments_of_one_file_are_videos_of_their_own(tmp_path):
  path = str(write_video(tmp_path / "a.mp4", ramp_frames(25)))
  entries = [Entry(path, 0, "a_0", 0.0, 1.0), Entry(path, 1, "a_1", 1.5, 2.5)]
  build_records(entries, CLASSES, tmp_path / "out", short_side=24, workers=1)
  index = open_index(tmp_path / "out")
  assert sorted(index.num_frames.tolist()) == [10, 10]
  import tensorflow_datasets as tfds

  examples = tfds.builder_from_directory(str(tmp_path / "out")).as_dataset(split="videos").as_numpy_iterator()
  found = {e["video_id"].decode(): e for e in examples}
  assert (found["a_1"]["start"], found["a_1"]["end"]) == pytest.approx((1.5, 2.5), abs=1e-3)
  assert found["a_0"]["source_size"] == (tmp_path / "a.mp4").stat().st_size
  assert (found["a_0"]["source_fps"], found["a_0"]["source_frames"]) == (10, 25)


@pytest.mark.parametrize(
  ("name", "mode"),
  [
    ("a.jpg", "RGB"),
    ("%03d.jpg", "L"),
    ("c*?.jpeg", "CMYK"),
    ("100% b.png", "RGB"),
    ("d.png", "RGBA"),
    ("e.png", "P"),
  ],
)
def test_a_still_image_is_a_video_of_one_frame(name, mode, tmp_path, decoder):
  Image.new("RGB", (60, 40), (200, 40, 40)).convert(mode).save(tmp_path / name)
  image = decoder.image(str(tmp_path / name), 20)
  assert (len(image.frames), image.height, image.width, image.fps) == (1, 20, 30, 0)
  colour = np.asarray(Image.open(io.BytesIO(image.frames[0])).convert("RGB")).mean((0, 1))
  expected = np.asarray(Image.open(tmp_path / name).convert("RGB")).mean((0, 1))
  np.testing.assert_allclose(colour, expected, atol=8)


def test_features(tmp_path):
  rng = np.random.default_rng(0)
  arrays = {"a": rng.standard_normal((5, 7)), "b": rng.standard_normal(7), "c": rng.standard_normal((3, 7))}
  for name, array in arrays.items():
    np.save(tmp_path / f"{name}.npy", array)
  np.savez(tmp_path / "many.npz", features=rng.standard_normal((2, 4, 7)), labels=[0, 1])
  np.save(tmp_path / "nan.npy", np.full((2, 7), np.nan))
  np.save(tmp_path / "text.npy", np.array(["a"]))
  (tmp_path / "broken.npz").write_bytes(b"PK nothing")
  entries = [Entry(str(tmp_path / f"{n}.npy"), 0, n) for n in (*arrays, "nan", "text")]
  entries += [Entry(str(tmp_path / "many.npz"), row, f"many{row}", row=row) for row in range(3)]
  entries += [Entry(str(tmp_path / "broken.npz"), 0, "broken")]
  summary = build_records(entries, CLASSES, tmp_path / "out", short_side=0, kind="features", workers=1)
  reasons = " ".join(bad.reason for bad in summary.quarantined)
  assert len(summary.quarantined) == 4
  for part in ("not all finite", "expected numbers, found <U1", "with a row 2", "not an array of numbers"):
    assert part in reasons
  index = open_index(tmp_path / "out")
  assert (index.kind, index.encoding) == ("features", "float32")
  for row in range(len(index)):
    count, name = int(index.num_frames[row]), index.video_id(row)
    found = np.frombuffer(b"".join(index.frame_bytes(np.array([row]), np.arange(count)[None])), "<f4")
    if name in arrays:
      np.testing.assert_array_equal(found.reshape(-1, 7), np.atleast_2d(arrays[name]).astype("f4"))
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(str(tmp_path / "out"))
  widths = {e["features"].shape[1] for e in builder.as_dataset(split="videos").as_numpy_iterator()}
  assert widths == {7}


def test_features_of_two_widths_are_refused(tmp_path):
  np.save(tmp_path / "a.npy", np.ones((2, 7)))
  np.save(tmp_path / "b.npy", np.ones((2, 8)))
  entries = [Entry(str(tmp_path / f"{n}.npy"), 0, n) for n in "ab"]
  with pytest.raises(InputError, match=r"one width; found 7 \(1 videos\), 8 \(1 videos\)"):
    build_records(entries, CLASSES, tmp_path / "out", short_side=0, kind="features", workers=1)


def test_records_are_stored_again_at_another_size(records, tmp_path):
  source = open_index(records)
  entries = [Entry(str(records), int(source.label[r]), source.video_id(r), row=r) for r in range(len(source))]
  build_records(entries, CLASSES, tmp_path / "out", short_side=12, workers=1)
  small = open_index(tmp_path / "out")
  by_id = {small.video_id(row): row for row in range(len(small))}
  for row in range(len(source)):
    again = by_id[source.video_id(row)]
    assert (small.height[again], small.width[again], small.fps[again]) == (12, 16, source.fps[row])
    assert small.num_frames[again] == source.num_frames[row]
