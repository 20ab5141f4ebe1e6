"""Seeded half-class splits (E2E section 4.1: ten random halves of a test set's classes)."""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from zsar_jax.errors import InputError


def half_class_splits(num_classes: int, num_splits: int = 10) -> Int64[np.ndarray, "P half"]:
  """Row p: the K // 2 classes of the split with seed p, ascending, in the order of `released_order`.

  The numbers are those of the released code: `numpy.random.seed(p); permutation(K)[:K // 2]`.
  Raises InputError for fewer than two classes.
  """
  if num_classes < 2:
    raise InputError(f"half-class splits of {num_classes} classes: expected at least 2 classes")
  halves = [np.random.RandomState(p).permutation(num_classes)[: num_classes // 2] for p in range(num_splits)]
  return np.sort(np.array(halves, np.int64), axis=1)


def released_order(names: Sequence[str]) -> Int64[np.ndarray, " K"]:
  """Rows that sort class names by code point as the released code does, which writes `_` for a space."""
  return np.array(sorted(range(len(names)), key=lambda row: names[row].replace(" ", "_")), np.int64)


def half_class_rows(names: Sequence[str], num_splits: int = 10) -> Int64[np.ndarray, "P half"]:
  """The half-class splits as rows of `names`, whatever order these are in. Not to be written to."""
  return _half_class_rows(tuple(names), num_splits)


@functools.lru_cache(maxsize=32)  # the same for every level and space
def _half_class_rows(names: tuple[str, ...], num_splits: int) -> Int64[np.ndarray, "P half"]:
  rows = released_order(names)[half_class_splits(len(names), num_splits)]
  rows.setflags(write=False)
  return rows


def class_masks(rows: Int64[np.ndarray, "P half"], num_classes: int) -> Bool[np.ndarray, "P K"]:
  """True where a split holds the class."""
  masks = np.zeros((len(rows), num_classes), bool)
  masks[np.arange(len(rows))[:, None], rows] = True
  return masks
