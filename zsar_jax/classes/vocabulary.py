"""The word ids that ResT's transformer reads (ResT Sec. 3.2.1): 0 nothing, 1 [MASK], words from 2."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

FIRST_WORD = 2


def vocabulary(words: Sequence[Sequence[str]]) -> tuple[str, ...]:
  """Every distinct word of the classes, sorted; the word at position i has id `FIRST_WORD + i`."""
  return tuple(sorted({word for name in words for word in name}))


def word_table(words: Sequence[Sequence[str]]) -> Int32[np.ndarray, "K L"]:
  """The word ids of each class, padded with 0 to the longest name."""
  ids = {word: FIRST_WORD + i for i, word in enumerate(vocabulary(words))}
  table = np.zeros((len(words), max(len(name) for name in words)), np.int32)
  for row, name in zip(table, words, strict=True):
    row[: len(name)] = [ids[word] for word in name]
  return table
