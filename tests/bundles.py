"""Small exported models of random weights, in memory and written, and a few videos, for tests of what reads them."""

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from zsar_jax.bundle.contents import Bundle, Facts, Preprocessing
from zsar_jax.bundle.model import abstract_arrays, abstract_model
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes.embeddings import class_set, load_word_vectors
from zsar_jax.config import Config, load
from zsar_jax.data.synthetic import render, write_mp4
from zsar_jax.methods import make_method
from zsar_jax.methods.base import Method
from zsar_jax.train.state import fingerprint

ROOT = pathlib.Path(__file__).parent.parent
VECTORS = "hash:64"
SEEN = (
  "waving",
  "clapping while walking",
  "punching while squatting",
  "bowing while jumping",
  "throwing darts",
)
# What a video is named among: one of them was trained on.
CANDIDATES = ("juggling balls", "archery", "clapping while walking", "playing the piano")
_SMALL: dict[str, Any] = {
  "vectors": VECTORS, "model.width": 32, "model.num_layers": 1, "model.num_heads": 2, "model.hidden": 48, "data.num_frames": 4,
  "data.short_side": 32, "data.crop": 24, "eval.num_clips": 2, "transfer.num_neighbors": 3, "transfer.max_seen_per_unseen": 3,
}  # fmt: skip


def make_bundle(
  variant: str = "rest", folder: pathlib.Path = pathlib.Path("nowhere"), **changes: Any
) -> Bundle:
  """A model of `configs/demo.py` (`variant` rest or e2e) in memory, smaller, that was trained on `SEEN` by its own word.

  `changes` to its config, `__` for dots. Where `vectors` names a file, all its words come along.
  """
  given = _SMALL | {key.replace("__", "."): value for key, value in changes.items()}
  config = load(f"{ROOT / 'configs' / 'demo.py'}:{variant}", given)
  seen = class_set(SEEN, "folder", config.vectors)
  words = {} if config.vectors.startswith("hash:") else _all_words(config.vectors)
  method = make_method(config, seen)
  arrays = jax.tree_util.tree_map_with_path(_numbers, abstract_arrays(abstract_model(method)))
  visual = np.random.default_rng(0).standard_normal((len(SEEN), config.model.width)).astype(np.float32)
  facts = _facts(config, method, folder.name, sum(leaf.size for leaf in jax.tree.leaves(arrays["params"])))
  seen_visual = visual if method.space == "visual" else None
  config = dataclasses.replace(config, vectors=facts.vectors)  # as an export: no path of this machine
  bundle = Bundle(
    folder, facts, config, seen, seen_visual, seen, words, *map(arrays.get, ("params", "batch_stats"))
  )
  return bundle._replace(facts=facts._replace(checkpoint=fingerprint(bundle)))


def tiny_bundle(folder: pathlib.Path) -> pathlib.Path:
  """Writes a ResT model as `make_bundle` makes it into `folder`; returns `folder`."""
  write_bundle(make_bundle(folder=folder), folder)
  return folder


def _facts(config: Config, method: Method, name: str, num_parameters: int) -> Facts:
  data = config.data
  preprocessing = Preprocessing(
    data.short_side, data.crop, data.num_frames, data.stride, config.eval.num_clips, None, 95, data.short_side
  )
  space = config.transfer.space if method.space == "visual" else method.space
  return Facts(
    name, "2025-01-31T12:00:00Z", 5, "", num_parameters, pathlib.Path(config.vectors).name, space, preprocessing, None, True, [], "",
    {},
  )  # fmt: skip


def _numbers(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
  """Small random weights, positive variances: drawn, not initialised, which would be compiled."""
  name = jax.tree_util.keystr(path)
  drawn = np.random.default_rng([*name.encode()]).standard_normal(leaf.shape)
  if "var" in name or "scale" in name:
    return (1 + 0.1 * np.abs(drawn)).astype(leaf.dtype)
  fan_in = max(np.prod(leaf.shape[:-1]), 8)
  return (drawn / np.sqrt(fan_in)).astype(leaf.dtype)


def _all_words(spec: str) -> dict[str, np.ndarray]:
  with np.load(spec) as arrays:
    return load_word_vectors(spec, arrays["words"].tolist())


def write_vectors(path: pathlib.Path, words: str, seed: int = 0, width: int = 8) -> pathlib.Path:
  """Random vectors of these words; of the same seed and width a word has always the same."""
  rows = [
    np.random.default_rng([seed, *word.encode()]).standard_normal(width).astype(np.float32)
    for word in words.split()
  ]
  np.savez(path, words=np.array(words.split()), vectors=np.stack(rows))
  return path


def tiny_videos(folder: pathlib.Path, num: int = 3) -> list[pathlib.Path]:
  """Writes `num` short generated videos, `a.mp4` and on, of growing length, into `folder`; returns their paths."""
  folder.mkdir(parents=True, exist_ok=True)
  paths = [folder / f"{chr(ord('a') + number)}.mp4" for number in range(num)]
  for number, path in enumerate(paths):
    write_mp4(path, render("flapping while kicking", number, 0, "studio", num_frames=12 + 8 * number))
  return paths
