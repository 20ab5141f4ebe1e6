"""Files of word vectors with anything in them: refused by name, or read as an independent, slow reader reads them."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from fuzzing import accepted, assert_refused, damaged, examples, outcome
from hypothesis import example
from hypothesis import strategies as st

from zsar_jax.classes import vector_files
from zsar_jax.classes.embeddings import class_set, load_word_vectors

WORDS = ("walk", "run", "naïve", "走る", "the")
ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype("<f4")
WANTED = {"walk", "走る", "the"}


def text_file(header=True, newline=b"\n"):
  lines = [f"{w} " + " ".join(f"{x:.4f}" for x in row) for w, row in zip(WORDS, ROWS, strict=True)]
  return newline.join([*([b"5 3"] if header else []), *(line.encode() for line in lines), b""])


def bin_file(count=5, width=3, end=b"\n"):
  body = b"".join(w.encode() + b" " + row.tobytes() + end for w, row in zip(WORDS, ROWS, strict=True))
  return f"{count} {width}\n".encode() + body


def npz_file(save=np.savez, words=WORDS, vectors=ROWS):
  held = io.BytesIO()
  save(held, words=np.array(words), vectors=np.array(vectors))
  return held.getvalue()


FILES = {
  ".txt": (text_file(), text_file(header=False)),
  ".vec": (text_file(newline=b" \r\n"),),
  ".bin": (bin_file(), bin_file(end=b"")),
  ".npz": (npz_file(), npz_file(np.savez_compressed), npz_file(words=[w.encode() for w in WORDS])),
}


def read_text_slowly(contents):
  """{word: numbers} of the text that every accepted file must be, a line at a time."""
  lines = contents.removeprefix(b"\xef\xbb\xbf").split(b"\n")
  head = lines[0].rstrip().split(b" ")
  lines = [line.rstrip() for line in lines]
  header = len(head) == 2 and all(map(bytes.isdigit, head))
  width = int(head[1]) if header else None
  held = {}
  for line in filter(None, lines[header:]):
    width = width or line.count(b" ")
    word, *numbers = line.rsplit(b" ", width)
    assert len(numbers) == width, line
    held.setdefault(word.decode(errors="replace"), numbers)
  return {word: np.array(numbers, np.float64) for word, numbers in held.items() if word in WANTED}


def read_bin_slowly(contents):
  head, _, rest = contents.partition(b"\n")
  count, width = map(int, head.split())
  held = {}
  for _ in range(count):
    word, space, rest = rest.lstrip(b"\n").partition(b" ")
    assert space
    assert len(rest) >= 4 * width
    with np.errstate(invalid="ignore"):
      held.setdefault(word.decode(errors="replace"), np.frombuffer(rest[: 4 * width], "<f4").astype(float))
    rest = rest[4 * width :]
  assert not rest.strip()
  return {word: vector for word, vector in held.items() if word in WANTED}


def read_npz_slowly(contents):
  with zipfile.ZipFile(io.BytesIO(contents)) as archive:
    held, rows = (np.load(io.BytesIO(archive.read(f"{name}.npy"))) for name in ("words", "vectors"))
  words = [w.decode() if isinstance(w, bytes) else w for w in held.tolist()]
  pairs = list(zip(words, rows.astype(float), strict=True))
  return {word: vector for word, vector in reversed(pairs) if word in WANTED}


SLOWLY = {
  ".txt": read_text_slowly,
  ".vec": read_text_slowly,
  ".bin": read_bin_slowly,
  ".npz": read_npz_slowly,
}


@st.composite
def vector_file(draw):
  suffix = draw(st.sampled_from(tuple(FILES)))
  contents = draw(damaged(draw(st.sampled_from(FILES[suffix]))))
  return suffix, contents


@examples(fast=80, slow=20_000, file=vector_file())
@example(file=(".txt", b"9" * 5000 + b" 3\nwalk 1 2 3\n"))
@example(file=(".txt", b"walk \xff 1 2 3\n" + text_file(header=False)))
@example(file=(".txt", b"\xef\xbb\xbf" + text_file()))
@example(file=(".txt", b"\xef\xbb\xbf" + text_file(header=False)))
@example(file=(".txt", b"walk 1e39 1 2\n"))
@example(file=(".bin", bin_file(width=10**12)))
@example(file=(".bin", bin_file(width=10**9)))
@example(file=(".bin", bin_file(count=10**12)))
@example(file=(".bin", bin_file(count=2)))
@example(file=(".bin", bin_file() * 2))
@example(file=(".npz", npz_file(vectors=np.full((5, 3), 1e300))))
@example(file=(".npz", npz_file(vectors=np.full((5, 3), 1e-320))))
def test_a_file_is_read_rightly_or_refused_by_name(tmp_path_factory, file):
  suffix, contents = file
  path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
  path.write_bytes(contents)
  code, found, told = outcome(lambda: load_word_vectors(str(path), WANTED))
  if code:
    return assert_refused(code, told, path)
  expected = SLOWLY[suffix](contents)
  assert found.keys() == expected.keys()
  for word, vector in found.items():
    scaled = expected[word] / abs(expected[word]).max()
    np.testing.assert_allclose(vector, scaled / np.linalg.norm(scaled), rtol=1e-5, atol=1e-7)


PACKED = {suffix: gzip.compress(FILES[suffix][0], mtime=0) for suffix in (".txt", ".bin")}


@examples(fast=60, slow=5000, data=st.data(), suffix=st.sampled_from(tuple(PACKED)))
def test_a_packed_file_is_what_was_packed_or_refused(tmp_path_factory, data, suffix):
  contents = data.draw(damaged(PACKED[suffix], most=1))
  path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}.gz"
  path.write_bytes(contents)
  code, found, told = outcome(lambda: load_word_vectors(str(path), WANTED))
  if code:
    return assert_refused(code, told, path)
  expected = SLOWLY[suffix](gzip.decompress(contents))
  assert found.keys() == expected.keys()
  for word, vector in found.items():
    np.testing.assert_allclose(vector, expected[word] / np.linalg.norm(expected[word]), rtol=1e-5)


def test_a_flipped_bit_of_a_packed_file(tmp_path):
  """Every one of them: gzip's checksum stands at the end, and what comes before it may fail in many ways."""
  path = tmp_path / "v.txt.gz"
  expected = load_word_vectors("hash:3", []) | read_text_slowly(FILES[".txt"][0])
  for at in range(0, len(PACKED[".txt"])):
    contents = bytearray(PACKED[".txt"])
    contents[at] ^= 1 << at % 8
    path.write_bytes(contents)
    if accepted(lambda: load_word_vectors(str(path), WANTED), path):
      found = dict(vector_files.entries(path, WANTED))
      assert {w for w, v in found.items() if v is not None} == expected.keys()


