"""Prototypes and training embeddings beside their checkpoint: what is written, reused and refused."""

import numpy as np
import pytest

from zsar_jax import seen_embeddings
from zsar_jax.errors import InputError
from zsar_jax.seen_embeddings import Origin, SeenStore

ORIGIN = Origin("abc", 20, ("clap", "wave"), 5)
PROTOTYPES, COUNTS = np.eye(2, 3, dtype=np.float32), np.array([3, 2])


def write(folder, origin=ORIGIN, **options):
  store = SeenStore(folder, origin, **options)
  for first in (0, 2, 4):
    rows = np.arange(first, min(first + 2, 5))
    if store.keeps_embeddings:
      store.add(rows[:, None] + np.zeros(3, np.float32), (rows % 2).astype(np.int32), rows.astype(np.int32))
  store.finish(PROTOTYPES, COUNTS)
  return store


def test_what_was_written_is_read_again(tmp_path):
  write(tmp_path)
  np.testing.assert_array_equal(SeenStore(tmp_path, ORIGIN).prototypes(), PROTOTYPES)


def test_embeddings_come_back_in_order_from_several_files(tmp_path, monkeypatch):
  monkeypatch.setattr(seen_embeddings, "ROWS_PER_FILE", 2)
  write(tmp_path, keeps_embeddings=True)
  held = SeenStore(tmp_path, ORIGIN, keeps_embeddings=True).embeddings()
  assert [len(shard) for shard in held.shards] == [2, 2, 1]
  assert {shard.dtype for shard in held.shards} == {np.dtype("float16")}
  np.testing.assert_array_equal(np.concatenate(held.shards)[:, 0], np.arange(5))
  np.testing.assert_array_equal(held.label, np.arange(5) % 2)
  np.testing.assert_array_equal(held.row, np.arange(5))


def test_prototypes_alone_are_not_enough_for_the_search(tmp_path):
  write(tmp_path)
  assert SeenStore(tmp_path, ORIGIN, keeps_embeddings=True).prototypes() is None


def test_nothing_counts_before_it_is_whole(tmp_path):
  store = SeenStore(tmp_path, ORIGIN, keeps_embeddings=True)
  store.add(np.zeros((2, 3), np.float32), np.zeros(2, np.int32), np.zeros(2, np.int32))
  assert SeenStore(tmp_path, ORIGIN).prototypes() is None


@pytest.mark.parametrize(
  ("other", "told"),
  [
    (ORIGIN._replace(checkpoint="xyz"), "its checkpoint is abc, here xyz"),
    (ORIGIN._replace(classes=("clap", "jump", "wave")), r"its classes are others \(2, here 3\)"),
    (ORIGIN._replace(num_videos=6), "its num_videos is 5, here 6"),
    (ORIGIN._replace(clips="4 frames"), "its clips is , here 4 frames"),
  ],
)
def test_those_of_another_origin_are_refused_and_after_training_made_anew(tmp_path, other, told):
  write(tmp_path)
  with pytest.raises(InputError, match=f"seen_embeddings/20 holds prototypes of another checkpoint: {told}"):
    SeenStore(tmp_path, other).prototypes()
  assert SeenStore(tmp_path, other, replace=True).prototypes() is None


def test_frames_out_of_order_have_a_folder_of_their_own_and_other_steps_go(tmp_path):
  write(tmp_path)
  write(tmp_path, ORIGIN._replace(frame_order="single"))
  folder = tmp_path / "seen_embeddings"
  assert sorted(path.name for path in folder.iterdir()) == ["20", "20-single"]
  write(tmp_path, ORIGIN._replace(step=30))
  assert [path.name for path in folder.iterdir()] == ["30"]


def test_what_others_keep_there_stays(tmp_path):
  write(tmp_path)
  (tmp_path / "seen_embeddings/notes.txt").write_text("mine")
  write(tmp_path, ORIGIN._replace(step=30))
  assert sorted(path.name for path in (tmp_path / "seen_embeddings").iterdir()) == ["30", "notes.txt"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK")])
def test_damaged_files_are_named(tmp_path, damage):
  store = write(tmp_path, keeps_embeddings=True)
  damage(store.folder / "prototypes.npz")
  damage(store.folder / "labels.npy")
  with pytest.raises(InputError, match=r"prototypes.npz cannot be read .* remove .*seen_embeddings/20"):
    store.prototypes()
  with pytest.raises(InputError, match=r"seen_embeddings/20 is damaged"):
    store.embeddings()


def test_a_missing_file_of_embeddings_is_noticed(tmp_path):
  store = write(tmp_path, keeps_embeddings=True)
  (store.folder / "embeddings-00000.npy").unlink()
  with pytest.raises(InputError, match="holds 0 embeddings, 5 labels and 5 rows, expected 5 of each"):
    store.embeddings()


def test_a_damaged_description_is_named(tmp_path):
  store = write(tmp_path)
  (store.folder / "origin.json").write_text("{")
  with pytest.raises(InputError, match=r"origin.json cannot be read .* remove"):
    SeenStore(tmp_path, ORIGIN).prototypes()
