"""Whether a list of classes can be used with a source of vectors, and what stands in the way."""

from collections.abc import Mapping
from typing import Any

from zsar_jax.classes.class_lists import ClassList, find_repeats
from zsar_jax.classes.embeddings import Reading, read_classes
from zsar_jax.classes.suggestions import Suggestions


def check_lists(lists: Mapping[str, ClassList], spec: str) -> dict[str, Any]:
  """What `python -m zsar_jax.classes check --json` prints.

  {vectors, usable, sets: [{set, rules, num_classes, num_whole, num_words, num_words_found,
    unknown: [{word, classes, nearest}], repeated: [{class, lines}], wordless: [class]}]}

  A class is whole where each of its words has a vector; words are counted once a set. With `sentence:DIR` every class is.

  Raises:
    InputError: the vectors cannot be read.
  """
  named = {
    own: given._replace(names=tuple(n for n in given.names if n.strip())) for own, given in lists.items()
  }
  reading = read_classes(
    {own: given.names for own, given in named.items()}, spec, {own: g.source for own, g in lists.items()}
  )
  near = Suggestions(reading.vectors.known)
  sets = [_of_set(own, given, reading, near) for own, given in lists.items()]
  lacks = ("unknown", "repeated", "wordless")
  usable = all(one["num_classes"] and not any(one[key] for key in lacks) for one in sets)
  return {"vectors": spec, "usable": usable, "sets": sets}


def _of_set(own: str, given: ClassList, reading: Reading, near: Suggestions) -> dict[str, Any]:
  classes, unknown = reading.sets[own], reading.unknown[own]
  users: dict[str, list[str]] = {}
  for name, missing in zip(classes.names, unknown, strict=True):
    for word in missing:
      users.setdefault(word, []).append(name)
  num_words = len({word for words in classes.words for word in words})
  wordless = [name for name, words in zip(classes.names, classes.words, strict=True) if not words]
  return {
    "set": own,
    "rules": given.source,
    "num_classes": len(classes.names),
    "num_whole": sum(
      bool(words) and not missing for words, missing in zip(classes.words, unknown, strict=True)
    ),
    "num_words": num_words,
    "num_words_found": num_words - len(users),
    "unknown": [
      {"word": word, "classes": names, "nearest": near(word)} for word, names in sorted(users.items())
    ],
    "repeated": [
      {"class": given.names[row], "lines": [first + 1, row + 1]} for first, row in find_repeats(given.names)
    ],
    "wordless": wordless,
  }


def coverage_text(report: Mapping[str, Any]) -> str:
  """The same for people."""
  lines = []
  for one in report["sets"]:
    lines.append(
      f"{one['set']} (word rules: {one['rules']}): {one['num_whole']} of {one['num_classes']} classes whole, "
      f"{one['num_words_found']} of {one['num_words']} words found"
    )
    if not one["num_classes"]:
      lines.append("  it holds no class: write one name a line")
    lines += [
      f"  {r['class']!r} in line {r['lines'][1]} repeats line {r['lines'][0]}: keep one"
      for r in one["repeated"]
    ]
    lines += [f"  {name!r} holds no word: rename it" for name in one["wordless"]]
    for u in one["unknown"]:
      near = f" (nearest: {', '.join(u['nearest'])})" if u["nearest"] else ""
      lines.append(f"  no vector for {u['word']!r}{near}: {', '.join(u['classes'])}")
  lines.append(
    f"usable with {report['vectors']}"
    if report["usable"]
    else f"not usable whole with {report['vectors']}: rename or leave out these classes, or give other vectors"
  )
  return "\n".join(lines)