SPECS = st.builds(
  "{}{}".format, st.sampled_from(("", "hash:", "sentence:", "./", "~/")), st.text(max_size=20)
)


@examples(fast=60, slow=5000, spec=SPECS)
@example(spec="x" * 5000 + ".txt")
@example(spec="a\0.txt")
@example(spec="hash:" + "9" * 5000)
@example(spec=".txt")
@example(spec="sentence:a\0b")
@example(spec="sentence:" + "x" * 5000)
@example(spec="\ud800.bin")
def test_any_text_for_word_vectors(spec):
  if accepted(lambda: load_word_vectors(spec, ["walk"]), repr(spec), spec.partition(":")[2]):
    assert spec.startswith("hash:")


@examples(
  fast=60,
  slow=5000,
  names=st.lists(st.text(max_size=12) | st.text("ings -_/Aa'.", max_size=8), max_size=4),
  source=st.sampled_from(("folder", "ucf101", "kinetics700", "sun397")),
)
@example(names=["\ud800"], source="folder")
@example(names=["a\0"], source="folder")
@example(names=["ing", "x-ing"], source="folder")
def test_any_class_names_have_embeddings_or_are_named(names, source):
  code, classes, told = outcome(lambda: class_set(names, source, "hash:8"))
  if code:
    return assert_refused(code, told, source)
  assert classes.names == tuple(names)
  norms = np.linalg.norm(classes.semantic_embeddings, axis=1)
  np.testing.assert_allclose(norms, 1, rtol=1e-5)


def test_suggestions_do_not_take_long_over_long_words(tmp_path):
  """A line of a megabyte without a space in a list of classes is a class name of a megabyte."""
  code, _, told = outcome(lambda: class_set(["x" * 1_000_000, "walk"], "folder", str(write_txt(tmp_path))))
  assert_refused(code, told, "folder")
  assert len(told) < 10_000


def write_txt(folder):
  path = folder / "v.txt"
  path.write_bytes(text_file())
  return path


@pytest.mark.parametrize("suffix", sorted(FILES))
def test_the_undamaged_files_are_read(tmp_path, suffix):
  for contents in FILES[suffix]:
    path = tmp_path / f"v{suffix}"
    path.write_bytes(contents)
    assert load_word_vectors(str(path), WANTED).keys() == WANTED == SLOWLY[suffix](contents).keys()
