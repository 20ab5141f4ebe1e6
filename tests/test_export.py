"""`zsar_jax.export` on a tiny trained run: what comes along, and that nothing comes where it differs from the run."""

import json
import pathlib

import jax
import numpy as np
import pytest
from running import arguments, features_keys, make_features

from zsar_jax import export, main
from zsar_jax.bundle import write
from zsar_jax.bundle.read import read_bundle
from zsar_jax.classes.vectors import hash_vector
from zsar_jax.exporting import run as exporting
from zsar_jax.models.weights_dir import read_class_file, write_class_file

ROOT = pathlib.Path(__file__).parent.parent
# The words of the run's own classes, some of class lists that ship, some of none.
WORDS = (
  "walk",
  "walking",
  "run",
  "wave",
  "jump",
  "archery",
  "juggle",
  "ball",
  "balls",
  "Zanzibar",
  "unicycle",
  "pogo",
)


def train(data_dir, workdir, config, **more):
  keys = features_keys(config, data_dir) | more
  assert main.main(arguments(str(ROOT / config), workdir, keys)) == 0
  return workdir


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  folder = make_features(tmp_path_factory.mktemp("data"))
  np.savez(
    folder / "vectors.npz", words=np.array(WORDS), vectors=np.stack([hash_vector(word, 20) for word in WORDS])
  )
  return folder


@pytest.fixture(scope="module")
def e2e(data, tmp_path_factory):
  """A trained run with a file of word vectors, and a list of classes in another."""
  (data / "unseen.txt").write_text("waving\njumping\n")
  more = {"vectors": str(data / "vectors.npz"), "data.seen": f"mine:!@{data / 'unseen.txt'}"}
  return train(data, tmp_path_factory.mktemp("e2e"), "configs/demo.py:e2e", **more)


def run(workdir, to, *more):
  return export.main(["--workdir", str(workdir), "--to", str(to), *map(str, more)])


def test_a_run_is_exported_with_its_words_and_its_programs(e2e, tmp_path, capsys):
  words = tmp_path / "more.txt"
  words.write_text("unicycle\nhoverboard\n\nZanzibar\n", encoding="utf-8")
  to = tmp_path / "bundle"
  assert run(e2e, to, "--format", "stablehlo", "--words", words, "--licence", "CC BY 4.0") == 0
  told = capsys.readouterr().out
  assert "1 words have no vector and do not come along: hoverboard" in told
  assert "clips of random frames: largest relative difference 0\n" in told
  assert "prototypes of 2 classes of mine: largest relative difference 0\n" in told
  assert "MB  stablehlo/cpu.bin" in told
  bundle = read_bundle(to)
  # `pogo` is a word of no class; `balls` is as a user may write a name.
  assert set(bundle.word_vectors) == set(WORDS) - {"pogo"}
  facts, report = bundle.facts, json.loads((e2e / "report.json").read_text())
  assert (facts.name, facts.vectors, facts.licence, facts.space) == (
    "bundle",
    "vectors.npz",
    "CC BY 4.0",
    "semantic",
  )
  assert (facts.step, facts.checkpoint) == (report["step"], report["checkpoint"])
  assert [row["top1"] for row in facts.evaluation] == [
    row["top1"] for row in report["evaluations"] if row["primary"]
  ]
  assert (bundle.seen.names, facts.pretrained_known, bundle.seen_visual) == (
    ("running", "walking"),
    True,
    None,
  )
  assert set(zip(bundle.known.names, bundle.known.words, strict=True)) == {
    (name, (word,)) for name, words in (("running", ("run", "running")), ("walking", ("walk", "walking")))
    for word in words
  }  # fmt: skip
  assert (bundle.config.data.seen, bundle.config.vectors) == ("mine:!@unseen.txt", "vectors.npz")
  for file in filter(pathlib.Path.is_file, to.rglob("*")):
    for place in (tmp_path.parent, ROOT):
      assert str(place).encode() not in file.read_bytes(), file


def test_a_bundle_that_differs_from_the_run_is_not_kept(e2e, tmp_path, capsys, monkeypatch):
  to = tmp_path / "bundle"
  assert run(e2e, to) == 0
  before = (to / "SHA256SUMS").read_bytes()
  true_save = write.save_arrays

  def flip(tree, path):
    tree = jax.tree.map(np.copy, tree)
    tree["params"]["regressor"]["kernel"][0, 0] += 0.01
    true_save(tree, path)

  monkeypatch.setattr(write, "save_arrays", flip)
  capsys.readouterr()
  assert run(e2e, to) == 1
  told = capsys.readouterr().err
  assert "does not give what the run gives" in told
  assert "embeddings of 8 clips of validation videos differ by" in told
  assert run(e2e, tmp_path / "other") == 1
  assert (to / "SHA256SUMS").read_bytes() == before
  assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_that_cannot_be_read_back_is_not_kept(e2e, tmp_path, capsys, monkeypatch):
  true_sums = write.write_sums

  def spoil(folder):
    true_sums(folder)
    (folder / "classes.npz").write_bytes(b"cut")

  monkeypatch.setattr(write, "write_sums", spoil)
  assert run(e2e, tmp_path / "bundle") == 1
  assert "classes.npz was changed or is damaged" in capsys.readouterr().err
  assert not list(tmp_path.iterdir())


