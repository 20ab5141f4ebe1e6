"""A bundle is read as it was written, or refused by name; never half believed."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from bundles import ROOT, SEEN

from zsar_jax.bundle.card import card
from zsar_jax.bundle.model import abstract_graph, make_bundle_method
from zsar_jax.bundle.read import read_bundle
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes.embeddings import class_set, load_word_vectors
from zsar_jax.errors import InputError
from zsar_jax.models import weights
from zsar_jax.models.weights_dir import flat
from zsar_jax.saved.folders import SUMS, write_sums
from zsar_jax.train.initial import read_source


@pytest.fixture(scope="module")
def bundle(written):
  return read_bundle(written)


def same(one, other):
  assert jax.tree.structure(one) == jax.tree.structure(other)
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    np.testing.assert_array_equal(a, b)


def test_what_is_written_is_read(bundle, tmp_path):
  vectors = load_word_vectors("hash:64", ["polish", "Ærø"])
  known = class_set(("archery", "archery lesson"), "folder", "hash:64")
  given = bundle._replace(
    known=known, word_vectors=vectors, facts=bundle.facts._replace(licence="CC0", evaluation=[{"top1": 3.5}])
  )
  write_bundle(given, tmp_path / "other")
  read = read_bundle(tmp_path / "other")
  assert (read.facts, read.config, read.seen.names) == (given.facts, given.config, SEEN)
  assert read.seen.words == given.seen.words
  same((read.params, read.batch_stats), (given.params, given.batch_stats))
  same((read.seen.semantic_embeddings, read.seen_visual, read.known.semantic_embeddings),
       (given.seen.semantic_embeddings, given.seen_visual, known.semantic_embeddings))  # fmt: skip
  assert (read.known.names, list(read.word_vectors)) == (known.names, list(vectors))
  same(list(read.word_vectors.values()), list(vectors.values()))
  # The words are a source of vectors for the rest of the project too.
  again = load_word_vectors(str(tmp_path / "other" / "words.npz"), ["polish"])
  np.testing.assert_allclose(again["polish"], vectors["polish"], atol=1e-7)


def test_nothing_is_initialised_to_lay_out_the_model(bundle):
  graph = abstract_graph(bundle)
  method = make_bundle_method(bundle)
  assert method.space == "visual"
  assert "words" in method.spaces  # hash vectors of the seen words are made again
  assert graph == abstract_graph(bundle)


def test_every_bad_file_is_listed(folder):
  (folder / "config.json").write_text("{}")
  (folder / "classes.npz").unlink()
  (folder / "parameters" / "more").write_text("")
  with pytest.raises(InputError) as error:
    read_bundle(folder)
  told = str(error.value)
  assert "config.json was changed or is damaged (SHA-256)" in told
  assert "classes.npz is missing" in told
  assert "parameters/more' does not belong here" in told


def test_what_is_no_bundle_is_told_what_to_do(tmp_path):
  with pytest.raises(InputError, match="no such folder"):
    read_bundle(tmp_path / "none")
  with pytest.raises(InputError, match=r"zsar_jax\.export"):
    read_bundle(tmp_path)
  (tmp_path / "config.json").write_text("{}")
  (tmp_path / "checkpoints").mkdir()
  with pytest.raises(InputError, match=rf"workdir of a run.*--workdir {tmp_path} --to DIR"):
    read_bundle(tmp_path)


def test_any_byte_of_any_file_counts(folder):
  """Cut, changed or gone: always one InputError that names the file, never a traceback."""
  files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
  assert len(files) > 8
  for path in files:
    kept = path.read_bytes()
    middle = len(kept) // 2
    flipped = kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :] if kept else b"x"
    for spoiled in (flipped, kept[:middle] if kept else None, None):
      if spoiled is None:
        path.unlink()
      else:
        path.write_bytes(spoiled)
      with pytest.raises(InputError) as error:
        read_bundle(folder)
      assert path.name == SUMS or path.name in str(error.value)
    path.write_bytes(kept)
  read_bundle(folder)


@pytest.mark.parametrize(
  ("key", "value", "told"),
  [
    ("step", -1, "'step' is -1"),
    ("step", True, "'step' is True"),
    ("checkpoint", "no hash", "'checkpoint' is 'no hash'"),
    ("num_parameters", 7, "says 7"),
    ("format", 2, "format 2"),
    ("preprocessing", [], "'preprocessing' is []"),
    ("preprocessing", {"crop": 0}, "'preprocessing.crop' is 0"),
    ("preprocessing", {"crop": 22}, "do not agree"),
    ("preprocessing", {"fps": float("nan")}, "'preprocessing.fps' is nan"),
    ("extra", 1, "unknown 'extra'"),
    ("vectors", "hash:32", "'vectors' is 'hash:32' in the one"),
    ("licence", "\ud800", "'licence'"),
  ],
)
def test_facts_that_cannot_be_are_refused(folder, key, value, told):
  """Whoever changes a file may change its sum too."""
  file = folder / "model.json"
  held = json.loads(file.read_text())
  held[key] = held[key] | value if isinstance(value, dict) else value
  file.write_text(json.dumps(held))
  write_sums(folder)
  with pytest.raises(InputError) as error:
    read_bundle(folder)
  assert told in str(error.value)


def test_arrays_that_do_not_fit_are_refused(folder):
  with np.load(folder / "classes.npz") as held:
    arrays = dict(held)
  for name, spoiled in (
    ("seen_embeddings", arrays["seen_embeddings"][:-1]),
    ("seen_num_words", arrays["seen_num_words"] + 1),
    ("seen_visual", np.full_like(arrays["seen_visual"], np.nan)),
    ("known_embeddings", arrays["known_embeddings"][:, :-1]),
    ("seen_names", np.array([{}] * len(SEEN))),
  ):
    np.savez(folder / "classes.npz", **arrays | {name: spoiled})  # type: ignore[arg-type]
    write_sums(folder)
    with pytest.raises(InputError):
      read_bundle(folder)
  np.savez(folder / "classes.npz", **arrays)  # type: ignore[arg-type]
  config = json.loads((folder / "config.json").read_text())
  config["model"]["width"] = 64
  (folder / "config.json").write_text(json.dumps(config))
  write_sums(folder)
  with pytest.raises(InputError, match="do not fit the model"):
    read_bundle(folder)


def test_an_export_replaces_an_export_and_nothing_else(bundle, folder, tmp_path):
  (folder / "parameters" / "old").write_text("")
  write_bundle(bundle, folder)
  assert read_bundle(folder).facts == bundle.facts
  (folder / "notes.txt").write_text("mine")
  with pytest.raises(InputError, match="holds other things"):
    write_bundle(bundle, folder)
  assert (folder / "notes.txt").read_text() == "mine"
  with pytest.raises(InputError, match="is a file"):
    write_bundle(bundle, folder / "notes.txt")
  assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_a_check_that_fails_leaves_what_was_there(bundle, folder, tmp_path):
  def refuse(new):
    assert read_bundle(new).facts.step == 77
    raise RuntimeError("no")

  for to in (folder, tmp_path / "new"):
    with pytest.raises(RuntimeError, match="no"):
      write_bundle(bundle._replace(facts=bundle.facts._replace(step=77)), to, check=refuse)
  assert read_bundle(folder).facts.step == bundle.facts.step
  assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_the_sums_are_those_of_sha256sum(written):
  subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=written, check=True)


def test_a_run_can_start_from_it(written, bundle):
  source = read_source(written, "resnet_tiny")
  assert (source.classes, source.vectors) == (SEEN, "hash:64")
  ours = flat({"params": bundle.params, "batch_stats": bundle.batch_stats})
  theirs = flat({"params": source.params, "batch_stats": source.batch_stats})
  assert set(ours) == set(theirs)
  for name, array in ours.items():
    np.testing.assert_array_equal(array, theirs[name])
  with pytest.raises(InputError, match="holds resnet_tiny"):
    read_source(written, "resnet18")


def test_its_backbone_becomes_weights(written, bundle, tmp_path, capsys):
  assert weights.main(["--from", str(written), "--to", str(tmp_path / "weights")]) == 0
  told = capsys.readouterr().out
  assert f"read {written}, step 5\n" in told
  assert "trained on 5 classes" in told
  taken = weights.load(tmp_path / "weights")
  assert (taken.arch, taken.classes) == ("resnet_tiny", SEEN)
  same((taken.params, taken.batch_stats), (bundle.params["backbone"], bundle.batch_stats["backbone"]))


def test_a_damaged_bundle_starts_no_run(folder):
  (folder / "classes.npz").write_bytes(b"")
  with pytest.raises(InputError, match=r"classes.npz was changed or is damaged"):
    read_source(folder, "resnet_tiny")


def test_classes_that_nobody_listed_stay_unknown(bundle, tmp_path):
  facts = bundle.facts._replace(pretrained_from="weights", pretrained_known=False)
  write_bundle(bundle._replace(facts=facts), tmp_path / "bundle")
  assert read_source(tmp_path / "bundle", "resnet_tiny").classes is None


def test_the_card_says_what_it_is(bundle):
  text = card(bundle, has_programs=True)
  for told in ("resnet_tiny", "5 classes", ", ".join(SEEN), "was not evaluated", "hash:64", "python -m zsar_jax.predict --model tiny",
               "Not said", "sha256sum -c SHA256SUMS", "stablehlo/cpu.bin"):  # fmt: skip
    assert told in text, told
  row = {
    "dataset": "figures_test",
    "protocol": "half",
    "num_classes": 6,
    "top1": 80.25,
    "top1_std": 1.0,
    "top5": None,
  }
  facts = bundle.facts._replace(
    licence="CC0", evaluation=[row], vectors="words.bin", pretrained_from="old", pretrained_known=True
  )
  text = card(bundle._replace(facts=facts, known=class_set(("archery",), "folder", "hash:64")))
  for told in (
    "| figures_test | half | 6 | – | – | – | 80.2 ± 1.0 | – |",
    "CC0",
    "words.npz",
    "1 other classes: archery",
  ):
    assert told in text, told
  assert "StableHLO" not in text
  assert "stablehlo" not in text


@pytest.mark.slow
def test_it_is_read_without_tensorflow_and_the_rest(written):
  code = f"""
import importlib.abc, pathlib, sys
class Block(importlib.abc.MetaPathFinder):
  def find_spec(self, name, path=None, target=None):
    if name.split('.')[0] in ('tensorflow', 'tensorflow_datasets', 'gensim', 'av', 'matplotlib', 'torch', 'lemminflect'):
      raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from zsar_jax.bundle.read import read_bundle
print(len(read_bundle(pathlib.Path({str(written)!r})).seen.names))
"""
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
  assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
