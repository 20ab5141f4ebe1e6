"""Class lists and references to classes with anything in them: read as their lines say, or refused by name and line."""

import unicodedata
from types import SimpleNamespace

import pytest
from fuzzing import assert_refused, damaged, examples, outcome
from hypothesis import example
from hypothesis import strategies as st

from zsar_jax.classes.class_lists import read_class_list
from zsar_jax.data.references import check_roles, choose_classes, parse_reference

NAMES = ("walking the dog", "Run_Fast", "café", "走る", "clean and jerk")
LIST = "".join(f"{name}\n" for name in NAMES).encode()


LINES = st.lists(st.text(max_size=12)).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))


@examples(fast=60, slow=8000, contents=damaged(LIST) | LINES)
@example(contents=LIST.replace(b"\n", b"\r"))
@example(contents=LIST.replace(b"\n", b"\v"))
@example(contents=LIST[:3] + b"\0" + LIST[3:])
@example(contents="walk\nrun\n".encode("utf-16-le"))
@example(contents="\ufeffwalk\n\ufeffrun\n".encode())
@example(contents=unicodedata.normalize("NFD", "café\n").encode() + "café\n".encode())
@example(contents=b"walk\n" + b"x" * 2_000_000)
def test_a_list_is_its_lines_or_refused(tmp_path_factory, contents):
  path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
  path.write_bytes(contents)
  code, found, told = outcome(lambda: read_class_list(str(path)))
  if code:
    assert len(told) < 100_000
    return assert_refused(code, told, path)
  text = contents.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").rstrip()
  assert list(found.names) == [line.strip() for line in text.split("\n") if line.strip()]
  alike = {" ".join(unicodedata.normalize("NFC", n).replace("_", " ").split()) for n in found.names}
  assert len(alike) == len(found.names)
  assert "" not in alike
  assert all(letter.isprintable() or unicodedata.category(letter) in ("Cf", "Cn", "Co", "Zs")
             for name in found.names for letter in name)  # fmt: skip


KNOWN = ("walk", "run", "jump rope", "clap")
INDEXES = {name: SimpleNamespace(class_names=KNOWN) for name in ("gym", "street")}


def reference_of(name, marks, classes):
  return name + marks + ("+".join(classes) if marks else "")


references = st.builds(
  reference_of,
  st.sampled_from(tuple(INDEXES)),
  st.sampled_from(("", ":", ":!", ": ! ", "::", ":@", ":!@")),
  st.lists(st.sampled_from((*KNOWN, "walkk", "@kinetics700", "", " ", "!run", "@", "jump_rope")), max_size=3),
)


@examples(fast=60, slow=8000, text=references)
@example(text="gym:")
@example(text="gym:!")
@example(text="gym:+")
@example(text="gym:@")
@example(text="gym:@" + "x" * 5000)
@example(text="gym:@a\0b")
@example(text="gym:!@\ud800")
@example(text="gym:walk+run+jump rope+clap+@kinetics700")
@example(text="gym:!walk+run+jump rope+clap")
def test_a_reference_names_what_it_says_or_is_refused(text):
  """A reference that ends in nothing must not become all classes: `NAME:$CLASSES` with the variable unset."""
  name, colon, rest = text.partition(":")
  code, found, told = outcome(lambda: choose_classes([parse_reference(text)], INDEXES))
  if code:
    return assert_refused(
      code, told, repr(name), *(repr(word.strip()[1:]) for word in rest.lstrip("!").split("+")), "class list"
    )
  (chosen,) = found
  rest = rest.strip()
  excluded = rest.startswith("!")
  written = [word.strip() for word in rest.removeprefix("!").split("+") if word.strip()]
  assert set(written) <= set(KNOWN)
  assert bool(written) == bool(colon)
  named = set(written)
  assert chosen == tuple(k for k in KNOWN if not colon or (k in named) != excluded)


@examples(fast=40, slow=5000, seen=references, unseen=st.lists(references, max_size=2))
def test_no_class_has_two_roles(seen, unseen):

  def read():
    parsed = [parse_reference(text) for text in (seen, *unseen)]
    chosen = choose_classes(parsed, INDEXES)
    check_roles(parsed, chosen)
    return parsed, chosen

  code, read_ones, told = outcome(read)
  if code:
    return assert_refused(code, told, "class", "data set")
  texts, found = read_ones
  for reference, classes in zip(texts[1:], found[1:], strict=True):
    assert reference.name != texts[0].name or not set(classes) & set(found[0])
  names = [reference.name for reference in texts[1:]]
  assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", ["x" * 5000, "a\0b", "", ".", "/", "/dev/null/x", "\ud800"])
def test_a_spec_that_no_file_can_have(spec):
  code, _, told = outcome(lambda: read_class_list(spec))
  assert_refused(code, told, "class list")
