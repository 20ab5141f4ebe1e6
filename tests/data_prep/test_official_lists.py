"""The lists that the data sets publish parse whole."""

import pathlib

import pytest
from making import touch

from data_prep.activitynet import list_whole
from data_prep.class_names import official_names
from data_prep.hmdb51 import read_split
from data_prep.kinetics import list_kinetics
from data_prep.listing import count_labels
from data_prep.video_lists import read_video_list

SPLITS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "splits"
pytestmark = pytest.mark.skipif(not SPLITS.is_dir(), reason="the shared official lists are not there")


@pytest.mark.parametrize("split", [1, 2, 3])
def test_ucf101_splits(split):
  names = official_names("ucf101")
  parts = [read_video_list(SPLITS / f"ucf101_{part}list0{split}.txt", names) for part in ("train", "test")]
  everything = {item.path for part in parts for item in part}
  assert len(parts[0]) + len(parts[1]) == len(everything) == 13_320
  assert all(0 not in count_labels((item.label for item in part), 101) for part in parts)


@pytest.mark.parametrize(("name", "num"), [("ucf101", 13_320), ("hmdb51", 6_766)])
def test_full_lists(name, num):
  names = official_names(name)
  listed = read_video_list(SPLITS / f"{name}_full_for_zeroshot.txt", names)
  assert len({item.path for item in listed}) == num
  assert all(names[item.label] == item.path.split("/")[0] for item in listed)


@pytest.mark.parametrize("split", [1, 2, 3])
def test_hmdb51_splits(split):
  names = official_names("hmdb51")
  train, test = (read_split(SPLITS, split, part, names) for part in ("train", "test"))
  assert (len(train), len(test)) == (70 * 51, 30 * 51)
  assert not {item.path for item in train} & {item.path for item in test}


def test_kinetics_annotations(tmp_path):
  videos = touch(tmp_path, "0wR5jVB-WPk_000417_000427.mp4")
  listing = list_kinetics(
    [SPLITS / "kinetics-400_val.csv"], videos, official_names("kinetics400"), allow_missing=True
  )
  assert len(listing.entries) + len(listing.quarantined) == 19_906
  assert len(listing.empty) == 399


def test_activitynet_list(tmp_path):
  videos = touch(tmp_path, "v_sJFgo9H6zNo.mp4", "-ypKYhjrlXw.mkv")
  file = SPLITS / "activitynet_full_for_zeroshot.txt"
  listing = list_whole(file, videos, official_names("activitynet200"), allow_missing=True)
  assert len(listing.entries) + len(listing.quarantined) == 14_950
  assert sorted(entry.video_id for entry in listing.entries) == ["-ypKYhjrlXw", "sJFgo9H6zNo"]
