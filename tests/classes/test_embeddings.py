import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsar_jax.classes.embeddings import (
  class_set,
  class_sets,
  has_embedding,
  join_class_sets,
  load_word_vectors,
  read_classes,
)
from zsar_jax.errors import InputError

REPOSITORY = Path(__file__).parents[2]
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "words.json").read_text())
RNG = np.random.default_rng(0)
WORDS = ["walk", "Walk", "wave", "Polish", "jump", "café"]
VECTORS = RNG.normal(size=(len(WORDS), 8)).astype(np.float32) * 3


def write_npz(path):
  np.savez(path, words=np.array(WORDS), vectors=VECTORS)


def write_text(path, header=True):
  lines = [f"{word} {' '.join(map(repr, row.tolist()))}" for word, row in zip(WORDS, VECTORS, strict=True)]
  path.write_text("\n".join([f"{len(WORDS)} 8"] * header + lines) + "\n", encoding="utf-8")


def write_bin(path, newline=b"\n"):
  rows = (
    word.encode() + b" " + row.astype("<f4").tobytes() + newline
    for word, row in zip(WORDS, VECTORS, strict=True)
  )
  path.write_bytes(f"{len(WORDS)} 8\n".encode() + b"".join(rows))


WRITERS = {
  "a.npz": write_npz,
  "a.txt": write_text,
  "plain.txt": lambda path: write_text(path, header=False),
  "a.bin": write_bin,
  "joined.bin": lambda path: write_bin(path, newline=b""),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_unit_vectors(tmp_path, name):
  WRITERS[name](tmp_path / name)
  found = load_word_vectors(str(tmp_path / name), ["walk", "café", "WAVE", "polish", "absent"])
  assert sorted(found) == ["WAVE", "café", "walk"]  # lower case is tried, Capitalised is another word
  unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
  for asked, row in {"walk": 0, "café": 5, "WAVE": 2}.items():
    assert found[asked].dtype == np.float32
    np.testing.assert_allclose(found[asked], unit[row], atol=1e-6)


def test_files_of_gensim_are_read(tmp_path):
  keyed = pytest.importorskip("gensim.models").KeyedVectors(8)
  keyed.add_vectors(WORDS, VECTORS)
  for name, binary in (("g.bin", True), ("g.txt", False), ("g.bin.gz", True), ("g.txt.gz", False)):
    keyed.save_word2vec_format(str(tmp_path / name), binary=binary)
    found = load_word_vectors(str(tmp_path / name), WORDS)
    got = np.stack([found[word] for word in WORDS])
    np.testing.assert_allclose(got, VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True), atol=1e-5)


def test_a_binary_file_larger_than_the_read_buffer(tmp_path):
  words = [f"w{row}" for row in range(5000)]
  vectors = RNG.normal(size=(5000, 100)).astype("<f4")
  body = b"".join(w.encode() + b" " + v.tobytes() + b"\n" for w, v in zip(words, vectors, strict=True))
  (tmp_path / "big.bin").write_bytes(b"5000 100\n" + body)
  found = load_word_vectors(str(tmp_path / "big.bin"), words)
  unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
  np.testing.assert_allclose(np.stack([found[word] for word in words]), unit, atol=1e-6)


@given(st.text(min_size=1, max_size=12), st.integers(1, 400))
def test_hash_vectors_are_a_pure_function_of_the_word(word, width):
  one = load_word_vectors(f"hash:{width}", [word])[word]
  other = load_word_vectors(f"hash:{width}", [word, "more"])[word]
  assert one.shape == (width,)
  assert one.dtype == np.float32
  np.testing.assert_array_equal(one, other)
  np.testing.assert_allclose(np.linalg.norm(one), 1, rtol=1e-5)


