"""Indexes whose description or columns are damaged, and files that are there but cannot be read."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest
from damaging import change_description, flip
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.data.index import RecordError, open_index
from zsar_jax.errors import InputError


@pytest.fixture
def copy(records, tmp_path):
  shutil.copytree(records, tmp_path / "copy")
  return tmp_path / "copy"


def without(mapping, name):
  return {key: value for key, value in mapping.items() if key != name}


@pytest.mark.parametrize(
  ("key", "change", "told"),
  [
    ("columns", None, "columns is no object"),
    ("columns", [1], "columns is no object"),
    ("columns", lambda held: without(held, "fps"), r"it lacks columns\.fps"),
    ("columns", lambda held: held | {"../away": held["fps"]}, r"columns holds the unknown '\.\./away'"),
    ("columns", lambda held: held | {"fps": "long"}, r"columns\.fps is no length and sha256"),
    ("columns", lambda held: held | {"fps": {"length": -1, "sha256": ""}}, r"columns\.fps is no length and"),
    (
      "columns",
      lambda held: held | {"fps": {"length": True, "sha256": ""}},
      r"columns\.fps is no length and",
    ),
    ("options", "small", "options is no object"),
    ("options", lambda held: held | {"codec": "av1"}, "options holds the unknown 'codec'"),
    ("options", lambda held: without(held, "short_side"), r"it lacks options\.short_side"),
    ("options", lambda held: held | {"short_side": "24"}, r"options\.short_side is no count"),
    ("options", lambda held: held | {"fps": "fast"}, r"options\.fps is no number"),
    ("options", lambda held: held | {"kind": ["video"]}, r"options\.kind is none of video, image, features"),
    ("shards", "zsar_videos-videos.tfrecord", "shards is no list"),
    ("shards", ["zsar_videos-videos.tfrecord"], r"shards\[0\] is no file, size and sha256"),
    ("shards", lambda held: [held[0], held[1] | {"size": "9"}], r"shards\[1\] is no file, size and sha256"),
    ("class_names", 3, "class_names is no list of names"),
    ("class_names", ["walk", 3], "class_names is no list of names"),
    ("encoding", [], "encoding is none of jpeg, png, float32"),
    ("made_by", None, "made_by is no text"),
    ("features", [], "features is no object"),
    ("features", lambda held: held | {"label": "int64"}, r"features\.label is no type and shape"),
    (
      "features",
      lambda held: held | {"label": {"dtype": "int64", "shape": 3}},
      r"features\.label is no type",
    ),
  ],
)
def test_a_description_of_wrong_types_is_damaged(key, change, told, copy):
  file = copy / "index" / "index.json"
  held = json.loads(file.read_text())[key]
  change_description(copy, **{key: change(held) if callable(change) else change})
  with pytest.raises(InputError, match=rf"{file} is damaged \({told}.*data_prep\.build again"):
    open_index(copy, verify="off")


def test_all_that_is_wrong_with_a_description_is_said_at_once(copy):
  change_description(copy, columns=None, shards=3, made_by=1)
  with pytest.raises(InputError, match="columns is no object; shards is no list") as error:
    open_index(copy)
  assert "made_by is no text" in str(error.value)


json_values = st.recursive(
  st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=3),
  lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
  max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_value_anywhere_in_a_description_ends_in_another_error(records, tmp_path_factory, data):
  """What is not refused has the types that are relied on: nothing but InputError, or an index."""
  folder = tmp_path_factory.getbasetemp() / "described"
  if not folder.exists():
    shutil.copytree(records, folder)
  description = json.loads((records / "index" / "index.json").read_text())
  node = description
  while True:
    keys = list(node) if isinstance(node, dict) else range(len(node))
    key = data.draw(st.sampled_from(keys))
    if not node[key] or not isinstance(node[key], dict | list) or data.draw(st.booleans()):
      break
    node = node[key]
  node[key] = data.draw(json_values)
  (folder / "index" / "index.json").write_text(json.dumps(description))
  with contextlib.suppress(InputError):
    open_index(folder, verify="full")


def damage(name, change):
  def act(folder):
    file = folder / "index" / f"{name}.npy"
    held = np.load(file)
    change(held)
    np.save(file, held)

  return act


def put(place, value):
  return lambda held: held.__setitem__(place, value)


@pytest.mark.parametrize(
  ("act", "told"),
  [
    (
      lambda folder: flip(folder / "index" / "shard.npy", -2),
      r"shard\.npy holds shards 0 to 65538, expected 0 to 2",
    ),
    (damage("shard", put(0, -1)), r"shard\.npy holds shards -1 to 2, expected 0 to 2"),
    (damage("label", put(0, -1)), r"label\.npy holds labels -1 to 2, expected 0 to 2"),
    (damage("first_frame", put(3, 1 << 40)), r"first_frame\.npy does not say .*num_frames\.npy counts begin"),
    (damage("first_frame", put(0, -1)), r"first_frame\.npy does not say"),
    (damage("num_frames", put(9, 500)), r"first_frame\.npy does not say .*num_frames\.npy counts begin"),
    (
      damage("first_id_byte", put(3, 1 << 40)),
      r"first_id_byte\.npy does not say where the ids in .*id_bytes\.npy",
    ),
    (damage("id_bytes", put(3, 255)), r"id_bytes\.npy, cut as .*first_id_byte\.npy says, is not UTF-8"),
  ],
)
def test_columns_that_point_at_nothing_are_refused(act, told, copy):
  act(copy)
  with pytest.raises(InputError, match=told):
    open_index(copy)


def test_columns_of_different_numbers_of_videos_are_refused(copy):
  np.save(copy / "index" / "fps.npy", np.zeros(3, np.float32))
  file = copy / "index" / "index.json"
  columns = json.loads(file.read_text())["columns"]
  change_description(copy, columns=columns | {"fps": columns["fps"] | {"length": 3}})
  with pytest.raises(InputError, match=r"fps\.npy holds 3 values, expected 10"):
    open_index(copy)


def test_an_id_cut_inside_a_letter_is_refused(copy):
  damage("id_bytes", put(slice(4, 6), list("é".encode())))(copy)
  index = open_index(copy, verify="off")
  first = index.video_id(0)
  assert first[4] == "é"
  damage("first_id_byte", put(1, 5))(copy)
  with pytest.raises(InputError, match="is not UTF-8"):
    open_index(copy)


@pytest.mark.parametrize("offset", range(80))
def test_a_changed_header_of_a_column_is_refused_or_harmless(offset, copy):
  file = copy / "index" / "shard.npy"
  flip(file, offset)
  with contextlib.suppress(InputError):
    assert len(open_index(copy)) == 10


def test_offsets_that_point_nowhere_are_named_where_they_are_read(copy):
  damage("record_offset", put(slice(None), -(1 << 40)))(copy)
  index = open_index(copy)
  with pytest.raises(RecordError, match=r"tfrecord-00000-of-00003 cannot be read at offset -\d+"):
    index.frame_bytes(np.array([0]), np.array([[0]]))


def test_a_file_that_cannot_be_read_is_not_to_be_deleted(copy):
  first, second, _ = sorted(copy.glob("*.tfrecord-*"))
  size, other_size = first.stat().st_size, second.stat().st_size
  first.unlink()
  first.mkdir()
  second.unlink()
  second.symlink_to(second)
  with pytest.raises(InputError) as error:
    open_index(copy, verify="full")
  assert str(error.value).splitlines()[1:] == [
    f"  - {first} has {first.stat().st_size} bytes, expected {size} bytes",
    f"  - {second} cannot be read (Too many levels of symbolic links), expected {other_size} bytes",
    f"  - {first} cannot be read (Is a directory)",
  ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_leave_to_read_it_says_so(copy):
  file = min(copy.glob("*.tfrecord-*"))
  file.chmod(0)
  with pytest.raises(InputError) as error:
    open_index(copy, verify="full")
  told = f"{file} cannot be read (Permission denied): it may be whole, get leave to read it"
  assert str(error.value).splitlines()[1:] == [f"  - {told}"]
