"""What is made of the names that a user gives: embeddings, prototypes, leaks; and what is said of names that cannot be used."""

import pathlib

import numpy as np
import pytest
from bundles import SEEN, make_bundle, write_vectors

import zsar_jax
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes.embeddings import class_set
from zsar_jax.data.video_clips import VideoClips
from zsar_jax.errors import InputError
from zsar_jax.methods import make_method
from zsar_jax.recognition.meanings import make_candidates
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.zeroshot.metrics import unit

NAMES = ("juggling balls", "archery", "playing piano")
WORDS = "wave clap walk punch squat bow jump throw darts juggle balls archery play piano ball archer swimming"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="module")
def from_file(folder):
  """A ResT model trained with a file of word vectors, whose words came along."""
  return make_bundle(vectors=str(write_vectors(folder / "trained.npz", WORDS)))


def problems(bundle, names, vectors=None):
  with pytest.raises(InputError) as raised:
    make_candidates(bundle, names, vectors, "folder")
  return str(raised.value).splitlines()


def test_prototypes_are_the_methods_own():
  bundle = make_bundle()
  found = make_candidates(bundle, NAMES, None, "folder")
  classes = class_set(NAMES, "folder", "hash:64")
  expected = make_method(bundle.config, bundle.seen).prototypes(classes, bundle.seen_visual)
  np.testing.assert_array_equal(found.prototypes.vectors, expected.vectors)
  assert found.classes.names == NAMES
  assert found.seen == SEEN
  recipe = found.recipe("archery")
  assert sum(share for _, share in recipe) == pytest.approx(1)
  assert [share for _, share in recipe] == sorted((share for _, share in recipe), reverse=True)


def test_e2e_compares_with_word_vectors():
  found = make_candidates(make_bundle("e2e"), NAMES, None, "folder")
  assert (found.prototypes.space, found.prototypes.weights) == ("semantic", None)
  np.testing.assert_array_equal(
    found.prototypes.vectors, class_set(NAMES, "folder", "hash:64").semantic_embeddings
  )
  assert found.recipe("archery") == []


def test_rest_without_transfer_names_by_the_nearest_seen_class():
  bundle = make_bundle(transfer__space="semantic")
  recognizer = Recognizer(bundle)
  candidates = recognizer.candidates(NAMES)
  near = bundle.seen_visual[[3, 1]] * 2 + 0.01
  none = np.zeros(0, np.float32)
  clips = VideoClips(np.zeros((1, 24, 24, 3), np.uint8), np.zeros((2, 4), np.int32), 2, none, none, 1.0, 9)
  found = recognizer.answer("a", clips, np.stack([near[0], near[0]]), candidates)
  expected = unit(bundle.seen.semantic_embeddings[3]) @ candidates.classes.semantic_embeddings.T
  np.testing.assert_allclose(found.scores, expected, atol=1e-6)
  assert found.nearest_seen[0].name == SEEN[3]


def test_words_that_came_along_are_enough(from_file, folder):
  found = make_candidates(from_file, NAMES, None, "folder")
  trained = class_set(NAMES, "folder", str(folder / "trained.npz"))
  np.testing.assert_allclose(found.classes.semantic_embeddings, trained.semantic_embeddings, atol=1e-6)


def test_every_name_that_cannot_be_used_is_told_at_once(from_file):
  lines = problems(from_file, ["archery", "jugling ballz", "archery", " ", "bad\x07name", "...", "unicorns"])
  text = "\n".join(lines)
  assert len(lines) == 7, text
  for told in (
    "class name 'archery' is repeated", "class 4 has an empty name", "U+0007", "'...' holds no word",
    "class 'jugling ballz': no vector for 'jugle' (nearest: juggle), 'ballz' (nearest: ball", "class 'unicorns': no vector for 'unicorns'",
  ):  # fmt: skip
    assert told in text, text
  assert "the words that came with the model" in lines[0]
  assert "at least two names" in "\n".join(problems(from_file, ["archery"]))
  assert "no classes" in "\n".join(problems(from_file, []))


def test_names_that_were_trained_on_are_leaks():
  names = ("Clapping_WhileWalking", "archery", "darts throwing")
  found = make_candidates(make_bundle(), names, None, "folder")
  assert [(leak.name, leak.known_as) for leak in found.leaks] == [(names[0], SEEN[1]), (names[2], SEEN[4])]
  assert all(leak.distance == pytest.approx(0, abs=1e-6) for leak in found.leaks)


def test_a_class_of_borrowed_weights_leaks_without_a_vector(from_file):
  seen = from_file.seen
  known = seen._replace(
    names=(*seen.names, "swimming", "kendo"),
    words=(*seen.words, ("swimming",), ("kendo",)),
    semantic_embeddings=np.concatenate([seen.semantic_embeddings, np.zeros((2, 8), np.float32)]),
  )
  found = make_candidates(from_file._replace(known=known), ("swimming", "archery"), None, "folder")
  assert [leak.known_as for leak in found.leaks] == ["swimming"]


