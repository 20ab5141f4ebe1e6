"""UCF101, HMDB51 and SUN397 from folders, with and without their lists."""

import pytest
from making import touch, write

from data_prep import hmdb51, sun397, ucf101
from data_prep.class_names import official_names
from data_prep.options import parse
from zsar_jax.errors import InputError

UCF = (
  "Archery/v_Archery_g01_c01.avi",
  "Archery/v_Archery_g02_c01.avi",
  "HandstandPushups/v_HandStandPushups_g01_c01.avi",
)


def listed(module, *arguments):
  name = module.__name__.split(".")[-1]
  return module.from_options(parse(None, [name, *map(str, arguments), "--verify"]))


def ids(listing):
  return [entry.video_id for entry in listing.entries]


def test_ucf101_in_official_order_at_any_depth(tmp_path):
  touch(tmp_path, *(f"UCF-101/{name}" for name in UCF), "UCF-101/notes.txt")
  listing = listed(ucf101, "--videos", tmp_path, "--allow_missing")
  assert ids(listing) == list(UCF)
  assert listing.class_names == ["Archery", "HandstandPushups"]
  assert len(listing.empty) == 99
  assert listing.ignored == ["UCF-101/notes.txt"]
  assert listing.notes == ["the whole set has 13,320, 3 are here"]
  with pytest.raises(InputError, match="99 of 101 classes have no video"):
    listed(ucf101, "--videos", tmp_path)


def test_a_folder_that_is_no_class_is_told_with_the_nearest(tmp_path):
  touch(tmp_path, UCF[0], "Archary/v.avi", "v.avi")
  with pytest.raises(InputError) as error:
    listed(ucf101, "--videos", tmp_path)
  assert "Archary is none of the 101 classes; did you mean 'Archery'" in str(error.value)
  assert f"{tmp_path} is none of" in str(error.value)


def test_a_video_that_is_there_twice_is_told(tmp_path):
  touch(tmp_path, UCF[0], f"copy/{UCF[0]}")
  with pytest.raises(InputError, match=r"holds videos twice:\n.*Archery/v_Archery_g01_c01\.avi"):
    listed(ucf101, "--videos", tmp_path)


@pytest.mark.parametrize("prefix", ["", "ucf101_"])
def test_ucf101_official_splits(tmp_path, prefix):
  videos, splits = touch(tmp_path / "videos", *UCF), tmp_path / "splits"
  write(
    splits / f"{prefix}trainlist02.txt", f"{UCF[1]} 3", f"{UCF[2]} 37\r", "Archery/v_Archery_g09_c01.avi 3"
  )
  write(splits / f"{prefix}testlist02.txt", UCF[0])
  write(
    splits / f"{prefix}classInd.txt", *(f"{n} {name}" for n, name in enumerate(official_names("ucf101"), 1))
  )
  arguments = ("--videos", videos, "--splits", splits, "--split", 2, "--allow_missing", "--part")
  train = listed(ucf101, *arguments, "train")
  assert ids(train) == [UCF[1], UCF[2]]
  assert train.expected == [2, 1]
  assert train.quarantined[0].path == "Archery/v_Archery_g09_c01.avi"
  assert train.quarantined[0].reason.startswith("missing: ")
  assert train.notes == ["passed over 1 that the list does not name"]
  assert ids(listed(ucf101, *arguments, "test")) == [UCF[0]]
  write(splits / f"{prefix}classInd.txt", "1 Archery")
  with pytest.raises(InputError, match="numbers other classes"):
    listed(ucf101, *arguments, "test")


def test_a_list_with_frames_and_labels(tmp_path):
  videos = touch(tmp_path / "videos", *UCF)
  file = write(
    tmp_path / "list.txt",
    "Archery/v_Archery_g02_c01 119 2",
    "HandstandPushups/v_HandStandPushups_g01_c01 90 36",
  )
  assert ids(listed(ucf101, "--videos", videos, "--list", file, "--allow_missing")) == [UCF[1], UCF[2]]


def test_every_wrong_line_of_a_list_is_told(tmp_path):
  videos = touch(tmp_path / "videos", *UCF)
  file = write(tmp_path / "list.txt", "Archery/a 10 2", "Archery/b 10 7", "Archary/c.avi", "Archery/d.avi 4")
  with pytest.raises(InputError) as error:
    listed(ucf101, "--videos", videos, "--list", file)
  assert [line[4:10] for line in str(error.value).splitlines()[1:]] == ["line 2", "line 3", "line 4"]


def test_numbers_are_told_as_the_list_counts_them(tmp_path):
  videos = touch(tmp_path / "videos", *UCF)
  file = write(tmp_path / "list.txt", "Archery/a.avi 4", "Archery/a.avi 10 4")
  with pytest.raises(InputError) as error:
    listed(ucf101, "--videos", videos, "--list", file)
  told = str(error.value).splitlines()[1:]
  assert told[0].endswith("is of 'Archery', number 3; the line says 4")
  assert told[1].endswith("is of 'Archery', number 2; the line says 4")


