"""Exported models of random weights, held in memory, and made to differ."""

import pathlib
from typing import Any

import jax
import numpy as np

from zsar_jax.bundle.contents import Bundle, Facts, Preprocessing
from zsar_jax.bundle.model import abstract_arrays, abstract_model
from zsar_jax.classes.embeddings import class_set, load_word_vectors
from zsar_jax.config import load
from zsar_jax.methods import make_method

ROOT = pathlib.Path(__file__).parents[2]
SEEN = (
  "waving",
  "clapping while walking",
  "punching while squatting",
  "bowing while jumping",
  "throwing darts",
)
_SMALL: dict[str, Any] = {
  "vectors": "hash:32", "model.width": 32, "model.num_layers": 1, "model.num_heads": 2, "model.hidden": 48, "data.num_frames": 4,
  "data.short_side": 32, "data.crop": 24, "eval.num_clips": 2, "transfer.num_neighbors": 3, "transfer.max_seen_per_unseen": 3,
}  # fmt: skip


def make_bundle(
  variant: str = "rest", folder: pathlib.Path = pathlib.Path("nowhere"), **changes: Any
) -> Bundle:
  """A model of `configs/demo.py` (`variant` rest or e2e), smaller; `changes` to its config, `__` for dots.

  Where `vectors` names a file, all its words come along, in `folder`.
  """
  given = _SMALL | {key.replace("__", "."): value for key, value in changes.items()}
  config = load(f"{ROOT / 'configs' / 'demo.py'}:{variant}", given)
  seen = class_set(SEEN, "folder", config.vectors)
  words = {} if config.vectors.startswith("hash:") else _all_words(config.vectors)
  if words:
    np.savez(folder / "words.npz", words=np.array(list(words)), vectors=np.stack(list(words.values())))
  method = make_method(config, seen)
  arrays = jax.tree_util.tree_map_with_path(_numbers, abstract_arrays(abstract_model(method)))
  visual = np.random.default_rng(0).standard_normal((len(SEEN), config.model.width)).astype(np.float32)
  data, num = config.data, sum(leaf.size for leaf in jax.tree.leaves(arrays["params"]))
  preprocessing = Preprocessing(
    data.short_side, data.crop, data.num_frames, data.stride, config.eval.num_clips, None, 95
  )
  facts = Facts(
    folder.name, "2025-01-31T12:00:00Z", 5, "0123456789abcdef", num, pathlib.Path(config.vectors).name,
    config.transfer.space if method.space == "visual" else method.space, preprocessing, None, True, [], "", {},
  )  # fmt: skip
  is_visual = method.space == "visual"
  return Bundle(
    folder,
    facts,
    config,
    seen,
    visual if is_visual else None,
    seen,
    words,
    arrays["params"],
    arrays["batch_stats"],
  )


def _numbers(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
  """Small random weights, positive variances: drawn, not initialised, which would be compiled."""
  name = jax.tree_util.keystr(path)
  drawn = np.random.default_rng([*name.encode()]).standard_normal(leaf.shape)
  if "var" in name or "scale" in name:
    return (1 + 0.1 * np.abs(drawn)).astype(leaf.dtype)
  fan_in = max(np.prod(leaf.shape[:-1]), 8)
  return (drawn / np.sqrt(fan_in)).astype(leaf.dtype)


def write_vectors(path: pathlib.Path, words: str, seed: int = 0, width: int = 8) -> pathlib.Path:
  """Random vectors of these words; of the same seed and width a word has always the same."""
  rows = [
    np.random.default_rng([seed, *word.encode()]).standard_normal(width).astype(np.float32)
    for word in words.split()
  ]
  np.savez(path, words=np.array(words.split()), vectors=np.stack(rows))
  return path


def _all_words(spec: str) -> dict[str, np.ndarray]:
  with np.load(spec) as arrays:
    return load_word_vectors(spec, arrays["words"].tolist())
