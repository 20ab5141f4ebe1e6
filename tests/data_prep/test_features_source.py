import json

import numpy as np
import pytest

from data_prep.build import main
from data_prep.features import list_array, list_feature_folders
from zsar_jax.data.index import open_index
from zsar_jax.errors import InputError

RANDOM = np.random.default_rng(0)


def stored_vectors(index, video_id):
  row = [index.video_id(r) for r in range(len(index))].index(video_id)
  count = int(index.num_frames[row])
  found = index.frame_bytes(np.array([row]), np.arange(count)[None])
  return np.frombuffer(b"".join(found), "<f4").reshape(count, -1)


def test_folders_are_built_and_read_back(tmp_path, capsys):
  arrays = {
    "run/a": RANDOM.normal(size=(5, 8)),
    "run/b": RANDOM.normal(size=8),
    "sit/c": RANDOM.normal(size=(2, 8)),
  }
  for name, array in arrays.items():
    (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
    np.save(tmp_path / "f" / f"{name}.npy", array)
  np.savez(tmp_path / "f" / "sit" / "d.npz", times=np.zeros(3), features=np.ones((3, 8), np.float16))
  (tmp_path / "f" / "sit" / "bad.npy").write_bytes(b"no array")
  assert (
    main(["features", "--features", str(tmp_path / "f"), "--out", str(tmp_path / "out"), "--workers", "1"])
    == 0
  )
  told = capsys.readouterr().out
  assert "5 videos' features in 2 classes" in told
  assert "1 unreadable" in told
  index = open_index(tmp_path / "out")
  assert index.kind == "features"
  for name, array in arrays.items():
    np.testing.assert_array_equal(stored_vectors(index, f"{name}.npy"), np.atleast_2d(array).astype("<f4"))


def test_widths_must_agree(tmp_path):
  for name, width in (("a", 4), ("b", 4), ("c", 5)):
    (tmp_path / "run").mkdir(exist_ok=True)
    np.save(tmp_path / "run" / f"{name}.npy", np.zeros((2, width), np.float32))
  with pytest.raises(InputError, match=r"most have vectors of 4 numbers, these do not:\n.*c\.npy: 5"):
    list_feature_folders(tmp_path)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 6)])
def test_one_array_of_all_videos(shape, tmp_path):
  features = RANDOM.normal(size=shape).astype(np.float32)
  labels = np.array(["sit", "run", "sit", "über"])
  np.savez(tmp_path / "f.npz", features=features, labels=labels, video_ids=np.array(["a", "b", "c", "d"]))
  assert (
    main(
      ["features", "--features", str(tmp_path / "f.npz"), "--out", str(tmp_path / "out"), "--workers", "1"]
    )
    == 0
  )
  index = open_index(tmp_path / "out")
  assert index.class_names == ("run", "sit", "über")
  np.testing.assert_array_equal(stored_vectors(index, "c"), features[2].reshape(-1, 6))
  assert (tmp_path / "out" / "quarantine.jsonl").read_text() == ""
  assert json.loads((tmp_path / "out" / "build.json").read_text())["num_videos"] == 4


def test_numbers_with_class_names(tmp_path):
  np.savez(
    tmp_path / "f.npz", features=np.zeros((2, 3)), labels=np.array([1, 0]), class_names=np.array(["b", "a"])
  )
  listing = list_array(tmp_path / "f.npz")
  assert listing.class_names == ["b", "a"]
  assert [(e.label, e.video_id, e.row) for e in listing.entries] == [(1, "00000000", 0), (0, "00000001", 1)]


@pytest.mark.parametrize(
  ("arrays", "reason"),
  [
    ({"features": np.zeros(3), "labels": np.array(["a"])}, r"expected \[V,D\] or \[V,T,D\], found \(3,\)"),
    ({"labels": np.array(["a"])}, "features: .* found none"),
    ({"features": np.zeros((2, 3))}, "labels: not there"),
    ({"features": np.zeros((2, 3)), "labels": np.array([0, 1])}, "class_names: not there"),
    ({"features": np.zeros((2, 3)), "labels": np.array(["a"])}, r"one for each of 2 rows, found \(1,\)"),
    (
      {"features": np.zeros((1, 3)), "labels": np.array([0.5])},
      "class names or whole numbers, found float64",
    ),
    (
      {"features": np.zeros((1, 3)), "labels": np.array([3]), "class_names": np.array(["a"])},
      r"outside 0\.\.0",
    ),
    ({"features": np.zeros((1, 3)), "labels": np.array(["b"]), "class_names": np.array(["a"])}, "row 0: 'b'"),
    (
      {"features": np.zeros((2, 3)), "labels": np.array(["b", "b"]), "video_ids": np.array(["a", "a"])},
      "video_ids: some occur twice",
    ),
    ({"features": np.zeros((1, 3)), "labels": np.array([None])}, "cannot be read"),
    (
      {"features": np.zeros((2, 3)), "labels": np.array(["a", " "]), "video_ids": np.array(["", "b"])},
      "(?s)labels: 1 are empty, the first in row 1.*video_ids: 1 are empty, the first in row 0",
    ),
    (
      {"features": np.zeros((2, 3)), "labels": np.array([0, 1]), "class_names": np.array(["a", ""])},
      "class_names: 1 are empty",
    ),
    (
      {"features": np.zeros((2, 3)), "labels": np.array([0, 1]), "class_names": np.array(["a", "a"])},
      "class_names: some occur twice",
    ),
    (
      {"features": np.zeros((1, 3)), "labels": np.array([0]), "class_names": np.array("a")},
      r"class_names: expected a list of names, found <U1 \(\)",
    ),
    ({"features": np.zeros((1, 3)), "labels": np.array([b"\xff"])}, "labels is not UTF-8 text"),
  ],
)
def test_arrays_that_do_not_fit(arrays, reason, tmp_path):
  np.savez(tmp_path / "f.npz", **arrays)
  with pytest.raises(InputError, match=reason):
    list_array(tmp_path / "f.npz")


def test_one_array_alone_is_told(tmp_path, capsys):
  np.save(tmp_path / "f.npy", np.zeros((4, 8)))
  assert main(["features", "--features", str(tmp_path / "f.npy"), "--verify"]) == 2
  assert "expected an .npz with features and labels, found one array (4, 8)" in capsys.readouterr().err


def test_texts_stored_as_bytes_are_read_as_texts(tmp_path):
  names = np.array(["über".encode(), b"run"])
  np.savez(tmp_path / "f.npz", features=np.zeros((2, 3)), labels=names, class_names=names, video_ids=names)
  listing = list_array(tmp_path / "f.npz")
  assert listing.class_names == ["über", "run"]
  assert [(e.label, e.video_id) for e in listing.entries] == [(0, "über"), (1, "run")]


def test_a_damaged_npz(tmp_path):
  np.savez_compressed(tmp_path / "f.npz", features=RANDOM.normal(size=(90, 30)), labels=np.arange(90))
  whole = (tmp_path / "f.npz").read_bytes()
  for position in range(0, len(whole), 997):
    changed = bytearray(whole)
    changed[position] ^= 255
    (tmp_path / "f.npz").write_bytes(changed)
    with pytest.raises(InputError):
      list_array(tmp_path / "f.npz")


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_what_is_no_npz(content, tmp_path):
  (tmp_path / "f.npz").write_bytes(content)
  with pytest.raises(InputError, match="cannot be read as"):
    list_array(tmp_path / "f.npz")