def test_a_list_takes_the_file_it_names_and_none_where_it_might_mean_two(tmp_path):
  videos = touch(tmp_path / "videos", *(f"Archery/{name}" for name in ("v_a.avi", "v_a.mp4", "v_b.mp4")))
  exact = write(tmp_path / "exact.txt", "Archery/v_a.avi", "Archery/v_b.avi", "Archery/v_b.avi")
  listing = listed(ucf101, "--videos", videos, "--list", exact, "--allow_missing")
  assert ids(listing) == ["Archery/v_a.avi", "Archery/v_b.mp4"]
  assert listing.expected == [2]
  assert listing.notes == ["passed over 1 that the list does not name", "the list names 1 more than once"]
  stems = write(tmp_path / "stems.txt", "Archery/v_a 9 2", "Archery/v_b 9 2")
  listing = listed(ucf101, "--videos", videos, "--list", stems, "--allow_missing")
  assert ids(listing) == ["Archery/v_b.mp4"]
  assert listing.expected == [2]
  (bad,) = listing.quarantined
  assert bad.path == "Archery/v_a"
  assert bad.reason.startswith("ambiguous: the folder holds v_a.avi, v_a.mp4; ")


@pytest.mark.parametrize(
  "arguments", [[], ["--videos", "x", "--splits", "y"], ["--tfds", "x", "--videos", "y"]]
)
def test_options_that_do_not_go_together(arguments, tmp_path, monkeypatch):
  monkeypatch.chdir(touch(tmp_path, f"x/{UCF[0]}"))
  with pytest.raises(InputError):
    listed(ucf101, *arguments)


HMDB = (
  "brush_hair/Her_[_NEW_]_UPDATED!!!!_brush_hair_h_cm_np1_le_goo_1.avi",
  "wave/a.b_wave_0.avi",
  "wave/c_wave_1.avi",
)


def test_hmdb51_official_splits(tmp_path):
  videos, splits = touch(tmp_path / "videos", *HMDB), tmp_path / "splits"
  for name in official_names("hmdb51"):
    lines = [
      f"{p.split('/')[1]} {n} " for n, p in zip((2, 1, 0), HMDB, strict=True) if p.startswith(f"{name}/")
    ]
    write(splits / "testTrainMulti_7030_splits" / f"{name}_test_split1.txt", *lines)
  arguments = ("--videos", videos, "--splits", splits, "--split", 1, "--allow_missing", "--part")
  assert ids(listed(hmdb51, *arguments, "test")) == [HMDB[0]]
  assert ids(listed(hmdb51, *arguments, "train")) == [HMDB[1]]
  (splits / "testTrainMulti_7030_splits" / "wave_test_split1.txt").unlink()
  with pytest.raises(InputError, match=r"lacks 1 of 51 files:\n.*wave_test_split1"):
    listed(hmdb51, *arguments, "train")


def test_hmdb51_lists_whose_names_hold_dots_and_brackets(tmp_path):
  videos = touch(tmp_path / "videos", *HMDB)
  lines = [
    f"{HMDB[0].removesuffix('.avi')} 0 0",
    f"{HMDB[1].removesuffix('.avi')} 73 50",
    "wave/gone_wave_2 5 50",
  ]
  write(tmp_path / "splits" / "hmdb51_val_rgb_split_3.txt", *lines)
  split = ("--splits", tmp_path / "splits", "--split", 3, "--part", "test")
  listing = listed(hmdb51, "--videos", videos, "--allow_missing", *split)
  assert ids(listing) == list(HMDB[:2])
  assert [bad.path for bad in listing.quarantined] == ["wave/gone_wave_2"]


SUN = ("a/abbey/sun_a.jpg", "a/apse/indoor/sun_b.JPG", "a/apse/indoor/sun_c.jpg")


def test_sun397_classes_are_paths(tmp_path):
  touch(tmp_path, *(f"SUN397/{name}" for name in SUN), "SUN397/README.txt", "SUN397/ClassName.txt")
  listing = listed(sun397, "--images", tmp_path, "--allow_missing")
  assert listing.kind == "image"
  assert listing.class_names == ["/a/abbey", "/a/apse/indoor"]
  assert ids(listing) == list(SUN)
  partition = write(
    tmp_path / "Training_01.txt", "/a/abbey/sun_a.jpg", "/a/apse/indoor/sun_c.jpg", "/a/abbey/sun_z.jpg"
  )
  part = listed(sun397, "--images", tmp_path, "--allow_missing", "--list", partition)
  assert ids(part) == [SUN[0], SUN[2]]
  assert part.quarantined[0].path == "/a/abbey/sun_z.jpg"


def test_sun397_class_file_fixes_the_order(tmp_path):
  images = touch(tmp_path / "SUN397", *SUN)
  names = write(tmp_path / "ClassName.txt", "/a/apse/indoor", "/a/abbey")
  assert listed(sun397, "--images", images, "--classes", names).class_names == ["/a/apse/indoor", "/a/abbey"]
