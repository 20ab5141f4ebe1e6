"""Record files and their index with any byte changed: the same clips, or a refusal that names the file; never other pixels."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from fuzzing import assert_refused, changed_json, damaged, examples, outcome
from hypothesis import example
from hypothesis import strategies as st

from zsar_jax.data.build import build_records
from zsar_jax.data.datasets import _num_quarantined
from zsar_jax.data.index import open_index
from zsar_jax.data.records import read_shard
from zsar_jax.data.schema import Entry, RecordOptions, ShardSpec
from zsar_jax.data.tensorflow_import import tensorflow

CLASSES = ("sit", "walk")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """Records of feature vectors (their bytes are those of the arrays) in two shards; one entry is no array."""
  source, out = tmp_path_factory.mktemp("arrays"), tmp_path_factory.mktemp("fuzzed_records") / "whole"
  random, entries = np.random.default_rng(0), []
  for number in range(6):
    path = source / f"v{number}.npy"
    np.save(path, random.normal(size=(3 + number % 2, 4)).astype(np.float32))
    entries.append(Entry(str(path), number % 2, f"{CLASSES[number % 2]}/é{number}"))
  (source / "bad.npy").write_bytes(b"no array")
  entries.append(Entry(str(source / "bad.npy"), 0, "sit/bad"))
  build_records(entries, CLASSES, out, short_side=0, kind="features", workers=1, videos_per_shard=4)
  tensorflow()  # imported before memory is held down
  outcome(lambda: facts(out))
  return out


@pytest.fixture(scope="module")
def copy(whole):
  """A copy to damage, one file at a time, each put back before the next."""
  folder = whole.with_name("copy")
  shutil.copytree(whole, folder)
  return folder


def facts(folder, verify="size"):
  """All that a run takes from a data set."""
  index = open_index(folder, verify=verify)
  rows = np.arange(len(index))
  frames = [
    index.frame_bytes(rows[i : i + 1], np.arange(count)[None]) for i, count in enumerate(index.num_frames)
  ]
  columns = [getattr(index, name).tolist() for name in ("label", "num_frames", "fps", "height", "width")]
  index.close()
  return (index.class_names, index.options, index.encoding, columns, index.video_ids(rows), frames, _num_quarantined(index))  # fmt: skip


def check(whole, folder, name, contents, *others):
  """Reads the records with other contents of one file, and puts the file back."""
  path = folder / name
  path.write_bytes(contents)
  try:
    code, found, told = outcome(lambda: facts(folder))
    if code:
      return assert_refused(code, told, path, *others)
    assert found[:-1] == facts(whole)[:-1]
    # Only whole lines can be missing from the list of what could not be stored: nothing else says how many there were.
    assert found[-1] == (len(contents.splitlines()) if name == "quarantine.jsonl" else 1)
  finally:
    path.write_bytes((whole / name).read_bytes())


def files(folder):
  return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def read_by_runs(folder):
  return [name for name in files(folder) if not name.startswith("shards/")]


@examples(fast=40, slow=3000, data=st.data())
def test_any_damage_to_any_file_is_harmless_or_named(whole, copy, data):
  name = data.draw(st.sampled_from(read_by_runs(whole)))
  contents = data.draw(damaged((whole / name).read_bytes()))
  check(whole, copy, name, contents, *told_as(copy, name))


def told_as(folder, name):
  """How else a file may be told of: a column by one that it does not fit, an index of another schema by its records."""
  return [folder / "index", f"{folder} holds records of schema"] if name.startswith("index/") else []


@pytest.mark.parametrize(
  "stride", [pytest.param(7, id="fast"), pytest.param(1, id="slow", marks=pytest.mark.slow)]
)
def test_a_flipped_bit_anywhere(whole, copy, stride):
  """Every `stride`-th byte of every file, each with another bit."""
  bits = harmless = 0
  for name in read_by_runs(whole):
    contents = (whole / name).read_bytes()
    for at in range(len(name) % stride, len(contents), stride * (10 if stride > 1 else 1)):
      changed = bytearray(contents)
      changed[at] ^= 1 << (at % 8)
      (copy / name).write_bytes(changed)
      code, found, told = outcome(lambda: facts(copy))
      if code:
        assert_refused(code, told, copy / name, *told_as(copy, name))
      else:
        assert found == facts(whole), (name, at)
        harmless += 1
      bits += 1
    (copy / name).write_bytes(contents)
  print(f"{bits} bits flipped, {harmless} harmless, {bits - harmless} named")


@examples(fast=40, slow=3000, data=st.data())
def test_any_description(whole, copy, data):
  name = data.draw(st.sampled_from(("index/index.json", "features.json")))
  contents = data.draw(changed_json(json.loads((whole / name).read_text())))
  check(whole, copy, name, contents, copy)


@examples(fast=40, slow=3000, data=st.data())
def test_a_description_without_its_own_checksum_has_the_types_that_are_relied_on(whole, copy, data):
  """As indexes of before have none: nothing but an index or a refusal, whatever it says."""
  held = json.loads((whole / "index/index.json").read_text())
  del held["sha256"]
  path = copy / "index/index.json"
  path.write_bytes(data.draw(changed_json(held)))
  try:
    code, _, told = outcome(lambda: facts(copy))
    if code:
      assert_refused(code, told, copy)
  finally:
    path.write_bytes((whole / "index/index.json").read_bytes())


def nested(depth):
  return b'{"sequence": {"feature": ' * depth + b'{"text": {}}' + b"}}" * depth


@pytest.mark.parametrize(
  "contents",
  [
    nested(400),
    nested(900),
    b"[" * 100_000,
    b'{"a": {"shape": {"dimensions": [1e999]}}}',
    b'{"classLabel": {"numClasses": NaN}}',
  ],
)
def test_features_that_are_none(whole, copy, contents):
  check(whole, copy, "features.json", contents)


@pytest.mark.parametrize("name", ["class_names", "shards"])
@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_names_that_nobody_can_write(whole, copy, name, text):
  held = json.loads((whole / "index/index.json").read_text())
  del held["sha256"]
  if name == "shards":
    held["shards"][0]["file"] = text
  else:
    held["class_names"][0] = text
  path = copy / "index/index.json"
  path.write_text(json.dumps(held))
  code, _, told = outcome(lambda: facts(copy))
  path.write_bytes((whole / "index/index.json").read_bytes())
  assert_refused(code, told, path)


@examples(fast=40, slow=3000, data=st.data())
def test_a_finished_shard_is_what_it_was_or_made_again(whole, copy, data):
  """What resuming a build reads: `None` has the shard written anew."""
  options = RecordOptions(0, kind="features")
  spec = ShardSpec(str(copy), 0, 2, (), CLASSES, options)
  expected = read_shard(spec._replace(directory=str(whole)))
  assert expected is not None
  path = copy / "shards/00000.npz"
  path.write_bytes(data.draw(damaged((whole / "shards/00000.npz").read_bytes())))
  try:
    code, found, told = outcome(lambda: read_shard(spec))
  finally:
    path.write_bytes((whole / "shards/00000.npz").read_bytes())
  assert code == 0, told
  assert found in (None, expected)


LINES = b'{"path": "a.mp4", "reason": "unreadable"}\n{"path": "\xc3\xa9.mp4", "reason": "too long"}\n'


@examples(fast=40, slow=3000, contents=damaged(LINES))
@example(contents=LINES.replace(b"}\n{", b"} {"))
@example(contents=LINES[:-1])
@example(contents=b"\n\n")
def test_what_could_not_be_stored_is_counted_or_refused(tmp_path_factory, contents):
  folder = tmp_path_factory.getbasetemp()
  (folder / "quarantine.jsonl").write_bytes(contents)

  class Index:
    directory = str(folder)

  code, found, told = outcome(lambda: _num_quarantined(Index))
  if code:
    return assert_refused(code, told, folder / "quarantine.jsonl")
  lines = [json.loads(line) for line in contents.splitlines()]
  assert found == len(lines)
  assert all({"path", "reason"} <= set(line) for line in lines)


def test_the_undamaged_records_are_read(whole):
  names, _, encoding, (labels, *_), ids, frames, skipped = facts(whole, verify="full")
  assert (names, encoding, sorted(labels), skipped) == (CLASSES, "float32", [0] * 3 + [1] * 3, 1)
  source = pathlib.Path(json.loads((whole / "quarantine.jsonl").read_text())["path"]).parent
  for name, label, held in zip(ids, labels, frames, strict=True):
    number = int(name[-1])
    assert name == f"{CLASSES[label]}/é{number}"
    np.testing.assert_array_equal(
      np.frombuffer(b"".join(held), "<f4").reshape(-1, 4), np.load(source / f"v{number}.npy")
    )
