"""How cost grows: with batch, frames, clips, classes, videos, devices.

python benchmarks/scaling.py [--axes batch,frames,clips,classes,videos,devices,pods] [--rounds 3] [--json] [--out FILE]

Along every axis: seconds at some points; the work there, counted (multiply-adds from the jaxpr, or the number itself); the exponent of
seconds over work; the line seconds = fixed + per unit of work; and the point that lies farthest from it. Along devices and pods, whose
work is not what is varied, instead the time over that of one device, and the share of the exchange. Models are ResT-18 (4 frames of 64 x
64, two layers of its transformer) and R(2+1)D-18 (4 frames of 64 x 64), which a CPU can do; the points of an axis alternate.

  batch, frames  embedding, and ResT-18's training step along the batch (compiling one takes a CPU half a minute)
  clips          of one video at evaluation: frames that several clips show are encoded once by ResT, 3-D encoders share none
  classes        scoring of 5000 videos, and transfer up to 2000 x 20,000
  videos         an index of up to 10 million, made up: open, split, order, seek, plan; memory
  devices        the same batch on 1, 2, 4, 8 devices of one CPU. They share its cores: this shows overhead only, no gain
  pods           computed by benchmarks/pod_table.py, not measured

The floor is a straight line through 0: twice the work, twice the seconds; of devices and pods, 1 x one device. Predicted before
measuring: exponents of 0.9 to 1 for batch and frames (the optimizer and small maps cost the same at every size), 0.7 to 1 for clips over
their counted work, 0.8 for scoring (checks and sorting of names are paid once), 1 for transfer and videos (250 bytes of memory a video:
names and their hashes), 1.1 times one device on 8.
"""

import argparse
import pathlib
import sys
from typing import Any

import measuring

from zsar_jax import large_pages

AXES = ("batch", "frames", "clips", "classes", "videos", "devices", "pods")


def table(result: dict[str, Any]) -> str:
  """A line for each case."""
  lines = [f"{'':44}{'points':>26}{'exponent':>10}{'off the line':>14}"]
  for axis, cases in result["axes"].items():
    for name, case in cases.items():
      ends = case["points"]
      told = f"{ends[0]['x']:,} to {ends[-1]['x']:,} {case['unit']}"
      if "fit" not in case:
        lines += [f"{axis + ': ' + name:44.44}{told:>26}", *map(_apart, ends)]
        continue
      fit = case["fit"]
      lines.append(
        f"{axis + ': ' + name:44.44}{told:>26}{fit['exponent']:10.2f}{100 * fit['deviation']:12.0f} %"
      )
      if "memory" in case:
        lines.append(
          f"{'':44}{ends[-1]['peak_memory_mb']:,} MB, {case['points'][-1]['seconds']:.1f} s at the largest"
        )
  if "devices" in result["axes"]:
    lines.append("devices share the cores of one CPU: overhead only, no gain can show")
  return "\n".join(lines)


def _apart(point: dict[str, Any]) -> str:
  """A line for one number of devices."""
  shares = {"times_one_device": "x one device", "share_of_exchange": "of the step is exchange"}
  told = ", ".join(f"{point[key]:.2f} {text}" for key, text in shares.items() if key in point)
  return f"  {point['x']:>8,}: {point['seconds']:.4g} s, {told}"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  names = ",".join(AXES)
  parser.add_argument("--axes", default=names, help=f"some of {names}, with commas (default: all)")
  parser.add_argument("--rounds", type=int, default=3, help="of each comparison (default: 3)")
  parser.add_argument("--small", action="store_true", help="two small points an axis, to try it out")
  parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
  parser.add_argument("--out", type=pathlib.Path, help="write the JSON there")
  options = parser.parse_args()
  asked = options.axes.split(",")
  wrong = [f"unknown axis {axis!r}; there are {names}" for axis in asked if axis not in AXES]
  if options.rounds < 1:
    wrong.append("--rounds is 1 or more")
  if wrong:
    parser.error("; ".join(wrong))
  import scaling_axes

  result = measuring.facts("jax", "flax", "numpy", "scipy") | {"small": options.small, "axes": {}}
  for axis in asked:
    print(f"measuring {axis}", file=sys.stderr, flush=True)
    result["axes"][axis] = scaling_axes.AXES[axis](options.rounds, options.small)
  measuring.finish(result, options, table(result))


if __name__ == "__main__":
  large_pages.restart()  # as our commands have it
  main()
