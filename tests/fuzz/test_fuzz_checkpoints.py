"""What lies beside a run's arrays with anything in it: as it was written, or refused by name."""

import json
import shutil

import numpy as np
import pytest
from fuzzing import JSON, assert_refused, changed_json, damaged, examples, outcome
from hypothesis import example
from hypothesis import strategies as st

from zsar_jax import config as configs
from zsar_jax.errors import InputError
from zsar_jax.models.weights_dir import (
  is_run,
  is_weights,
  read_class_file,
  read_classes,
  read_run,
  write_class_file,
)
from zsar_jax.pretraining import find_source, remember
from zsar_jax.reporting.optional_files import read_tuning
from zsar_jax.saved.manifest import Entry, Facts, ManifestError, read_manifest, write_manifest
from zsar_jax.seen_embeddings import Origin, SeenStore
from zsar_jax.tuning import read_tuned, with_tuned

SEEN = ("clap", "wavé", "run")
BEFORE = {"from": "weights/a", "classes": ["archery", "clap"]}
FACTS = Facts(320, 51.5, None, {"loss": 0.25})
ORIGIN = Origin("abc", 20, SEEN, 5, "4 frames")
TUNED = {"checkpoint": "abc", "chosen": {"num_neighbors": 7, "max_seen_per_unseen": 3, "distinctiveness": 0.25, "gamma": 0.1}}  # fmt: skip
REST = configs.from_flat(
  {"method": "rest", "model.backbone": "resnet18", "vectors": "hash:8", "data.seen": "a", "data.unseen": ["b"],
   "train.joint.steps": 1}, "test")  # fmt: skip


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzzed_run")


@examples(fast=50, slow=3000, contents=st.none() | changed_json({"seen": list(SEEN), "pretrained": BEFORE}))
@example(contents=b"[" * 100_000)
@example(contents=b'{"seen": [["a"]], "pretrained": null}')
@example(contents=b'{"seen": ["a"], "pretrained": 3}')
@example(contents=b'{"seen": ["a"], "pretrained": {"from": "x"}}')
@example(contents=b'{"seen": ["a"], "pretrained": {"from": "x", "classes": 5}}')
@example(contents=b"\xff")
def test_classes_of_any_text_are_unknown_or_refused(workdir, contents):
  """No checksum: nothing but names, or a refusal. A file that is there must not be taken for a missing one."""
  path = workdir / "classes.json"
  path.unlink(missing_ok=True)
  if contents is not None:
    path.write_bytes(contents)
  code, known, told = outcome(lambda: (read_class_file(workdir), read_classes(workdir)))
  if code:
    return assert_refused(code, told, path)
  assert known[0] is not None or contents is None
  if known[0] is not None:
    held = json.loads(path.read_text(encoding="utf-8"))
    assert known[0] == {key: value for key, value in held.items() if key != "sha256"}
    assert known[1] is None or all(isinstance(name, str) for name in known[1])


@examples(fast=50, slow=3000, data=st.data())
def test_damage_to_classes_is_never_overlooked(workdir, data):
  """What runs that start from this one are audited by: the classes that its weights have seen."""
  write_class_file(workdir, SEEN, BEFORE)
  path = workdir / "classes.json"
  path.write_bytes(data.draw(damaged(path.read_bytes())))
  code, known, told = outcome(lambda: read_class_file(workdir))
  if code:
    return assert_refused(code, told, path)
  assert known == {"seen": list(SEEN), "pretrained": BEFORE}


def test_a_run_that_goes_on_never_forgets_classes_for_damage(workdir):
  (workdir / "checkpoints/3").mkdir(parents=True, exist_ok=True)
  write_class_file(workdir, SEEN, BEFORE)
  path = workdir / "classes.json"
  path.write_bytes(path.read_bytes()[:-20])
  for act in (lambda: remember(workdir, ("new",), None), lambda: find_source(REST, workdir)):
    code, _, told = outcome(act)
    assert_refused(code, told, path)
  shutil.rmtree(workdir / "checkpoints")


@examples(fast=50, slow=3000, contents=changed_json(TUNED))
@example(contents=b"[" * 100_000)
@example(contents=json.dumps(TUNED).replace("7", "7.9").encode())
@example(contents=json.dumps(TUNED).replace("7", "0").encode())
@example(contents=json.dumps(TUNED).replace("7", "true").encode())
@example(contents=json.dumps(TUNED).replace("0.25", "NaN").encode())
@example(contents=json.dumps(TUNED).replace("7", "Infinity").encode())
@example(contents=json.dumps(TUNED).replace("7", '"7"').encode())
@example(contents=json.dumps(TUNED).replace("0.1", '"much"').encode())
@example(contents=json.dumps(TUNED).replace("0.25", "1" + "0" * 400).encode())
def test_tuned_coefficients_are_what_the_file_says_or_refused(workdir, contents):
  path = workdir / "tuning.json"
  path.write_bytes(contents)
  assert outcome(lambda: read_tuning(path, "abc")).code == 0  # a page is drawn without it
  code, tuned, told = outcome(lambda: read_tuned(REST, workdir))
  if code:
    return assert_refused(code, told, path)
  held = json.loads(contents)
  assert tuned.coefficients == {key: held["chosen"][key] for key in tuned.coefficients}
  assert (tuned.gamma, tuned.checkpoint) == (held["chosen"]["gamma"], held["checkpoint"])
  configs.from_dict(configs.to_dict(with_tuned(REST, tuned)), "tuned")


