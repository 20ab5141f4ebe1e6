"""Data sets and classes as a config writes them: `NAME`, `NAME:class+class`, `NAME:!class`, `NAME:@LIST`, `NAME:!@LIST`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zsar_jax.data.index import VideoIndex
from zsar_jax.errors import InputError, did_you_mean, raise_all

SHOWN = 12  # names in a message


class Reference(NamedTuple):
  """A data set, and which of its classes: these only, or all but these; none given: all."""

  name: str
  classes: tuple[str, ...]  # as written: `@LIST` stands for the names of a list
  excluded: bool


def parse_reference(text: str) -> Reference:
  """Takes a reference apart; reads no list.

  Raises:
    InputError: no class after a colon, which must not mean all of them: the variable of a shell may be empty.
  """
  name, colon, classes = text.partition(":")
  excluded = classes.strip().startswith("!")
  names = tuple(c.strip() for c in classes.strip().removeprefix("!").split("+") if c.strip())
  if colon and not names:
    raise InputError(
      f"data set {name.strip()!r}: {text!r} names no class after the colon; without a colon it is all classes"
    )
  return Reference(name.strip(), names, excluded)


def choose_classes(
  references: Sequence[Reference], indexes: Mapping[str, VideoIndex]
) -> list[tuple[str, ...]]:
  """The classes of every reference, in the order of its data set.

  Raises:
    InputError: names that the data set does not have, each with the nearest it has; a list that cannot be read.
  """
  chosen, problems = [], []
  for reference in references:
    known = indexes[reference.name].class_names
    try:
      named = [(name, origin) for written in reference.classes for name, origin in _named(written)]
    except InputError as error:  # a list that cannot be read: say what else is wrong too
      problems.append(str(error))
      continue
    problems += [
      f"data set {reference.name!r} has no class {name!r}{origin}{_instead(name, known)}"
      for name, origin in named
      if name not in known
    ]
    names = {name for name, _ in named}
    every = not reference.classes
    chosen.append(tuple(name for name in known if every or (name in names) != reference.excluded))
  raise_all(list(dict.fromkeys(problems)))
  return chosen


def _instead(name: str, known: Sequence[str]) -> str:
  """What may have been meant by a class that the data set does not have."""
  parts = [part.strip() for part in name.split(",")]
  if len(parts) > 1 and any(part in known for part in parts):
    return f"; classes of one data set are joined by +: {'+'.join(parts)}"
  more = ", …" if len(known) > SHOWN else ""
  return did_you_mean(name, known) or f"; it has: {', '.join(known[:SHOWN])}{more}"


def _named(written: str) -> list[tuple[str, str]]:
  """Class names that stand for one written, each with where it comes from."""
  if not written.startswith("@"):
    return [(written, "")]
  from zsar_jax.classes.class_lists import read_class_list

  spec = written.removeprefix("@")
  return [(name, f" (of the list {spec!r})") for name in read_class_list(spec).names]


def check_roles(references: Sequence[Reference], classes: Sequence[tuple[str, ...]]) -> None:
  """Refuses a class of one data set that is asked for as seen and as unseen.

  Args:
    references: the seen data set, then the unseen ones.
    classes: what `choose_classes` gave for each.
  """
  seen, unseen = references[0], references[1:]
  names = [reference.name for reference in unseen]
  problems: list[str] = [
    f"data set {n!r} is named twice in data.unseen" for n in sorted(set(names)) if names.count(n) > 1
  ]
  for reference, chosen in zip(unseen, classes[1:], strict=True):
    if reference.name == seen.name:
      problems += [f"class {c!r} of data set {seen.name!r}" for c in classes[0] if c in chosen]
  raise_all(problems, "everything must have one role, seen (data.seen) or unseen (data.unseen), for example "
                      "data.seen=NAME:!class and data.unseen=NAME:class; these have two:")  # fmt: skip
