"""25 clips a video: every distinct frame through a 2-D encoder once, against clip by clip.

python benchmarks/embedding.py --json [--models rest18 rest34] [--frames 186] [--rounds 3] [--out benchmarks/results/embedding-cpu.json]

One video, random weights, frames of 224 x 224 on the device already, float32. "shared" is what evaluation does: `embed_clips` on the frames
that the clips show and their positions; "clips" gathers the clips first and embeds each. The floor, in frames through the encoder: 25 x T
against the distinct ones, of which a video of 186 frames has at most 186 (ResT-18: 400 against 134; ResT-101: 100 against 97).
The transformer runs 25 times either way (5 % of ResT-18's work), so predicted: frames' ratio less a few per
cent. Found: as predicted (ResT-18 2.97 of 2.99; ResT-101 nothing: its 25 clips of 4 frames, 6 apart, hardly share any). Ratios are of
neighbours in one round, the median over rounds: above 1, shared is faster. `difference` is the largest of the embeddings, over their
largest value.
"""

import argparse
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import jax
import measuring
import numpy as np

from zsar_jax import config as configs
from zsar_jax.accounting import find_classes
from zsar_jax.data.sampling import distinct_frames, even_clips
from zsar_jax.methods import make_method
from zsar_jax.methods.frames import normalize
from zsar_jax.models.encode import gather_clips
from zsar_jax.train.apply import make_apply
from zsar_jax.train.sharding import make_mesh
from zsar_jax.train.state import make_network

NUM_CLIPS, NUM_CLASSES, VOCABULARY, NUM_WORDS = 25, 664, 700, 8
ROOT = pathlib.Path(__file__).parent.parent


def sides(name: str, num_frames: int, crop: int) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
  """{"shared", "clips"}: each embeds one video; and how many frames the encoder sees in each."""
  config = configs.load(
    str(ROOT / "configs" / f"{name}.py"), {"model.bn_group_size": "0", "data.crop": str(crop)}
  )
  method = make_method(config, find_classes(config, NUM_CLASSES, VOCABULARY - 2, NUM_WORDS).seen)
  network, mesh = make_network(method, 0), make_mesh()
  clips = even_clips(np.array([num_frames]), NUM_CLIPS, config.data.num_frames, config.data.stride)
  distinct, positions = distinct_frames(clips)
  video = np.random.default_rng(0).integers(0, 256, (1, num_frames, crop, crop, 3), np.uint8)
  frames, positions = jax.device_put((video[:, distinct[0]], positions))

  def shared(model: Any, inputs: Any) -> Any:
    return method.embed_clips(model, normalize(inputs[0], config.data), inputs[1]).own

  def one_by_one(model: Any, inputs: Any) -> Any:
    return method.embed(model, gather_clips(normalize(inputs[0], config.data), inputs[1]))

  def compiled(function: Callable[[Any, Any], Any]) -> Callable[[], Any]:
    apply = make_apply(network.graphdef, mesh, function)
    return lambda: np.asarray(apply(network.params, network.batch_stats, (frames, positions)))

  seen = {"shared": distinct.shape[1], "clips": NUM_CLIPS * config.data.num_frames}
  return {"shared": compiled(shared), "clips": compiled(one_by_one)}, seen


def measure(name: str, num_frames: int, crop: int, rounds: int) -> dict[str, Any]:
  both, frames = sides(name, num_frames, crop)
  one, other = (both[side]() for side in ("shared", "clips"))
  seconds = measuring.alternate(both, rounds)
  return {
    "frames": frames,
    "predicted": round(frames["clips"] / frames["shared"], 2),
    "seconds": {side: round(statistics.median(values), 3) for side, values in seconds.items()},
    "ratio": measuring.ratio(seconds["clips"], seconds["shared"]),
    "difference": float(np.abs(one - other).max() / np.abs(other).max()),
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--json", action="store_true", help="the only form of output")
  parser.add_argument("--models", nargs="+", default=["rest18", "rest34", "rest101"])
  parser.add_argument(
    "--frames", type=int, default=186, help="of the video; UCF101's videos have 186 on average"
  )
  parser.add_argument("--crop", type=int, default=224)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  results = {name: measure(name, options.frames, options.crop, options.rounds) for name in options.models}
  facts = measuring.facts("jax", "flax")
  measuring.report(facts | {"frames_of_the_video": options.frames, "models": results}, options.out)


if __name__ == "__main__":
  main()