def test_another_spelling_of_a_seen_name_leaks_without_a_vector(from_file):
  known = from_file.known._replace(
    names=("ApplyEyeMakeup",), words=(("paint",),), semantic_embeddings=np.zeros((1, 8), np.float32)
  )
  words = from_file.word_vectors | dict.fromkeys(("apply", "eye", "makeup"), from_file.word_vectors["wave"])
  bundle = from_file._replace(known=known, word_vectors=words)
  for spelling in ("apply eye makeup", "Apply_Eye_Makeup", "APPLY EYE MAKEUP"):
    assert [
      leak.known_as for leak in make_candidates(bundle, (spelling, "archery"), None, "folder").leaks
    ] == ["ApplyEyeMakeup"]


def test_the_working_directory_and_the_folder_no_longer_matter(from_file, tmp_path, monkeypatch):
  write_bundle(from_file._replace(folder=tmp_path / "model"), tmp_path / "model")
  monkeypatch.chdir(tmp_path)
  recognizer = zsar_jax.load("model")
  write_vectors(tmp_path / "own.npz", WORDS, seed=3)
  (tmp_path / "model" / "words.npz").unlink()
  expected = recognizer.candidates(NAMES, pathlib.Path("own.npz"))
  monkeypatch.chdir("/")
  found = recognizer.candidates(NAMES).classes
  np.testing.assert_array_equal(
    found.semantic_embeddings, make_candidates(from_file, NAMES, None, "folder").classes.semantic_embeddings
  )
  assert recognizer.candidates(NAMES, tmp_path / "own.npz") is expected  # the relative path meant this file


def test_other_vectors_serve_both_sides_of_rest(from_file, folder):
  other = str(write_vectors(folder / "other.npz", WORDS + " unicorns", seed=1, width=5))
  found = make_candidates(from_file, (*NAMES, "unicorns", "waving"), other, "folder")
  assert found.classes.semantic_embeddings.shape == (5, 5)
  np.testing.assert_allclose(
    found.seen_semantic, class_set(SEEN, "folder", other).semantic_embeddings, atol=1e-6
  )
  assert [leak.known_as for leak in found.leaks] == ["waving"]
  fewer = str(write_vectors(folder / "fewer.npz", WORDS.replace("darts ", "").replace("squat ", "")))
  (line,) = problems(from_file, NAMES, fewer)
  assert "no vector for 2 words" in line
  assert "darts, squat" in line


def test_e2e_refuses_vectors_of_another_space(folder):
  trained = write_vectors(folder / "trained.npz", WORDS)
  bundle = make_bundle("e2e", vectors=str(trained))
  assert make_candidates(bundle, NAMES, str(trained), "folder").prototypes.space == "semantic"
  more = write_vectors(folder / "more.npz", WORDS.replace("darts ", "") + " unicorns")  # not every seen word
  assert len(make_candidates(bundle, ("unicorns", "archery"), str(more), "folder").classes.names) == 2
  for changes, told in (
    ({"seed": 1}, "means something else"),
    ({"width": 9}, "9 wide, expected 8"),
    ({"words": "archery juggle balls play piano"}, "holds none of the classes"),
  ):
    words = changes.pop("words", WORDS)
    (line,) = problems(bundle, NAMES, str(write_vectors(folder / "wrong.npz", words, **changes)))
    assert told in line
    assert "trained.npz" in line


def test_a_sentence_encoder_must_be_given():
  bundle = make_bundle()
  facts = bundle.facts._replace(vectors="sentence:model")
  (line,) = problems(bundle._replace(facts=facts), NAMES)
  assert "--vectors sentence:DIR" in line


def test_a_sentence_encoder_reads_every_known_name_once(monkeypatch):
  texts = []

  def encode(spec, given):
    texts.extend(dict.fromkeys(given))
    width = np.random.default_rng(0).standard_normal((len(given), 8)).astype(np.float32)
    return unit(width)

  monkeypatch.setattr("zsar_jax.classes.sentence.encode", encode)
  bundle = make_bundle()
  names = ("ApplyEyeMakeup", "Tai_Chi")
  known = bundle.known._replace(
    names=names, words=(("a",), ("b",)), semantic_embeddings=np.eye(2, 64, dtype=np.float32)
  )
  make_candidates(bundle._replace(known=known), NAMES, "sentence:model", "folder")
  assert sorted(texts) == sorted([*NAMES, *SEEN, "Apply Eye Makeup", "Tai Chi"])


def test_a_class_that_no_seen_class_may_stand_for_is_told():
  bundle = make_bundle(transfer__num_neighbors=1, transfer__distinctiveness=0.0)
  names = (
    *SEEN,
    *(f"{name} slowly" for name in SEEN),
  )  # each nearer to a seen class than those are that it must share
  found = make_candidates(bundle, names, None, "folder")
  assert "no seen class is admissible for unseen class 'waving slowly'" in "\n".join(found.notes)
  assert make_candidates(make_bundle(), NAMES, None, "folder").notes == ()


def test_the_same_names_are_looked_up_once(monkeypatch):
  recognizer = Recognizer(make_bundle())
  assert recognizer.candidates(list(NAMES)) is recognizer.candidates(NAMES)
  assert recognizer.candidates(NAMES, "hash:16") is not recognizer.candidates(NAMES)
