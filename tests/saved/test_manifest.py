"""The manifest of a step: no byte of it can change unseen, and no text makes anything but a named reason."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsar_jax.saved.manifest import (
  FILE,
  Facts,
  Manifest,
  ManifestError,
  byte_problems,
  read_manifest,
  signed,
  size_problems,
  write_manifest,
)

FACTS = Facts(96, 12.5, None, {"loss": 0.1})
JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
  max_leaves=8,
)
ANY = settings(max_examples=100, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def step(tmp_path_factory):
  """The folder of step 7, with two files."""
  folder = tmp_path_factory.mktemp("steps") / "7"
  (folder / "state" / "d").mkdir(parents=True)
  (folder / "state" / "a").write_bytes(b"first")
  (folder / "state" / "d" / "b").write_bytes(bytes(1000))
  write_manifest(folder, 7, FACTS)
  return folder


@pytest.fixture(scope="module")
def text(step):
  """The manifest's bytes as they were written."""
  return (step / FILE).read_bytes()


@pytest.fixture(autouse=True)
def _as_it_was(request):
  if "step" in request.fixturenames:
    (request.getfixturevalue("step") / FILE).write_bytes(request.getfixturevalue("text"))


def outcome(step):
  """The manifest, or the one line that says what is wrong with it."""
  try:
    return read_manifest(step)
  except ManifestError as error:
    reason = str(error)
  assert size_problems(step) == byte_problems(step) == [reason]
  assert reason.isascii()
  assert len(reason.splitlines()) == 1
  assert reason.startswith(FILE)
  return reason


def test_what_was_written_is_read(step):
  manifest = read_manifest(step)
  assert (manifest.step, manifest.facts, manifest.size) == (7, FACTS, 1005)
  assert list(manifest.files) == ["state/a", "state/d/b"]
  assert size_problems(step) == byte_problems(step) == []


def test_every_bit_of_the_manifest_counts(step, text):
  for position in range(0, len(text), 3):
    changed = bytearray(text)
    changed[position] ^= 1 << position % 8
    (step / FILE).write_bytes(changed)
    assert "damaged" in outcome(step), position
  for length in range(0, len(text), 7):
    (step / FILE).write_bytes(text[:length])
    assert "damaged" in outcome(step), length


@ANY
@given(
  data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_a_named_reason(step, text, data):
  (step / FILE).write_bytes(data)
  assert "damaged" in outcome(step)


@ANY
@given(st.data())
def test_a_signed_manifest_with_anything_in_it_is_read_or_a_named_reason(step, text, data):
  body = json.loads(text)
  places = st.sampled_from([
    (body, "format"), (body, "step"), (body, "saved"), (body, "facts"), (body, "files"), (body["facts"], "validation"),
    (body["facts"], "totals"), (body["facts"], "clips_read"), (body["files"], "state/a"), (body["files"]["state/a"], "size"),
    (body["files"]["state/a"], "sha256"), (body, "more"), (body["files"], data.draw(st.text())),
  ])  # fmt: skip
  for _ in range(data.draw(st.integers(1, 3))):
    place, key = data.draw(places)
    place[key] = data.draw(JSON)
  (step / FILE).write_bytes(signed(body))
  assert isinstance(outcome(step), str | Manifest)
  for problem in (*size_problems(step), *byte_problems(step)):
    assert problem.isascii()
    assert len(problem.splitlines()) == 1


@pytest.mark.parametrize(
  ("held", "told"),
  [
    (b"[" * 100_000, "is no JSON"),
    (b"1" * 10_000, "is no JSON"),
    (b"{}", "does not match its own SHA-256"),
    (signed({"format": 2}), "is of format 2, expected 1"),
    (signed({"format": 1}), "is not as a run writes it"),
  ],
)
def test_what_is_said_of_odd_manifests(step, text, held, told):
  (step / FILE).write_bytes(held)
  assert told in outcome(step)


def test_names_that_lead_out_of_the_step_are_refused(step, text):
  for name in ("/etc/passwd", "state/../../x", "../x", "state", "config.json", "state/a\nb", "state/\ud800"):
    body = json.loads(text)
    body["files"][name] = body["files"]["state/a"]
    (step / FILE).write_bytes(signed(body))
    assert "is not as a run writes it" in outcome(step), name


def test_what_is_said_of_files(tmp_path):
  folder = tmp_path / "3"
  (folder / "state").mkdir(parents=True)
  for name in "abcde":
    (folder / "state" / name).write_bytes(b"12345")
  write_manifest(folder, 3, FACTS)
  (folder / "state" / "a").write_bytes(b"12346")
  (folder / "state" / "b").write_bytes(b"1234")
  (folder / "state" / "c").unlink()
  (folder / "state" / "d").unlink()
  (folder / "state" / "d").mkdir()
  (folder / "state" / "e").unlink()
  os.mkfifo(folder / "state" / "e")  # must not be waited for
  (folder / "state" / "f").write_bytes(b"")
  (folder / "beside").write_bytes(b"what is not read does no harm")
  by_size = ["state/b has 4 bytes, expected 5", "state/c is missing", "state/d is no file", "state/e is no file",
             "'state/f' does not belong to the step"]  # fmt: skip
  assert size_problems(folder) == by_size
  assert byte_problems(folder) == ["state/a was changed or is damaged (SHA-256)", *by_size]


def test_a_manifest_that_is_no_file_or_missing(tmp_path):
  assert size_problems(tmp_path) == [f"{FILE} is missing: the save was cut off, or this is no saved step"]
  os.mkfifo(tmp_path / FILE)
  assert size_problems(tmp_path) == [f"{FILE} is no manifest"]
