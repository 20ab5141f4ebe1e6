"""What folding batch normalisation into the weights of an exported model would gain.

python benchmarks/folding.py --json [--cases r2plus1d_18:4x16x112 resnet18:64x224] [--rounds 5] [--out benchmarks/results/folding-cpu.json]

Random weights, float32, one compiled forward pass each, inputs on the device. "trained" is what a bundle's parameters are: every layer
computes its factor from scale and variance inside the compiled step and multiplies the kernel by it (`layers.BatchNorm.affine`), so what
static folding can still save is that one product over the weights. "folded" has no factor: kernels are used as they are, and the bias is
the shift. Its kernels' values are wrong, which changes no time. The floor of what is saved: one read and one write of the weights
(ResNet-18: 11.2 M, 90 MB, 9 ms at 10 GB/s) against 1.8 G multiply-adds an image. Predicted: nothing for a batch. Found: 0.3 to 2.9 % of a
batch, 6 to 14 % of a single clip. Ratios are of neighbours in one round, the median over rounds: above 1, folded is faster.
"""

import argparse
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import measuring
import numpy as np
from flax import nnx

from zsar_jax.models import BACKBONES
from zsar_jax.models.layers import BatchNorm

CASES = ("r2plus1d_18:4x16x112", "r2plus1d_18:1x16x112", "resnet18:64x224", "resnet18:1x224")


class Folded(BatchNorm):
  """As if the factor were in the kernels already."""

  def affine(self, dtype: Any) -> Any:
    return None, self.bias[...].astype(dtype)


def sides(arch: str, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
  """{"trained", "folded"}: a forward pass each."""
  model = BACKBONES[arch](rngs=nnx.Rngs(0))
  frames = jax.device_put(np.random.default_rng(0).standard_normal(shape, np.float32))

  def compiled() -> Callable[[], Any]:
    graph, state = nnx.split(model)
    step = jax.jit(lambda state, frames: nnx.merge(graph, state)(frames, train=False))
    step = step.lower(state, frames).compile()
    return lambda: jax.block_until_ready(step(state, frames))

  trained = compiled()
  for _, module in nnx.iter_modules(model):
    if type(module) is BatchNorm:
      module.__class__ = Folded
  return {"trained": trained, "folded": compiled()}


def measure(case: str, rounds: int) -> dict[str, Any]:
  arch, _, size = case.partition(":")
  *batch, side = map(int, size.split("x"))
  both = sides(arch, (*batch, side, side, 3))
  seconds = measuring.alternate(both, rounds)
  return {
    "input": [*batch, side, side, 3],
    "seconds": {name: round(statistics.median(values), 4) for name, values in seconds.items()},
    "ratio": measuring.ratio(seconds["trained"], seconds["folded"]),
    "ratio_of_minima": round(min(seconds["trained"]) / min(seconds["folded"]), 3),
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--json", action="store_true", help="the only form of output")
  parser.add_argument(
    "--cases", nargs="+", default=CASES, help="BACKBONE:CLIPSxFRAMESxSIDE or BACKBONE:FRAMESxSIDE"
  )
  parser.add_argument("--rounds", type=int, default=7)
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  results = {case: measure(case, options.rounds) for case in options.cases}
  measuring.report(
    measuring.facts("jax", "flax") | {"dtype": str(jnp.dtype("float32")), "cases": results}, options.out
  )


if __name__ == "__main__":
  main()