def write_seen(workdir):
  shutil.rmtree(workdir / "seen_embeddings", ignore_errors=True)
  store = SeenStore(workdir, ORIGIN, keeps_embeddings=True)
  store.add(np.eye(5, 4, dtype=np.float32), np.array([0, 1, 2, 0, 1], np.int32), np.arange(5, dtype=np.int32))
  store.finish(np.eye(3, 4, dtype=np.float32), np.array([2, 2, 1]))
  return store.folder


def read_seen(workdir):
  store = SeenStore(workdir, ORIGIN, keeps_embeddings=True)
  prototypes = store.prototypes()
  if prototypes is None:
    return None
  held = store.embeddings()
  return prototypes.tolist(), np.concatenate(held.shards).tolist(), held.label.tolist(), held.row.tolist()


NAMES = ("origin.json", "prototypes.npz", "embeddings-00000.npy", "labels.npy", "rows.npy")


@examples(fast=50, slow=2000, data=st.data(), name=st.sampled_from(NAMES))
def test_embeddings_are_those_that_were_written_or_refused(workdir, data, name):
  folder = write_seen(workdir)
  expected, file = read_seen(workdir), folder / name
  file.write_bytes(data.draw(damaged(file.read_bytes())))
  code, found, told = outcome(lambda: read_seen(workdir))
  if code:
    return assert_refused(code, told, folder)
  assert found == expected or (found is None and name == "origin.json")


@examples(fast=50, slow=2000, value=JSON, replace=st.booleans())
@example(value=[], replace=False)
@example(value={}, replace=True)
def test_any_origin_is_refused_or_made_anew(workdir, value, replace):
  folder = write_seen(workdir)
  (folder / "origin.json").write_text(json.dumps(value))
  store = SeenStore(workdir, ORIGIN, replace=replace)
  code, found, told = outcome(store.prototypes)
  if code:
    assert not replace
    return assert_refused(code, told, folder)
  assert found is None


@examples(fast=40, slow=2000, contents=changed_json(ORIGIN._asdict() | {"embeddings": True}))
@example(contents=json.dumps(ORIGIN._asdict() | {"embeddings": True, "classes": 5}).encode())
@example(contents=json.dumps(ORIGIN._asdict()).encode())
def test_an_origin_that_is_nearly_right(workdir, contents):
  folder = write_seen(workdir)
  (folder / "origin.json").write_bytes(contents)
  code, found, told = outcome(lambda: read_seen(workdir))
  if code:
    return assert_refused(code, told, folder)
  held = json.loads(contents)
  right = all(held[key] == json.loads(json.dumps(value)) for key, value in ORIGIN._asdict().items())
  assert found is None or right


@examples(fast=30, slow=2000, contents=changed_json({"model": {"backbone": "resnet18"}, "vectors": "hash:8"}))
@example(contents=b"[" * 100_000)
def test_a_run_to_start_from_with_any_config(workdir, contents):
  (workdir / "config.json").write_bytes(contents)
  code, _, told = outcome(lambda: read_run(workdir))
  assert_refused(code, told, workdir)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
def test_a_folder_that_nobody_can_have_holds_no_weights(workdir, name):
  assert not is_weights(workdir / name)
  assert not is_run(workdir / name)


@pytest.fixture(scope="module")
def step(tmp_path_factory):
  """A step with a manifest, of files that are no arrays: a manifest does not look into them."""
  folder = tmp_path_factory.mktemp("fuzzed_steps") / "20"
  (folder / "state").mkdir(parents=True)
  (folder / "state/a").write_bytes(b"arrays")
  (folder / "state/é").write_bytes(b"")
  write_manifest(folder, 20, FACTS)
  return folder


@examples(fast=50, slow=3000, data=st.data())
def test_a_manifest_is_what_was_written_or_named_as_damaged(step, data):
  path = step / "manifest.json"
  whole = path.read_bytes()
  expected = read_manifest(step)
  assert expected.facts == FACTS
  assert all(isinstance(entry, Entry) for entry in expected.files.values())
  contents = data.draw(damaged(whole) | changed_json(json.loads(whole)))
  path.write_bytes(contents)
  found, told = manifest_or_reason(step)
  path.write_bytes(whole)
  assert found in (None, expected)
  assert found is not None or ("manifest.json" in told and "\n" not in told)


def manifest_or_reason(folder):
  try:
    return read_manifest(folder), ""
  except ManifestError as error:
    return None, str(error)


def test_the_undamaged_files_are_read(workdir):
  write_class_file(workdir, SEEN, BEFORE)
  assert read_classes(workdir) == (*SEEN, "archery")
  (workdir / "tuning.json").write_text(json.dumps(TUNED))
  assert read_tuned(REST, workdir).coefficients["num_neighbors"] == 7
  folder = write_seen(workdir)
  assert read_seen(workdir)[2] == [0, 1, 2, 0, 1]
  (folder / "labels.npy").write_bytes((folder / "rows.npy").read_bytes())
  with pytest.raises(InputError, match=r"labels\.npy is not what was written"):
    read_seen(workdir)
