"""Spellings to suggest for a word that has no vector."""

from collections.abc import Iterable

from zsar_jax.errors import nearest


class Suggestions:
  """Finds the known spellings nearest to a word; every word is looked for once."""

  def __init__(self, known: Iterable[str]):
    self._by_initial: dict[str, list[str]] = {}
    for word in known:
      self._by_initial.setdefault(word[:1].lower(), []).append(word)
    self._found: dict[str, list[str]] = {}

  def __call__(self, word: str) -> list[str]:
    """At most three known spellings with the same first letter and about the same length, best first."""
    if word not in self._found:
      alike = [w for w in self._by_initial.get(word[:1].lower(), ()) if abs(len(w) - len(word)) <= 2]
      self._found[word] = nearest(word, alike)
    return self._found[word]

  def hint(self, word: str) -> str:
    """A clause such as ` (nearest: walk, talk)`, or nothing."""
    close = self(word)
    return f" (nearest: {', '.join(close)})" if close else ""
