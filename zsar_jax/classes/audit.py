"""The leak audit of whole lists: everything trained or pretrained on against everything tested on (E2E section 3.3)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from zsar_jax.classes.class_lists import ClassList
from zsar_jax.classes.embeddings import has_embedding, join_class_sets, read_classes
from zsar_jax.classes.overlap import BORDER, Pair, as_dicts, find_overlap, nearest_unseen

SHOWN = 12  # names of a long list that is no result


class Audit(NamedTuple):
  """What the audit found of several seen lists."""

  report: dict[str, Any]  # what `--json` prints
  distances: dict[
    str, Float64[np.ndarray, " S"]
  ]  # of every class to its nearest unseen one; infinite: nothing to compare


def audit_lists(
  seen: Mapping[str, ClassList], unseen: Mapping[str, ClassList], spec: str, threshold: float = 0.05
) -> Audit:
  """Compares every class of the seen lists with all classes of the unseen ones, from one reading of the vectors.

  The report: {kept: [class], removed: [{class, collides_with, distance}], borderline: [the same, nearest first],
  without_vectors: [seen class], unseen_without_vectors: [class], seen: [list], unseen: [list], vectors,
  threshold}. Borderline classes are kept, but lie within `overlap.BORDER` above the threshold. A class with a
  word that has no vector is compared by its name and words alone. With several seen lists an entry of removed
  and borderline also holds `set`, its list.

  Raises:
    InputError: the vectors cannot be read, or the threshold is no cosine distance.
  """
  lists = {**seen, **unseen}
  names = {own: given.names for own, given in lists.items()}
  sets = read_classes(names, spec, {own: given.source for own, given in lists.items()}).sets
  tests = join_class_sets([sets[own] for own in unseen])
  found = {own: find_overlap(sets[own], tests, threshold) for own in seen}
  borderline = [e for own, one in found.items() for e in _entries(one.borderline, own, len(seen) > 1)]
  report = {
    "kept": [sets[own].names[row] for own, one in found.items() for row in one.kept],
    "removed": [e for own, one in found.items() for e in _entries(one.removed, own, len(seen) > 1)],
    "borderline": sorted(borderline, key=lambda entry: entry["distance"]),
    "without_vectors": [name for one in found.values() for name in one.without_vectors],
    "unseen_without_vectors": [tests.names[row] for row in np.flatnonzero(~has_embedding(tests))],
    "seen": list(seen),
    "unseen": list(unseen),
    "vectors": spec,
    "threshold": threshold,
  }
  return Audit(report, {own: nearest_unseen(sets[own], tests)[1] for own in seen})


def _entries(pairs: Sequence[Pair], own: str, several: bool) -> list[dict[str, Any]]:
  return [{**entry, "set": own} if several else entry for entry in as_dicts(pairs)]


def audit_text(report: Mapping[str, Any]) -> str:
  """The report for people."""
  several = len(report["seen"]) > 1
  num = len(report["kept"]) + len(report["removed"])
  lines = [
    f"{' + '.join(report['seen'])} against {' + '.join(report['unseen'])}: {len(report['kept'])} of {num} classes kept, "
    f"{len(report['removed'])} removed at a cosine distance of at most {report['threshold']:g} ({report['vectors']})"
  ]
  headings = {
    "removed": "removed:",
    "borderline": f"borderline (kept, but within {BORDER:g} above the threshold):",
  }
  for key, heading in headings.items():
    entries = report[key]
    lines.append(heading if entries else f"{heading} none")
    for e in entries:
      where = f" [{e['set']}]" if several else ""
      lines.append(f"  {e['distance']:.4f}  {e['class']}{where} ~ {e['collides_with']}")
  for key, role in (("without_vectors", "seen"), ("unseen_without_vectors", "unseen")):
    names = report[key]
    if names:
      more = f", … ({len(names) - SHOWN} more: --json lists them)" if len(names) > SHOWN else ""
      lines.append(
        f"{len(names)} {role} classes hold a word without a vector and were compared by their words alone: "
        f"{', '.join(names[:SHOWN])}{more}"
      )
  return "\n".join(lines)
