"""Writes classes and what they mean to one small `.npz`, which serves as a source of word vectors afterwards."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zsar_jax.classes.class_lists import ClassList
from zsar_jax.classes.embeddings import join_class_sets, read_whole_classes
from zsar_jax.classes.sentence import is_sentence
from zsar_jax.errors import InputError, raise_all


def write_embeddings(lists: Mapping[str, ClassList], spec: str, out: str | Path) -> dict[str, int]:
  """Writes the classes of all lists, one after another, and returns {"classes": K, "words": n, "width": D}.

  Arrays: `class_names` [K], `class_words` [K] (joined by spaces), `class_lists` [K] (the list a class is of),
  `semantic_embeddings` float32 [K, D], and, unless `spec` is a sentence encoder, `words` [n] and `vectors`
  float32 [n, D], unit: every word in use, so that the file can be given wherever word vectors are. The file is
  whole or not there.

  Raises:
    InputError: as `embeddings.class_sets`, or `out` is no .npz or cannot be written.
  """
  path = Path(out)
  raise_all(_problems(path))
  names = {own: given.names for own, given in lists.items()}
  reading = read_whole_classes(names, spec, {own: given.source for own, given in lists.items()})
  joined = join_class_sets(list(reading.sets.values()))
  arrays = {
    "class_names": np.array(joined.names),
    "class_words": np.array([" ".join(words) for words in joined.words]),
    "class_lists": np.array([own for own, given in lists.items() for _ in given.names]),
    "semantic_embeddings": joined.semantic_embeddings,
  }
  words = sorted({word for own in joined.words for word in own})
  if not is_sentence(spec):
    vectors = np.stack([reading.vectors.found[word] for word in words])
    arrays |= {"words": np.array(words), "vectors": vectors}
  _write(path, arrays)
  return {"classes": len(joined.names), "words": len(words), "width": joined.semantic_embeddings.shape[1]}


def _problems(path: Path) -> list[str]:
  if path.suffix != ".npz":
    return [f"--out {str(path)!r}: expected a file ending in .npz"]
  if not path.parent.is_dir():
    return [f"--out {str(path)!r}: no folder {str(path.parent)!r}: make it first"]
  return []


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with temporary.open("wb") as file:
      np.savez(file, allow_pickle=False, **arrays)
    os.replace(temporary, path)
  except OSError as error:
    temporary.unlink(missing_ok=True)
    raise InputError(f"--out {str(path)!r}: cannot be written: {error}") from error
