"""Naming many videos at once, against one call a video and against decoding alone.

python benchmarks/predict.py --json --case figures DIR_OF_A_MODEL DIR_OF_VIDEOS [--case …] [--num 60] [--rounds 3]
  [--out benchmarks/results/predict-cpu.json]

A model is what `zsar_jax.export` wrote. Sides of a round, in turn, on the same videos:
  together   `Recognizer.recognize` of all of them: what `zsar_jax.predict` does
  apart      one call of it a video; the model stays loaded and compiled, the decoding processes run on
  serial     one video after another without it: read in one process that stays, then embedded, then named
  decoding   the same processes read the clips of all videos and nothing is done with them: the floor where decoding is the limit
  device     the clips, read before, go through the network: the floor where the device is
Predicted: together costs the larger of the two floors and a little of the other (on a CPU the device's work is done by the cores that
decode: at most the sum); serial and apart the device's floor and, on two cores, twice the decoding's.
Found on two cores: as predicted. Small videos and a small network: decoding takes 0.71 of the time; videos of 832 x 480 and a 3-D network:
0.46, the network 0.87. One at a time, by either way, takes 1.8 to 2.5 times as long.
Seconds are of all videos, the median over rounds. Ratios are of neighbours in one round, the median over rounds: above 1, together is
faster. `of_floor` is decoding / together: 1 where nothing but decoding takes time.
"""

import argparse
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import measuring

import zsar_jax
from zsar_jax import compilation
from zsar_jax.data.killable_pool import map_ahead
from zsar_jax.predicting.inputs import find_videos
from zsar_jax.recognition.answers import Failure
from zsar_jax.recognition.decoders import Decoders
from zsar_jax.recognition.limits import NO_LIMITS


def sides(recognizer: Any, videos: list[str]) -> dict[str, Callable[[], None]]:
  """What is measured; see above."""
  candidates = recognizer.candidates(recognizer.bundle.seen.names)  # any names: they cost nothing

  def together() -> None:
    for answer in recognizer.recognize(videos, candidates):
      if isinstance(answer, Failure):
        raise SystemExit(f"{answer.video} cannot be read ({answer.reason}): measure with whole videos")

  def apart() -> None:
    for video in videos:
      list(recognizer.recognize([video], candidates))

  decoders = Decoders()  # kept from round to round, as the recognizer's own are

  def read(decoder: Any, video: str) -> Any:
    return recognizer.read(decoder, video, num_clips=None, timeline=False, limits=NO_LIMITS, timeout=120.0)

  def clips() -> Iterator[Any]:
    with closing(map_ahead(read, videos, decoders.lend, os.cpu_count() or 1)) as found:
      yield from found

  def serial() -> None:
    with closing(decoders.lend()) as decoder:
      for video in videos:
        found = read(decoder, video)
        recognizer.answer(video, found, recognizer.embed_clips([found])[0], candidates)

  held = list(clips())
  return {
    "together": together,
    "apart": apart,
    "serial": serial,
    "decoding": lambda: [None for _ in clips()].clear(),
    "device": lambda: [recognizer.embed_clips([one]) for one in held].clear(),
  }


def measure(model: str, folder: str, num: int, rounds: int) -> dict[str, Any]:
  """The numbers of one model and one folder of videos."""
  found = find_videos([folder])
  if found.problems:
    raise SystemExit("\n".join(found.problems))
  videos = list(found.videos)
  started = time.perf_counter()
  recognizer = zsar_jax.load(model)
  loaded = time.perf_counter() - started
  step = max(1, len(videos) // num)  # of all classes where a folder holds class folders
  videos = videos[::step][:num]
  seconds = measuring.alternate(sides(recognizer, videos), rounds)
  median = {name: statistics.median(values) for name, values in seconds.items()}
  together = seconds["together"]
  return {
    "model": {
      "name": recognizer.bundle.facts.name,
      "num_clips": recognizer.bundle.facts.preprocessing.num_clips,
    },
    "videos": len(videos),
    "load_seconds": round(loaded, 2),
    "seconds": {name: round(value, 3) for name, value in median.items()},
    "videos_per_second": {name: round(len(videos) / value, 2) for name, value in median.items()},
    "faster_than_serial": measuring.ratio(seconds["serial"], together),
    "faster_than_apart": measuring.ratio(seconds["apart"], together),
    "of_floor": measuring.ratio(seconds["decoding"], together),
    "of_device": measuring.ratio(seconds["device"], together),
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--json", action="store_true", help="the only form of output")
  parser.add_argument("--case", nargs=3, action="append", required=True, metavar=("NAME", "MODEL", "VIDEOS"))
  parser.add_argument("--num", type=int, default=60, help="videos, at most")
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  compilation.use_cache()
  cases = {name: measure(model, videos, options.num, options.rounds) for name, model, videos in options.case}
  facts = measuring.facts("jax", "flax", "av", "numpy")
  measuring.report(facts | {"cases": cases}, options.out)


if __name__ == "__main__":
  main()
