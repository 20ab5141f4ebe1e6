"""Files of word vectors: one pass, little memory, and what gensim reads from the same file."""

import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.classes import npz_vectors, vector_files
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


def write_npz(path):
  np.savez(path, words=np.array(WORDS), vectors=rows())


def write_packed_npz(path):
  np.savez_compressed(path, words=np.array([word.encode() for word in WORDS]), vectors=rows())


@pytest.mark.parametrize(
  ("name", "write"),
  [("v.bin", write_bin), ("v.vec", write_vec), ("v.npz", write_npz), ("packed.npz", write_packed_npz)],
)
def test_a_large_file_is_read_in_little_memory(tmp_path, name, write):
  path = tmp_path / name
  write(path)
  assert path.stat().st_size > 7e6
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


@pytest.mark.parametrize("dtype", [">f8", "<f2", "i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npz_of_any_numbers_order_and_letters(tmp_path, monkeypatch, dtype, order):
  monkeypatch.setattr(npz_vectors, "_CHUNK", 100)
  words = ["walk", "naïve", "走る", "x" * 40, "", "🏃", "the"]
  vectors = np.random.default_rng(3).normal(0, 100, (len(words), 5)).astype(dtype, order=order)
  for held in (np.array(words), np.array([word.encode() for word in words])):
    np.savez(tmp_path / "v.npz", words=held, vectors=vectors, more=np.zeros(3))
    wanted = set(words) - {"the"}
    found = list(vector_files.entries(tmp_path / "v.npz", wanted))
    assert [word for word, _ in found] == words
    for (word, vector), row in zip(found, vectors, strict=True):
      if word in wanted:
        np.testing.assert_array_equal(vector, row)
      else:
        assert vector is None


def test_words_that_are_not_utf8_are_named(tmp_path):
  np.savez(tmp_path / "v.npz", words=np.array([b"walk", "café".encode("latin-1")]), vectors=np.eye(2))
  with pytest.raises(InputError, match=r"v\.npz': word 2 of `words` is b'caf\\xe9', which is not UTF-8"):
    load_word_vectors(str(tmp_path / "v.npz"), ["walk"])


def rewritten(path, name, change):
  """The archive again, with the bytes of one array changed before they are stored."""
  with zipfile.ZipFile(path) as archive:
    held = {member: archive.read(member) for member in archive.namelist()}
  held[name] = change(held[name])
  with zipfile.ZipFile(path, "w") as archive:
    for member, contents in held.items():
      archive.writestr(member, contents)


@pytest.mark.parametrize("name", ["words.npy", "vectors.npy"])
@pytest.mark.parametrize(
  ("change", "told"),
  [
    (lambda held: held[:-3], "shorter than its header says"),
    (lambda held: held + b"more", "longer than its header says"),
    (lambda held: b"nothing", "magic string"),
    (lambda held: held[:6] + b"\x03" + held[7:], r"NumPy's format \(3, 0\)"),
  ],
)
def test_an_npz_of_damaged_arrays(tmp_path, name, change, told):
  np.savez(tmp_path / "v.npz", words=np.array(["walk", "run"]), vectors=np.eye(2))
  rewritten(tmp_path / "v.npz", name, change)
  with pytest.raises(InputError, match=rf"v\.npz': not a readable \.npz.*{told}"):
    load_word_vectors(str(tmp_path / "v.npz"), ["walk"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_byte_of_an_npz_is_refused_or_changes_nothing(tmp_path_factory, save, data):
  path = tmp_path_factory.getbasetemp() / "changed.npz"
  vectors = np.arange(1, 13).reshape(4, 3)
  save(path, words=np.array(["a", "b", "ç", "d"]), vectors=vectors)
  contents = bytearray(path.read_bytes())
  contents[data.draw(st.integers(0, len(contents) - 1))] ^= data.draw(st.integers(1, 255))
  path.write_bytes(contents)
  try:
    found = list(vector_files.entries(path, {"a", "b", "ç", "d"}))
  except InputError:
    return
  assert [word for word, _ in found] == ["a", "b", "ç", "d"]
  np.testing.assert_array_equal(np.array([vector for _, vector in found]), vectors)
