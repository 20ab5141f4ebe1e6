"""Small pictures of videos for reports."""

import io
import subprocess
import sys

import numpy as np
from PIL import Image
from tiny_videos import frame_numbers

from zsar_jax.data.build import build_records
from zsar_jax.data.examples import read_example_frames
from zsar_jax.data.index import open_index
from zsar_jax.data.schema import Entry


def pictures(jpegs):
  return [np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in jpegs]


def build(folder, paths, **options):
  build_records([Entry(str(p), 0, p.name) for p in paths], ("a",), folder / "records", workers=1, **options)
  return open_index(folder / "records")


def test_frames_are_evenly_spaced_and_given_as_they_are_stored(index):
  row = int(np.argmax(index.num_frames))  # 24 frames of 24 x 32
  jpegs = read_example_frames(index, row)
  assert frame_numbers(np.stack(pictures(jpegs))).tolist() == [3, 9, 15, 21]
  assert jpegs == index.frame_bytes(np.array([row]), np.array([[3, 9, 15, 21]]))
  assert frame_numbers(np.stack(pictures(read_example_frames(index, row, 1)))).tolist() == [12]


def test_a_short_video_gives_each_frame_once(index):
  row = int(np.argmin(index.num_frames))
  jpegs = read_example_frames(index, row, num=50)
  assert frame_numbers(np.stack(pictures(jpegs))).tolist() == list(range(index.num_frames[row]))
  assert read_example_frames(index, row, num=0) == []


def test_large_frames_are_shrunk(index):
  (small,) = pictures(read_example_frames(index, 0, 1, short_side=12))
  assert small.shape == (12, 16, 3)


def test_a_still_gives_one_picture_of_its_colours(tmp_path):
  gradient = np.zeros((300, 200, 3), np.uint8)
  gradient[..., 0] = np.arange(300)[:, None] // 2
  Image.fromarray(gradient).save(tmp_path / "a.png")
  index = build(tmp_path, [tmp_path / "a.png"], short_side=200, kind="image")
  (jpeg,) = read_example_frames(index, 0)
  assert jpeg[:2] == b"\xff\xd8"
  (picture,) = pictures([jpeg])
  assert picture.shape == (168, 112, 3)
  np.testing.assert_allclose(picture[:, :, 0].mean(1), np.linspace(0, 149.5, 168), atol=4)


def test_features_have_no_pictures(tmp_path):
  np.save(tmp_path / "a.npy", np.zeros((3, 4), np.float32))
  index = build(tmp_path, [tmp_path / "a.npy"], short_side=0, kind="features")
  assert read_example_frames(index, 0) == []


CODE = """
import sys
for name in ("tensorflow", "jax", "av"):
  sys.modules[name] = None
from zsar_jax.data.examples import read_example_frames
from zsar_jax.data.index import open_index
print(len(read_example_frames(open_index(sys.argv[1]), 0)))
"""


def test_needs_neither_tensorflow_nor_jax(records):
  done = subprocess.run(
    [sys.executable, "-c", CODE, str(records)], capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == "4"
