import pytest
from making import touch, write

from data_prep.csv_file import list_csv
from zsar_jax.data.schema import Entry
from zsar_jax.errors import InputError


@pytest.fixture
def videos(tmp_path):
  return touch(tmp_path, "a.mp4", "deep/b, c.avi", "über é.webm")


def test_with_a_header_in_any_order(videos):
  file = write(
    videos / "list.csv",
    "\ufefflabel,path,end,start",
    'sit down,"deep/b, c.avi",4.5,1',
    "",
    "gehen,über é.webm,,",
  )
  listing = list_csv(file)
  assert listing.class_names == ["gehen", "sit down"]
  assert listing.entries == [
    Entry(f"{videos}/deep/b, c.avi", 1, "deep/b, c.avi#1-4.5", 1.0, 4.5),
    Entry(f"{videos}/über é.webm", 0, "über é.webm"),
  ]
  assert listing.expected == [1, 1]


def test_without_a_header_and_from_another_folder(videos, tmp_path_factory):
  file = write(tmp_path_factory.mktemp("lists") / "list.csv", "a.mp4,walk,2,", "a.mp4,run,0,2")
  listing = list_csv(file, videos)
  assert [e.video_id for e in listing.entries] == ["a.mp4#2-", "a.mp4#0-2"]
  assert listing.entries[0].end is None


def test_given_classes_fix_the_order_and_what_is_known(videos):
  file = write(
    videos / "list.csv",
    "a.mp4,walk",
    "deep/b, c.avi".join('""') + ",wlak",
    "none.mp4,run",
    "über é.webm,run,3,2",
  )
  with pytest.raises(InputError, match="line 4: 4 values, expected 2"):
    list_csv(file)
  file = write(
    videos / "list.csv", "a.mp4,walk,,", '"deep/b, c.avi",wlak,,', "none.mp4,run,,", "über é.webm,run,3,2"
  )
  listing = list_csv(file, class_names=["walk", "run", "jump"], allow_missing=True)
  assert listing.class_names == ["walk"]
  assert listing.empty == ["run", "jump"]
  assert [bad.reason for bad in listing.quarantined] == [
    "label unknown: 'wlak'; did you mean 'walk'? (list.csv line 2)",
    "missing: no such file (list.csv line 3)",
    "segment outside the video: it ends at 2 s, before it starts at 3 s (list.csv line 4)",
  ]


def test_every_wrong_line_is_told(videos):
  file = write(
    videos / "list.csv", "path,label,start,end", "a.mp4,walk,x,", ",walk,,", "a.mp4,,-1,2", "a.mp4,walk",
    "a.mp4,walk,,", "a.mp4,run,,", "a.mp4,walk,nan,1",
  )  # fmt: skip
  with pytest.raises(InputError) as error:
    list_csv(file)
  assert str(error.value).splitlines()[1:] == [
    "  - line 2: start 'x': expected seconds, 0 or more",
    "  - line 3: no path",
    "  - line 4: no label",
    "  - line 5: 2 values, expected 4 (path,label,start,end); quote names with commas",
    "  - line 7: 'a.mp4' is in line 6 already; one label a video or segment",
    "  - line 8: start 'nan': expected seconds, 0 or more",
  ]


def test_a_long_list_of_wrong_lines_is_cut(videos):
  file = write(videos / "list.csv", *["a.mp4;walk"] * 1000)
  with pytest.raises(InputError, match="… and 950 more") as error:
    list_csv(file)
  assert len(str(error.value).splitlines()) == 52


@pytest.mark.parametrize(
  ("content", "reason"),
  [
    (b"", "names no video"),
    (b"path,label\n", "names no video"),
    (b"path,label,strat\na,b,1\n", "column 'strat'; did you mean 'start'"),
    (b"path,label,Label\na,b,c\n", "line 1: column 'label' is there 2 times"),
    (b"caf\xe9.mp4,walk\n", "CSV in UTF-8"),
    (b'"a.mp4,walk\n', "cannot be read as CSV"),
  ],
)
def test_what_is_no_such_csv(content, reason, tmp_path):
  (tmp_path / "list.csv").write_bytes(content)
  with pytest.raises(InputError, match=reason):
    list_csv(tmp_path / "list.csv")


def test_no_file(tmp_path):
  with pytest.raises(InputError, match=r"list\.csv cannot be read.*No such file"):
    list_csv(tmp_path / "list.csv")
