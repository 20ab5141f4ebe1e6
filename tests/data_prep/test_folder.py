import pytest

from data_prep.folder import list_folder
from zsar_jax.errors import InputError


@pytest.fixture
def videos(tmp_path):
  for name in ("walk/b.MP4", "walk/a.avi", "walk/deep/c.webm", "Sit Down/d.mkv", "Sit Down/über é.mov"):
    path = tmp_path / "videos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
  return tmp_path / "videos"


def test_listing_is_sorted_and_named_by_folder(videos):
  listing = list_folder(videos)
  assert listing.class_names == ["Sit Down", "walk"]
  assert [(e.label, e.video_id) for e in listing.entries] == [
    (0, "Sit Down/d.mkv"),
    (0, "Sit Down/über é.mov"),
    (1, "walk/a.avi"),
    (1, "walk/b.MP4"),
    (1, "walk/deep/c.webm"),
  ]
  assert listing.entries[0].path == str(videos / "Sit Down" / "d.mkv")


def test_other_files_are_told_and_hidden_ones_are_not(videos):
  for name in ("README", "walk/notes.txt", "walk/._b.mp4", ".DS_Store"):
    (videos / name).write_bytes(b"")
  (videos / ".git").mkdir()
  listing = list_folder(videos)
  assert listing.ignored == ["README", "walk/notes.txt"]
  assert len(listing.entries) == 5


def test_every_class_without_a_video_is_listed(videos):
  for name in ("run", "swim"):
    (videos / name).mkdir()
  (videos / "swim" / "notes.txt").write_text("")
  with pytest.raises(InputError) as error:
    list_folder(videos)
  assert f"{videos / 'run'}\n" in str(error.value)
  assert f"{videos / 'swim'} (1 other files)" in str(error.value)
  assert "walk" not in str(error.value)


@pytest.mark.parametrize(
  ("kind", "reason"), [("absent", "does not exist"), ("file", "is a file"), ("empty", "no class")]
)
def test_no_folder(kind, reason, tmp_path):
  path = tmp_path / kind
  if kind == "file":
    path.write_text("")
  elif kind == "empty":
    path.mkdir()
  with pytest.raises(InputError, match=reason):
    list_folder(path)
