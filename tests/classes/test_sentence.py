"""Sentence encoders: a whole class name becomes one vector."""

import sys

import numpy as np
import pytest

from zsar_jax.classes import sentence
from zsar_jax.classes.__main__ import main
from zsar_jax.classes.embeddings import class_set, class_sets, load_word_vectors
from zsar_jax.classes.overlap import find_overlap
from zsar_jax.classes.pretraining import audit_pretraining
from zsar_jax.errors import InputError

VOCABULARY = (
  "[UNK]",
  "apply",
  "eye",
  "makeup",
  "walking",
  "the",
  "dog",
  "abbey",
  "airplane",
  "cabin",
  "playing",
  "guitar",
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
  """A real model of a few words: the mean of a table's rows."""
  transformers = pytest.importorskip("sentence_transformers")
  models = pytest.importorskip("sentence_transformers.models")
  tokenizers = pytest.importorskip("tokenizers")
  words = {word: row for row, word in enumerate(VOCABULARY)}
  tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
  tokenizer.normalizer = tokenizers.normalizers.Lowercase()
  tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  weights = np.random.default_rng(0).normal(size=(len(VOCABULARY), 16)).astype(np.float32)
  table = models.StaticEmbedding(tokenizer, embedding_weights=weights)
  folder = tmp_path_factory.mktemp("encoder")
  transformers.SentenceTransformer(modules=[table], device="cpu").save(str(folder))
  return f"sentence:{folder}"


def test_names_are_encoded_whole_and_words_stay_those_of_the_rules(spec):
  sets = class_sets(
    {"ucf101": ["ApplyEyeMakeup"], "sun397": ["/a/airplane_cabin"], "mine": ["walking_the_dog"]}, spec
  )
  texts = {"ucf101": "Apply Eye Makeup", "sun397": "airplane cabin", "mine": "walking the dog"}
  for own, text in texts.items():
    got = sets[own].semantic_embeddings
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(got, sentence.encode(spec, [text]), atol=1e-6)
  assert sets["mine"].words == (("walk", "dog"),)


def test_commands_work_with_sentences(spec, tmp_path, capsys):
  (tmp_path / "mine.txt").write_text("abbey\nwalking the dog\n", encoding="utf-8")
  mine, out = str(tmp_path / "mine.txt"), tmp_path / "out.npz"
  assert main(["check", "--classes", mine, "--vectors", spec]) == 0
  assert "2 of 2 classes whole" in capsys.readouterr().out
  assert main(["embed", "--classes", mine, "--vectors", spec, "--out", str(out)]) == 0
  with np.load(out) as arrays:
    assert set(arrays) == {"class_names", "class_words", "class_lists", "semantic_embeddings"}
    np.testing.assert_allclose(
      arrays["semantic_embeddings"], sentence.encode(spec, ["abbey", "walking the dog"])
    )
  assert main(["overlap", "--seen", mine, "--unseen", mine, "--vectors", spec]) == 0
  (tmp_path / "mine.txt").write_text("abbey\n__\n", encoding="utf-8")
  capsys.readouterr()
  assert main(["check", "--classes", mine, "--vectors", spec]) == 1
  assert "'__' holds no word" in capsys.readouterr().out


def test_audits_work_with_sentences(spec):
  seen = class_set(["guitar playing", "walking dog", "abbey"], "kinetics700", spec)
  unseen = class_set(["PlayingGuitar"], "ucf101", spec)
  assert find_overlap(seen, unseen).removed == (("guitar playing", "PlayingGuitar", 0.0),)
  got = audit_pretraining(["guitar playing", "abbey"], unseen, spec, 0.05)
  assert got.leaks == (("guitar playing", "PlayingGuitar", 0.0),)
  assert got.without_vectors == ()
  assert audit_pretraining([], unseen, spec, 0.05).leaks == ()


def test_equal_texts_are_equal_and_order_is_kept(spec):
  rows = sentence.encode(spec, ["abbey", "the dog", "abbey"])
  np.testing.assert_array_equal(rows[0], rows[2])
  assert not np.allclose(rows[0], rows[1])
  np.testing.assert_allclose(sentence.encode(spec, ["the dog"])[0], rows[1], atol=1e-6)


def test_sentences_have_no_vectors_of_words(spec):
  with pytest.raises(InputError, match="no vectors of words"):
    load_word_vectors(spec, ["walk"])


def test_a_missing_package_is_told_with_the_command(spec, monkeypatch):
  monkeypatch.setitem(sys.modules, "sentence_transformers", None)
  with pytest.raises(InputError, match=r"pip install 'zsar-jax\[sentence\]'"):
    class_set(["abbey"], "mine", spec)


def test_folders_that_are_no_model(tmp_path):
  for given, told in (
    ("sentence:", "no such folder"),
    (f"sentence:{tmp_path / 'absent'}", "no such folder"),
    (f"sentence:{tmp_path}", "no modules.json"),
  ):
    with pytest.raises(InputError, match=told):
      class_set(["abbey"], "mine", given)


def test_a_damaged_model(tmp_path):
  pytest.importorskip("sentence_transformers")
  (tmp_path / "modules.json").write_text("[{]", encoding="utf-8")
  with pytest.raises(InputError, match="cannot be used"):
    class_set(["abbey"], "mine", f"sentence:{tmp_path}")
