import pytest
from making import touch, write

from data_prep.kinetics import list_kinetics
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError

HEADER = "label,youtube_id,time_start,time_end,split,is_cc"


@pytest.fixture
def annotations(tmp_path):
  return write(
    tmp_path / "val.csv", HEADER, "abseiling,0wR5jVB-WPk,417,427,val,0", '"air drumming",--nQbRBEz2s,104,114,val,0',
    '"air drumming",_cPLjY5_WXU,1,11,val,0', "abseiling,-a_________,0,10,val,1",
  )  # fmt: skip


def test_trimmed_and_untrimmed_at_any_depth(annotations, tmp_path):
  names = (
    "abseiling/0wR5jVB-WPk_000417_000427.mp4",
    "--nQbRBEz2s.webm",
    "x/y/_cPLjY5_WXU.mkv",
    "_cPLjY5_WXU_000001_000011.mp4",
    "-a__________000002_000012.mp4",
  )
  videos = touch(tmp_path / "videos", *names, "readme.txt")
  listing = list_kinetics([annotations], videos)
  assert listing.class_names == ["abseiling", "air drumming"]
  assert listing.entries == [
    Entry(f"{videos}/{names[0]}", 0, "0wR5jVB-WPk_000417_000427"),
    Entry(f"{videos}/{names[1]}", 1, "--nQbRBEz2s_000104_000114", 104.0, 114.0),
    Entry(f"{videos}/{names[3]}", 1, "_cPLjY5_WXU_000001_000011"),
  ]
  (missing,) = listing.quarantined
  assert missing.reason == "missing: no -a__________000000_000010.* or -a_________.*"
  assert listing.expected == [2, 2]
  assert set(listing.ignored) == {"readme.txt", names[4], names[2]}


def test_of_two_files_the_one_in_the_class_folder(annotations, tmp_path):
  name = "--nQbRBEz2s_000104_000114.mp4"
  videos = touch(tmp_path / "videos", f"a/{name}", f"air_drumming/{name}", "0wR5jVB-WPk.mp4")
  listing = list_kinetics([annotations], videos)
  assert listing.entries[1].path == f"{videos}/air_drumming/{name}"


def test_several_files_name_a_segment_once(annotations, tmp_path):
  more = write(
    tmp_path / "more.csv",
    HEADER,
    "abseiling,0wR5jVB-WPk,417,427,val,0",
    "abseiling,--nQbRBEz2s,104,114,val,0",
  )
  videos = touch(tmp_path / "videos", "0wR5jVB-WPk.mp4", "--nQbRBEz2s.mp4")
  listing = list_kinetics([annotations, more], videos)
  assert len(listing.entries) == 2
  assert listing.notes == ["the annotations name 1 segments more than once"]
  assert "'air drumming' and 'abseiling'; the first is kept" in listing.quarantined[0].reason


def test_given_classes_fix_the_order_and_unknown_ones_are_refused(annotations, tmp_path):
  videos = touch(tmp_path / "videos", "0wR5jVB-WPk.mp4", "--nQbRBEz2s.mp4")
  names = ["air drumming", "abseiling"]
  assert list_kinetics([annotations], videos, names).class_names == names
  with pytest.raises(InputError, match=r"1 names are none.*\n.*'air drumming'; did you mean 'hair drumming'"):
    list_kinetics([annotations], videos, ["abseiling", "hair drumming"])


def test_a_test_list_without_labels_is_refused(tmp_path):
  file = write(tmp_path / "test.csv", "youtube_id,time_start,time_end,split", "abc,0,10,test")
  with pytest.raises(InputError, match="has no labels: it is a test list"):
    list_kinetics([file], tmp_path)


def test_a_column_that_is_named_twice_is_refused(tmp_path):
  file = write(tmp_path / "val.csv", "label,youtube_id,time_start,time_end,label", "a,b,0,10,c")
  with pytest.raises(InputError, match="the first line names a column twice"):
    list_kinetics([file], tmp_path)


def test_every_wrong_line_is_told(tmp_path):
  file = write(
    tmp_path / "val.csv", HEADER, "a,b,0,10,val,0", "a,b,10,10,val,0", "a,b,x,1,val,0", "a,b", ",b,0,1,val,0"
  )
  with pytest.raises(InputError) as error:
    list_kinetics([file], tmp_path)
  assert [line.split(":")[0] for line in str(error.value).splitlines()[1:]] == [
    f"  - {file} line {n}" for n in (3, 4, 5, 6)
  ]


def test_all_videos_of_a_class_gone(annotations, tmp_path):
  videos = touch(tmp_path / "videos", "0wR5jVB-WPk.mp4")
  with pytest.raises(InputError, match=r"(?s)1 of 2 classes have no video.*air drumming"):
    list_kinetics([annotations], videos)
  assert list_kinetics([annotations], videos, allow_missing=True).class_names == ["abseiling"]
