"""Ideas for single layers: each a forward and a backward pass at a real layer's shape."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from hlo_text import CONTAINERS, Instruction, Module
from jax import lax
from trial import Scale, Trial, compare, normal, with_gradients

from zsar_jax.models.conv import conv
from zsar_jax.models.layers import ConvBN, Numerics


def conv_bn_relu(scale: Scale) -> dict[str, Any]:
  """ResNet's layer1 in training: all of it against its convolution alone, whose time no fusion can beat."""
  side = 56 // scale.shrink
  x = normal(0, scale.frames, side, side, 64, dtype=scale.dtype)
  layer = ConvBN(
    64,
    64,
    (3, 3),
    (1, 1),
    rngs=nnx.Rngs(0),
    numerics=Numerics(jnp.dtype(scale.dtype), None, None, "auto"),
  )
  graph, params, stats = nnx.split(layer, nnx.Param, nnx.BatchStat)

  def whole(params, x):
    return jax.nn.relu(nnx.merge(graph, params, stats, copy=True)(x, train=True))

  def alone(params, x):
    return nnx.merge(graph, params, stats, copy=True).conv(x)

  result = compare(with_gradients(whole), with_gradients(alone), (params, x), scale, shown=None)
  text = jax.jit(with_gradients(whole)).lower(params, x).compile().as_text()
  return result | {"passes": _passes(Module(text), x.size)}


def _passes(module: Module, size: int) -> dict[str, int]:
  """How often compiled instructions that are no products read and write arrays of at least so many elements; a loop's body counts once."""
  found = {"reads": 0, "writes": 0}
  for each in _executed(module, module.entry):
    if each.opcode in ("parameter", "tuple", "get-tuple-element", "bitcast") or module.multiply_adds(each):
      continue
    operands = [s for o in each.operands if o in module.instructions for s in module.instructions[o].shapes]
    found["reads"] += sum(shape.size >= size for shape in operands)
    found["writes"] += sum(shape.size >= size for shape in each.shapes)
  return found


def _executed(module: Module, computation: str) -> Iterator[Instruction]:
  """The instructions of a computation, and in place of loops and calls those of what they call."""
  for each in map(module.instructions.__getitem__, module.computations.get(computation, ())):
    if each.opcode in CONTAINERS:
      for called in each.called:
        yield from _executed(module, called)
    else:
      yield each


def layout(scale: Scale) -> dict[str, Any]:
  """Channels last against channels first, of ResNet's layer2."""
  side = 28 // scale.shrink
  x = normal(0, scale.frames, side, side, 128, dtype=scale.dtype)
  w = normal(1, 3, 3, 128, 128, dtype=scale.dtype, scale=0.03)

  def last(x, w):
    return conv(x, w, (1, 1), (1, 1), "native")

  def first(x, w):
    return lax.conv_general_dilated(
      x, w, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NCHW", "OIHW", "NCHW")
    )

  def as_last(result):
    y, (dx, dw) = result
    return jnp.moveaxis(y, 1, -1), (jnp.moveaxis(dx, 1, -1), jnp.transpose(dw, (2, 3, 1, 0)))

  planes = (jnp.moveaxis(x, -1, 1), jnp.transpose(w, (3, 2, 0, 1)))
  shown = (lambda result: result, as_last)
  return compare(with_gradients(last), with_gradients(first), (x, w), scale, shown=shown, after_args=planes)


def temporal_matmul(scale: Scale) -> dict[str, Any]:
  """3 x 1 x 1 of R(2+1)D's layer1 (144 to 64 channels): its taps joined on channels, one matrix product."""
  side = 56 // scale.shrink
  x = normal(0, scale.clips, 16, side, side, 144, dtype=scale.dtype)
  w = normal(1, 3, 1, 1, 144, 64, dtype=scale.dtype, scale=0.03)

  def ours(x, w):
    return conv(x, w, (1, 1, 1), (1, 0, 0))

  def product(x, w):
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0), (0, 0)))
    taps = jnp.concatenate([padded[:, i : i + x.shape[1]] for i in range(3)], -1)
    return taps @ w.reshape(-1, w.shape[-1])

  return compare(with_gradients(ours), with_gradients(product), (x, w), scale)


def temporal_native(scale: Scale) -> dict[str, Any]:
  """The same layer as XLA's 3-D convolution."""
  side = 56 // scale.shrink
  x = normal(0, scale.clips, 16, side, side, 144, dtype=scale.dtype)
  w = normal(1, 3, 1, 1, 144, 64, dtype=scale.dtype, scale=0.03)

  def run(impl):
    return with_gradients(lambda x, w: conv(x, w, (1, 1, 1), (1, 0, 0), impl))

  return compare(run("folded"), run("native"), (x, w), scale)


def cubic_native(scale: Scale) -> dict[str, Any]:
  """3 x 3 x 3 of R3D's layer2 as sums of 2-D convolutions, against XLA's 3-D one."""
  side = 28 // scale.shrink
  x = normal(0, scale.clips, 8, side, side, 128, dtype=scale.dtype)
  w = normal(1, 3, 3, 3, 128, 128, dtype=scale.dtype, scale=0.02)

  def run(impl):
    return with_gradients(lambda x, w: conv(x, w, (1, 1, 1), (1, 1, 1), impl))

  ours = "folded_scan" if jax.default_backend() == "cpu" else "folded"
  return compare(run(ours), run("native"), (x, w), scale)


