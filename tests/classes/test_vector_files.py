"""Files of word vectors: one pass, little memory, and what gensim reads from the same file."""

import tracemalloc

import numpy as np
import pytest

from zsar_jax.classes import vector_files
from zsar_jax.classes.embeddings import load_word_vectors
from zsar_jax.errors import InputError

WORDS = [f"word{number}" for number in range(20_000)]
WIDTH = 100
WANTED = ["word3", "word9999", "word19999", "absent"]


def rows():
  return np.random.default_rng(1).normal(size=(len(WORDS), WIDTH)).astype("<f4")


def write_bin(path):
  body = (w.encode() + b" " + row.tobytes() + b"\n" for w, row in zip(WORDS, rows(), strict=True))
  path.write_bytes(f"{len(WORDS)} {WIDTH}\n".encode() + b"".join(body))


def write_vec(path):
  """As fastText writes: a header, and a space at the end of every line."""
  body = (f"{w} " + " ".join(f"{x:.4f}" for x in row) + " \n" for w, row in zip(WORDS, rows(), strict=True))
  path.write_text(f"{len(WORDS)} {WIDTH}\n" + "".join(body), encoding="utf-8")


@pytest.mark.parametrize(("name", "write"), [("v.bin", write_bin), ("v.vec", write_vec)])
def test_a_large_file_is_read_in_little_memory(tmp_path, name, write):
  path = tmp_path / name
  write(path)
  assert path.stat().st_size > 8e6
  load_word_vectors("hash:4", ["x"])
  tracemalloc.start()
  found = load_word_vectors(str(path), WANTED)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < 6e6  # whole, the vectors alone are 8 MB; the spellings to suggest are some 2 MB
  unit = rows() / np.linalg.norm(rows(), axis=1, keepdims=True)
  assert sorted(found) == sorted(WANTED[:-1])
  for word, vector in found.items():
    np.testing.assert_allclose(vector, unit[int(word[4:])], atol=2e-4)


@pytest.mark.parametrize("name", ["g.bin", "g.txt", "g.vec"])
def test_the_same_vectors_as_gensim_reads(tmp_path, name):
  keyed_vectors = pytest.importorskip("gensim.models").KeyedVectors
  words = ["walk", "Walk", "naïve", "走る", "café", "a.b", "x-y"]
  written = keyed_vectors(16)
  written.add_vectors(words, np.random.default_rng(2).normal(size=(len(words), 16)).astype(np.float32) * 7)
  written.save_word2vec_format(str(tmp_path / name), binary=name.endswith("bin"))
  theirs = keyed_vectors.load_word2vec_format(str(tmp_path / name), binary=name.endswith("bin"))
  ours = load_word_vectors(str(tmp_path / name), words)
  assert set(ours) == set(words)
  for word in words:
    np.testing.assert_allclose(ours[word], theirs.get_vector(word, norm=True), atol=1e-6)


def test_a_word_with_spaces_in_it_is_not_taken_for_its_first_part(tmp_path):
  (tmp_path / "g.txt").write_text("the 1 0 0\nwalk . . 0 9 0\nwalk 0 0 2\n", encoding="utf-8")
  np.testing.assert_array_equal(load_word_vectors(str(tmp_path / "g.txt"), ["walk"])["walk"], [0, 0, 1])


@pytest.mark.parametrize(
  ("text", "told"),
  [
    ("3 2\nwalk 1 2\nrun 3 4\n", "ends after word 2 of 3"),
    ("2 2\nwalk 1 2\nrun 3\n", "line 3: expected a word and 2 numbers"),
    ("5 2\n", "ends after word 0 of 5"),
    ("0 2\n", "holds no vectors"),
    ("walk\n", "line 1: expected a word and its numbers"),
  ],
)
def test_text_that_was_cut(tmp_path, text, told):
  (tmp_path / "cut.vec").write_text(text, encoding="utf-8")
  with pytest.raises(InputError, match=told):
    load_word_vectors(str(tmp_path / "cut.vec"), ["walk"])


@pytest.mark.parametrize("name", ["cut.bin.gz", "cut.txt.gz"])
def test_packed_files_that_are_none(tmp_path, name):
  (tmp_path / name).write_bytes(b"not packed at all")
  with pytest.raises(InputError, match="cannot be read"):
    load_word_vectors(str(tmp_path / name), ["walk"])


def test_a_bar_shows_on_stderr_only_where_reading_takes_long(tmp_path, capsys, monkeypatch):
  write_bin(tmp_path / "v.bin")
  load_word_vectors(str(tmp_path / "v.bin"), WANTED)
  assert capsys.readouterr() == ("", "")
  monkeypatch.setattr(vector_files, "_PATIENCE", -1.0)
  monkeypatch.setenv("FORCE_COLOR", "1")
  load_word_vectors(str(tmp_path / "v.bin"), WANTED)
  out, err = capsys.readouterr()
  assert out == ""
  assert "reading v.bin" in err