def test_hash_vectors_look_random_and_never_change():
  vectors = np.stack(list(load_word_vectors("hash:300", [f"w{i}" for i in range(300)]).values()))
  cosines = vectors @ vectors.T - np.eye(300)
  assert np.abs(cosines).max() < 0.35  # 6 / sqrt(300)
  assert abs(cosines.std() - 1 / np.sqrt(300)) < 0.003
  np.testing.assert_allclose(load_word_vectors("hash:300", ["walk"])["walk"][:3], EXPECTED_WALK, atol=1e-6)


EXPECTED_WALK = [0.0412185, -0.0017074, -0.0347735]


def test_class_embeddings_are_unit_means_of_unit_vectors():
  one = class_set(["waving while walking", "walking_waving", "jumping"], "folder", "hash:300")
  vectors = load_word_vectors("hash:300", ["wave", "walk", "jump"])
  mean = (vectors["wave"] + vectors["walk"]) / 2
  assert one.names == ("waving while walking", "walking_waving", "jumping")
  assert one.words == (("wave", "walk"), ("walk", "wave"), ("jump",))
  assert one.semantic_embeddings.dtype == np.float32
  np.testing.assert_allclose(one.semantic_embeddings[0], mean / np.linalg.norm(mean), atol=1e-6)
  np.testing.assert_array_equal(one.semantic_embeddings[0], one.semantic_embeddings[1])
  np.testing.assert_allclose(one.semantic_embeddings[2], vectors["jump"], atol=1e-6)


def test_sources_choose_the_rules_and_sets_can_be_joined():
  sets = class_sets({"a": ["horse riding"], "b": ["horse riding"]}, "hash:20", {"a": "kinetics700"})
  assert sets["a"].words == (("horse", "rid"),)
  assert sets["b"].words == (("horse", "ride"),)
  both = join_class_sets([sets["a"], sets["b"]])
  assert both.names == ("horse riding", "horse riding")
  np.testing.assert_array_equal(both.semantic_embeddings[1], sets["b"].semantic_embeddings[0])


def test_a_form_as_written_stands_in_for_a_lemma_without_a_vector(tmp_path):
  np.savez(tmp_path / "v.npz", words=np.array(["clapping", "walk", "walking"]), vectors=VECTORS[:3])
  spec = str(tmp_path / "v.npz")
  assert class_set(["Clapping_While_Walking"], "mine", spec).words == (("clapping", "walk"),)
  with pytest.raises(InputError, match="'clap'"):  # the data sets' own rules are frozen
    class_set(["clapping"], "kinetics700", spec)


def test_every_unknown_word_of_every_class_is_listed_at_once(tmp_path):
  write_npz(tmp_path / "a.npz")
  with pytest.raises(InputError) as caught:
    class_sets({"one": ["jumping", "walkk", "waving zebras"], "two": ["jumqing"]}, str(tmp_path / "a.npz"))
  message = str(caught.value)
  for part in (
    "a.npz",
    "'walkk'",
    "walk",
    "'zebras'",
    "one: class 'waving zebras'",
    "two: class 'jumqing'",
    "rename",
  ):
    assert part in message
  assert "'jumping'" not in message


@pytest.mark.parametrize(
  ("names", "parts"),
  [
    (["walk", "jump", "walk", " "], ["'walk' is repeated (classes 1 and 3)", "class 4 has an empty name"]),
    (["pull_up", "pull up"], ["'pull up' is repeated (classes 1 and 2)"]),
    (["walk", "__"], ["'__' holds no word"]),
    ([], ["no classes"]),
  ],
)
def test_bad_names(names, parts):
  with pytest.raises(InputError) as caught:
    class_set(names, "mine", "hash:300")
  for part in parts:
    assert part in str(caught.value)