def weight_gradient(scale: Scale) -> dict[str, Any]:
  """3 x 3 of ResNet's layer2: XLA's weight gradient, or a product of patches and gradient frame by frame."""
  side = 28 // scale.shrink
  x = normal(0, scale.frames, side, side, 128, dtype=scale.dtype)
  w = normal(1, 3, 3, 128, 128, dtype=scale.dtype, scale=0.03)

  def run(impl):
    return with_gradients(lambda x, w: conv(x, w, (1, 1), (1, 1), impl))

  return compare(run("folded"), run("folded_scan"), (x, w), scale)


def padded_widths(scale: Scale) -> dict[str, Any]:
  """R(2+1)D's layer2: 128 to 230 to 128 channels, the 230 with two of zeros more."""
  return _padded(scale, 128, 230, 232, 28)


def padded_stem(scale: Scale) -> dict[str, Any]:
  """The same at the width of its stem: 64 to 45 to 64 channels, the 45 with three of zeros more."""
  return _padded(scale, 64, 45, 48, 56)


def _padded(scale: Scale, outer: int, inner: int, wide: int, side: int) -> dict[str, Any]:
  side //= scale.shrink
  x = normal(0, scale.clips, 8, side, side, outer, dtype=scale.dtype)
  spatial = normal(1, 1, 3, 3, outer, inner, dtype=scale.dtype, scale=0.03)
  temporal = normal(2, 3, 1, 1, inner, outer, dtype=scale.dtype, scale=0.03)

  def plain(x, spatial, temporal):
    y = jax.nn.relu(conv(x, spatial, (1, 1, 1), (0, 1, 1)))
    return conv(y, temporal, (1, 1, 1), (1, 0, 0))

  def padded(x, spatial, temporal):
    more = (0, wide - inner)
    spatial = jnp.pad(spatial, (*((0, 0),) * 4, more))
    return plain(x, spatial, jnp.pad(temporal, (*((0, 0),) * 3, more, (0, 0))))

  return compare(with_gradients(plain), with_gradients(padded), (x, spatial, temporal), scale)


def space_to_depth_stem(scale: Scale) -> dict[str, Any]:
  """ResNet's 7 x 7 convolution of stride 2 as 4 x 4 on 2 x 2 blocks. No gradient for the frames, as in training."""
  side = 224 // scale.shrink
  x = normal(0, scale.frames, side, side, 3, dtype=scale.dtype)
  w = normal(1, 7, 7, 3, 64, dtype=scale.dtype, scale=0.1)

  def plain(w, x):
    return conv(x, w, (2, 2), (3, 3))

  def blocks(w, x):
    n, height, width, _ = x.shape
    x = x.reshape(n, height // 2, 2, width // 2, 2, 3).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(n, height // 2, width // 2, 12)
    # A row and a column of zeros in front: tap k of 8 then lies in block k // 2, which is at most two to the left.
    w = jnp.pad(w, ((1, 0), (1, 0), (0, 0), (0, 0))).reshape(4, 2, 4, 2, 3, 64)
    w = w.transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, 12, 64)
    padded = jnp.pad(x, ((0, 0), (2, 1), (2, 1), (0, 0)))
    return conv(padded, w, (1, 1), (0, 0))

  return compare(with_gradients(plain, 1), with_gradients(blocks, 1), (w, x), scale)


TRIALS = {
  "conv_bn_relu": Trial(
    "batch norm and ReLU at no cost beside their convolution (a bound: the results differ)",
    "CPU 1.3: forward two passes over the activation, backward three, at 10 GB/s beside a convolution of 576 multiply-adds an element; "
    "GPU 2: there a convolution takes as long as a pass",
    conv_bn_relu,
  ),
  "layout": Trial(
    "channels first instead of last",
    "slower: XLA transposes to channels last for its CPU kernels, and tensor cores want channels last",
    layout,
  ),
  "temporal_matmul": Trial(
    "a temporal convolution as one matrix product over joined taps",
    "CPU 0.8: joining writes and reads the input three times more; GPU slower for the same reason",
    temporal_matmul,
  ),
  "temporal_native": Trial(
    "a temporal convolution as XLA's own 3-D one instead of 2-D",
    "known for CPUs, from models/conv.py: many times slower, for its 3-D gradients are not written with matrix products; GPU 1.0: "
    "cuDNN takes both alike",
    temporal_native,
  ),
  "cubic_native": Trial(
    "a 3 x 3 x 3 convolution as XLA's own 3-D one instead of sums of 2-D ones",
    "known for CPUs, from models/conv.py: many times slower, for its 3-D weight gradients are the slow part; GPU 1.5: three "
    "passes over the sum are saved",
    cubic_native,
  ),
  "weight_gradient": Trial(
    "a weight gradient of our own, patches times gradient frame by frame",
    "known for CPUs, from models/conv.py: 1.1 to 1.4 a step, as patches of a frame stay in cache; GPU 0.1: many small products one "
    "after the other",
    weight_gradient,
  ),
  "padded_widths": Trial(
    "R(2+1)D's inner width 230 padded to 232",
    "CPU 1.0: 230 is 14.4 vectors of 16; GPU 1.2 to 2: tensor cores want multiples of 8",
    padded_widths,
  ),
  "padded_stem": Trial(
    "an inner width of 45 padded to 48",
    "CPU 1.05: 45 fills 2.8 vectors of 16, 48 fills 3; GPU 1.2 to 2",
    padded_stem,
  ),
  "space_to_depth_stem": Trial(
    "the 7 x 7 stem of stride 2 as 4 x 4 on 2 x 2 blocks",
    "1.5: 31 % more multiply-adds, but 12 input channels fill a vector that 3 leave empty",
    space_to_depth_stem,
  ),
}
