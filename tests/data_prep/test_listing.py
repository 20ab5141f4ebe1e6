import os

import pytest
from making import touch

from data_prep.folder import list_folder
from data_prep.listing import Listing, drop_empty_classes, find_files
from zsar_jax.data.schema import Entry, Quarantined
from zsar_jax.errors import InputError


def test_links_to_folders_are_followed_once(tmp_path):
  root = touch(tmp_path / "videos", "walk/a.mp4")
  touch(tmp_path / "elsewhere", "b.mp4")
  (root / "run").symlink_to(tmp_path / "elsewhere")
  (root / "walk" / "loop").symlink_to(root)
  assert find_files(root, (".mp4",)).files == ["run/b.mp4", "walk/a.mp4"]


def test_a_name_that_is_not_utf8_is_quarantined(tmp_path):
  root = touch(tmp_path / "videos", "walk/a.mp4")
  path = os.fsencode(root) + b"/walk/caf\xe9.mp4"
  with open(path, "wb"):
    pass
  listing = list_folder(root)
  assert [e.video_id for e in listing.entries] == ["walk/a.mp4"]
  (bad,) = listing.quarantined
  assert bad == Quarantined(f"{root}/walk/caf\\xe9.mp4", "unreadable: its name is not UTF-8; rename it")


def test_videos_beside_the_class_folders_are_told(tmp_path):
  listing = list_folder(touch(tmp_path, "walk/a.mp4", "stray.mp4", "walk/notes.txt"))
  assert len(listing.entries) == 1
  assert listing.ignored == ["walk/notes.txt"]
  assert list(listing.notes) == ["passed over 1 video that lies in no class folder: stray.mp4"]


def test_empty_classes_are_refused_by_name_or_left_out():
  entries = [Entry("a", 0, "a"), Entry("c", 2, "c"), Entry("d", 2, "d")]
  listing = Listing(entries, ["run", "sit", "walk"], expected=[1, 4, 3])
  with pytest.raises(InputError, match=r"(?s)1 of 3 classes have no video; give --allow_missing.*sit"):
    drop_empty_classes(listing, False, "here")
  left = drop_empty_classes(listing, True, "here")
  assert left.class_names == ["run", "walk"]
  assert [e.label for e in left.entries] == [0, 1, 1]
  assert left.expected == [1, 3]
  assert left.empty == ["sit"]


def test_nothing_at_all_is_refused_even_then():
  listing = Listing([], ["run"], quarantined=[Quarantined("a", "missing: no such file")])
  with pytest.raises(InputError, match=r"(?s)no video was found of 1 classes.*a: missing"):
    drop_empty_classes(listing, True, "here")
