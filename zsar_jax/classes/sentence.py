"""Sentence encoders as a source of meaning: a whole class name becomes one vector (ResT Table 5, S2V)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from zsar_jax.errors import InputError
from zsar_jax.files import is_folder

_PREFIX = "sentence:"


def is_sentence(spec: str) -> bool:
  """Whether `spec` names a sentence encoder: `sentence:DIR`."""
  return spec.startswith(_PREFIX)


def check(spec: str) -> None:
  """Raises InputError unless `sentence:DIR` names a folder that looks like a saved sentence-transformers model."""
  folder = Path(spec.removeprefix(_PREFIX))
  if spec == _PREFIX or not is_folder(folder):
    raise InputError(
      f"{spec!r}: no such folder: expected sentence: and the folder of a sentence-transformers model on this machine "
      "(models are never downloaded; `model.save(DIR)` makes one)"
    )
  if not (folder / "modules.json").is_file():
    raise InputError(
      f"{spec!r}: the folder holds no modules.json: expected a saved sentence-transformers model"
    )


def encode(spec: str, texts: Sequence[str]) -> Float32[np.ndarray, "K D"]:
  """Unit float32 rows, one a text; equal texts are encoded once. Reads the model from disk, never from a network.

  Raises:
    InputError: no such model, sentence-transformers is not installed, the model cannot be read, or a vector is zero or not finite.
  """
  check(spec)
  try:
    from sentence_transformers import SentenceTransformer
  except ImportError as error:
    raise InputError(
      f"{spec!r} needs sentence-transformers, which is not installed: pip install 'zsar-jax[sentence]'"
    ) from error
  distinct = list(dict.fromkeys(texts))
  if not distinct:
    return np.zeros((0, 0), np.float32)
  try:
    model = SentenceTransformer(spec.removeprefix(_PREFIX), local_files_only=True)
    vectors = np.asarray(model.encode(distinct, show_progress_bar=False), np.float64)
  except Exception as error:  # its loaders raise whatever their file formats do
    raise InputError(f"{spec!r}: the model cannot be used: {type(error).__name__}: {error}") from error
  norms = np.linalg.norm(vectors, axis=1, keepdims=True)
  bad = [
    text for text, norm in zip(distinct, norms[:, 0], strict=True) if not (np.isfinite(norm) and norm > 0)
  ]
  if bad:
    raise InputError(
      f"{spec!r}: the vector of {', '.join(map(repr, bad))} is zero or not finite: rename it or use another model"
    )
  rows = {text: row for row, text in enumerate(distinct)}
  return (vectors / norms).astype(np.float32)[[rows[text] for text in texts]]
