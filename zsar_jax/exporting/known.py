"""Every class that the weights of a run saw."""

import pathlib

from zsar_jax.classes.embeddings import join_class_sets, read_classes
from zsar_jax.classes.words import SOURCES
from zsar_jax.models.weights_dir import read_class_file
from zsar_jax.types import ClassSet


def known_classes(seen: ClassSet, workdir: pathlib.Path, vectors: str) -> tuple[ClassSet, bool]:
  """The seen classes as the run reads them, then all that its weights saw as every data set's word rules read them; is that all?

  A user gives a name in any spelling, and which data set earlier names are of is unknown: a name comes once for each of its readings.
  """
  held = read_class_file(workdir)
  before = held and held["pretrained"]
  all_known = held is not None and (before is None or before["classes"] is not None)
  earlier = (*(held["seen"] if held else ()), *((before or {}).get("classes") or ()))
  names = tuple(dict.fromkeys((*seen.names, *earlier)))
  joined = join_class_sets(
    [seen, *read_classes(dict.fromkeys((*SOURCES, "folder"), names), vectors).sets.values()]
  )
  first: dict[tuple[str, tuple[str, ...]], int] = {}
  for row, reading in enumerate(zip(joined.names, joined.words, strict=True)):
    first.setdefault(reading, row)
  return joined.subset(list(first.values())), all_known
