"""A small exported model and a few videos, for tests of what reads them."""

import pathlib

import jax
import numpy as np

from zsar_jax.bundle.contents import Bundle, Facts, Preprocessing
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes.embeddings import read_whole_classes
from zsar_jax.config import Config, load
from zsar_jax.data.synthetic import render, write_mp4
from zsar_jax.methods import make_method
from zsar_jax.methods.base import Method
from zsar_jax.train.state import make_network

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
_SMALL = {
  "vectors": VECTORS, "model.width": "32", "model.num_layers": "1", "model.num_heads": "2", "model.hidden": "48",
  "data.num_frames": "4", "eval.num_clips": "2", "transfer.num_neighbors": "3", "transfer.max_seen_per_unseen": "3",
}  # fmt: skip


def tiny_bundle(folder: pathlib.Path) -> pathlib.Path:
  """Writes a real ResT model of random weights, trained on `SEEN` by its own word, into `folder`; returns `folder`."""
  config = load(str(ROOT / "configs" / "demo.py"), _SMALL)
  seen = read_whole_classes({"folder": SEEN}, VECTORS).sets["folder"]
  method = make_method(config, seen)
  network = make_network(method, 0)
  params, batch_stats = jax.tree.map(np.asarray, (network.params, network.batch_stats))
  visual = np.random.default_rng(0).standard_normal((len(SEEN), config.model.width)).astype(np.float32)
  facts = _facts(config, method, folder.name, sum(leaf.size for leaf in jax.tree.leaves(params)))
  write_bundle(Bundle(folder, facts, config, seen, visual, seen, {}, params, batch_stats), folder)
  return folder


def _facts(config: Config, method: Method, name: str, num_parameters: int) -> Facts:
  data = config.data
  preprocessing = Preprocessing(
    data.short_side, data.crop, data.num_frames, data.stride, config.eval.num_clips, None, 95, data.short_side
  )
  return Facts(
    name, "2025-01-31T12:00:00Z", 5, "0123456789abcdef", num_parameters, config.vectors, method.space,
    preprocessing, None, True, [], "", {},
  )  # fmt: skip


def tiny_videos(folder: pathlib.Path, num: int = 3) -> list[pathlib.Path]:
  """Writes `num` short generated videos, `a.mp4` and on, of growing length, into `folder`; returns their paths."""
  folder.mkdir(parents=True, exist_ok=True)
  paths = [folder / f"{chr(ord('a') + number)}.mp4" for number in range(num)]
  for number, path in enumerate(paths):
    write_mp4(path, render("flapping while kicking", number, 0, "studio", num_frames=12 + 8 * number))
  return paths