def test_records_that_vanish_are_not_told_as_a_full_disk(e2e, tmp_path, capsys, monkeypatch):
  def gone(*_):
    raise FileNotFoundError(2, "No such file or directory", "mine-00000")

  monkeypatch.setattr(exporting, "compare", gone)
  assert run(e2e, tmp_path / "bundle") == 2
  told = capsys.readouterr().err
  assert "the run could not be compared with what was written" in told
  assert "mine-00000" in told
  assert "cannot be written" not in told
  assert not list(tmp_path.iterdir())


def test_other_clips_than_were_evaluated_take_the_accuracy_away(e2e, tmp_path, capsys):
  assert run(e2e, tmp_path / "bundle", "--config.eval.num_clips=3") == 0
  why = "the run was evaluated with 2 evenly spaced clips a video; predictions use 3 evenly spaced clips"
  assert f"the model card holds no accuracy: {why}\n" in capsys.readouterr().out
  assert why in (tmp_path / "bundle" / "README.md").read_text()
  assert read_bundle(tmp_path / "bundle").facts.evaluation == []


def test_mistakes_are_told_before_anything_is_opened(e2e, tmp_path, capsys):
  assert run(tmp_path, tmp_path / "bundle") == 2
  assert "expected the workdir of a run" in capsys.readouterr().err
  assert run(e2e, e2e) == 2
  assert "holds other things than an exported model" in capsys.readouterr().err
  assert run(e2e, tmp_path / "bundle", "--words", tmp_path / "none.txt") == 2
  assert "none.txt cannot be read" in capsys.readouterr().err
  assert run(e2e, tmp_path / "bundle", "--config.data.cropp=3") == 2
  assert "did you mean 'data.crop'" in capsys.readouterr().err
  assert run(e2e, tmp_path / "bundle", "--config.eval.num_clips=251") == 2
  assert (
    "at most 250 clips a video: give fewer, such as --config.eval.num_clips=25" in capsys.readouterr().err
  )
  for name in ("a" * 300, "a\0b"):
    assert run(tmp_path / name, tmp_path / "bundle") == 2
    assert "expected the workdir of a run" in capsys.readouterr().err
    assert run(e2e, tmp_path / name) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert run(e2e, tmp_path / "bundle", "--words", name) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_classes_that_the_weights_saw_before_are_known(e2e, data, tmp_path, capsys):
  """A run that started from an exported model, and one whose origin nobody listed."""
  old = tmp_path / "old"
  assert run(e2e, old) == 0
  more = {"vectors": str(data / "vectors.npz"), "model.init_from": str(old)}
  workdir = train(data, tmp_path / "run", "configs/demo.py:e2e", **more)
  # The bundle knows the vectors' file by its name only; by it the regressor into their space is taken too.
  out = " ".join(capsys.readouterr().out.split())
  assert "its vectors.npz is taken for this run's word vectors, by the file's name" in out
  assert "fresh: nothing" in out
  assert read_class_file(workdir)["pretrained"] == {"from": str(old), "classes": ["running", "walking"]}
  before = {"from": str(old), "classes": ["archery", "tightrope"]}
  write_class_file(workdir, ("running", "walking", "JumpingJack"), before)
  (workdir / "report.json").unlink()
  assert run(workdir, tmp_path / "bundle") == 0
  bundle = read_bundle(tmp_path / "bundle")
  known = dict(zip(bundle.known.names, bundle.known.semantic_embeddings, strict=True))
  assert set(known) == {"running", "walking", "JumpingJack", "archery", "tightrope"}
  np.testing.assert_allclose(known["archery"], hash_vector("archery", 20), atol=1e-6)
  assert not known["tightrope"].any()
  assert (bundle.facts.evaluation, bundle.facts.pretrained_from) == ([], "old")
  assert bundle.facts.not_evaluated == "the run holds no report.json"
  assert str(old) not in (tmp_path / "bundle" / "config.json").read_text()
  write_class_file(workdir, ("running", "walking"), before | {"classes": None})
  assert run(workdir, tmp_path / "bundle") == 0
  assert not read_bundle(tmp_path / "bundle").facts.pretrained_known


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no seen class is admissible:UserWarning")
def test_rest_is_exported_with_its_seen_prototypes(data, tmp_path, capsys):
  workdir = train(data, tmp_path / "run", "configs/demo.py", **{"eval.num_clips": 1})
  stored = np.load(next((workdir / "seen_embeddings").glob("*/prototypes.npz")))["prototypes"]
  for folder in (workdir / "seen_embeddings").iterdir():
    for file in folder.iterdir():
      file.unlink()
  assert run(workdir, tmp_path / "bundle", "--format", "stablehlo") == 0
  bundle = read_bundle(tmp_path / "bundle")
  np.testing.assert_array_equal(bundle.seen_visual, stored)
  assert (bundle.facts.space, bundle.facts.vectors, bundle.word_vectors) == ("visual", "hash:300", {})
  assert "prototypes of 2 classes of mine: largest relative difference 0\n" in capsys.readouterr().out