def damaged(path, kind):
  if kind == "missing":
    return
  if kind == "suffix":
    path.write_text("x")
  elif kind == "not npz":
    path.write_bytes(b"PK\x03\x04 nothing")
  elif kind == "empty":
    path.write_bytes(b"")
  elif kind == "one array":
    with path.open("wb") as file:
      np.save(file, VECTORS)
  elif kind == "names":
    np.savez(path, word=np.array(WORDS), vec=VECTORS)
  elif kind == "rows":
    np.savez(path, words=np.array(WORDS[:2]), vectors=VECTORS)
  elif kind == "objects":
    np.savez(path, words=np.array(WORDS, dtype=object), vectors=VECTORS)
  elif kind == "numbers":
    np.savez(path, words=np.arange(6), vectors=VECTORS)
  elif kind == "nan":
    np.savez(path, words=np.array(WORDS), vectors=VECTORS * np.nan)
  elif kind == "zero":
    np.savez(path, words=np.array(WORDS), vectors=VECTORS * 0)
  elif kind == "cut":
    write_bin(path)
    path.write_bytes(path.read_bytes()[:-20])
  elif kind == "header":
    path.write_bytes(b"hello there, this is no header")
  elif kind == "text":
    path.write_text("walk 0.1 0.2\njump 0.3 oops\n")


@pytest.mark.parametrize(
  ("name", "kind", "told"),
  [
    ("v.npz", "missing", "no such file"),
    ("v.gz", "suffix", ".npz, .bin, .txt or .vec"),
    ("v.npz", "not npz", "not a readable .npz"),
    ("v.npz", "empty", "not a readable .npz"),
    ("v.npz", "one array", "not a readable .npz"),
    ("v.npz", "names", "found word, vec"),
    ("v.npz", "rows", "one row of `vectors` a word"),
    ("v.npz", "objects", "not a readable .npz"),
    ("v.npz", "numbers", "`words` as strings"),
    ("v.npz", "nan", "not finite"),
    ("v.npz", "zero", "zero or not finite"),
    ("v.bin", "cut", "ends inside word 6 of 6"),
    ("v.bin", "header", "no count and width"),
    ("v.bin", "empty", "no count and width"),
    ("v.txt", "text", "line 2"),
    ("v.txt", "empty", "holds no vectors"),
  ],
)
def test_bad_files(tmp_path, name, kind, told):
  damaged(tmp_path / name, kind)
  with pytest.raises(InputError, match="word vectors") as caught:
    load_word_vectors(str(tmp_path / name), ["walk", "jump"])
  assert told in str(caught.value)
  assert name in str(caught.value)


@pytest.mark.parametrize("spec", ["hash:", "hash:0", "hash:x", "hash:-3", "hash:1.5"])
def test_bad_hash_widths(spec):
  with pytest.raises(InputError, match="hash:300"):
    load_word_vectors(spec, ["walk"])


def test_real_vectors_embed_the_classes_that_they_cover_whole():
  path = REPOSITORY.parent / "shared" / "data" / "wordvec" / "googlenews_subset_unit.npz"
  if not path.is_file():
    pytest.skip("../shared/data/wordvec is absent")
  names = list(GOLDEN["kinetics700"])
  reading = read_classes({"kinetics700": names, "ucf101": list(GOLDEN["ucf101"])}, str(path))
  known = has_embedding(reading.sets["kinetics700"])
  assert known.tolist() == [not missing for missing in reading.unknown["kinetics700"]]
  whole = class_set([names[row] for row in np.flatnonzero(known)], "kinetics700", str(path))
  np.testing.assert_array_equal(
    whole.semantic_embeddings, reading.sets["kinetics700"].semantic_embeddings[known]
  )
  np.testing.assert_allclose(np.linalg.norm(whole.semantic_embeddings, axis=1), 1, rtol=1e-5)
  with pytest.raises(InputError, match="PlayingDaf"):
    class_set(list(GOLDEN["ucf101"]), "ucf101", str(path))


def test_classes_need_neither_jax_nor_tensorflow():
  code = (
    "import sys, zsar_jax.classes.embeddings, zsar_jax.classes.overlap, zsar_jax.classes.splits;"
    "import zsar_jax.zeroshot.compose, zsar_jax.classes.__main__;"
    "print([m for m in ('jax', 'tensorflow', 'gensim', 'matplotlib', 'lemminflect') if m in sys.modules])"
  )
  done = subprocess.run(
    [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == "[]"
