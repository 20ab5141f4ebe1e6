"""3 x 3 convolutions of stride 1 by Winograd's algorithm, for CPUs: 16 multiplications for 2 x 2 outputs, where their sums have 36.

F(2 x 2, 3 x 3) of Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.1. A tile d of 4 x 4 inputs, two
apart, gives A^T [(G w G^T) * (B^T d B)] A; over all tiles and channels that is 16 matrix products. Gradients are the transposed maps.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from zsar_jax.models.weight_gradient import (
  Precision,
  largest_divisor,
  nearest_divisor,
  product,
  some_columns,
  taps,
)

# Numbers of tiles before and after the products that are held at once (256 MB in float32), four times the input and the output.
MAX_HELD = 2**26
# Output positions of one product by rows, about.
ROWS_POSITIONS = 4096

Grid = Sequence[Sequence[Any]]  # of arrays of one shape


def applies(x: Any, kernel_shape: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> bool:
  """Whether a 2-D convolution can be computed by tiles."""
  return applies_by_rows(x, kernel_shape, stride) and kernel_shape[1] == 3 and max(padding) <= 2


def applies_by_rows(x: Any, kernel_shape: Sequence[int], stride: Sequence[int]) -> bool:
  """Whether its weight gradient can be, by rows: numbers of 16 bits would lose too much in the sums before the products."""
  return jnp.finfo(x.dtype).bits >= 32 and (kernel_shape[0], tuple(stride)) == (3, (1, 1))


@jax.named_scope("winograd")
def convolve(
  x: Float[Array, "N H W C"],
  w: Float[Array, "3 3 C D"],
  padding: Sequence[int],
  precision: Precision,
) -> Float[Array, "N H2 W2 D"]:
  """The convolution of stride 1.

  Args:
    padding: zeros on both sides of H and W, 0 to 2.
    precision: of the products.
  """
  return _by_tiles(x, _transformed_kernel(w), padding, 0, precision)


@jax.named_scope("winograd")
def input_gradient(
  dy: Float[Array, "N H2 W2 D"],
  w: Float[Array, "3 3 C D"],
  padding: Sequence[int],
  precision: Precision,
) -> Float[Array, "N H W C"]:
  """That of `convolve`: the convolution of dy with the kernel turned by 180 degrees, from D to C channels."""
  turned = (3, 1, 2, 0)  # the transformed kernel of a turned one is the same products in another order
  kernel = _transformed_kernel(w)
  grid = [[kernel[i][j] for j in turned] for i in turned]
  return _by_tiles(dy, grid, [2 - p for p in padding], 1, precision)


@jax.named_scope("winograd")
@jax.named_scope("weight_gradient")
def weight_gradient(
  x: Float[Array, "N H W C"],
  dy: Float[Array, "N H2 W2 D"],
  padding: Sequence[int],
  precision: Precision,
) -> Float[Array, "3 3 C D"]:
  """That of `convolve`: 16 products of transformed inputs and transformed output gradients, then back to 3 x 3."""
  c_in, c_out = x.shape[-1], dy.shape[-1]
  tiles = _num_tiles(dy.shape[1:3])
  ends = [(0, 2 * t - n) for t, n in zip(tiles, dy.shape[1:3], strict=True)]
  frames = _frames_at_once(len(x), tiles, c_in + c_out)

  def add_frames(totals, chunk):
    x1, dy1 = chunk
    inputs = _both_ways(_of_inputs, _views(_padded(x1, padding, tiles), 4, tiles))
    gradients = _both_ways(_of_output_gradients, _views(jnp.pad(dy1, ((0, 0), *ends, (0, 0))), 2, tiles))
    return [
      [total + product(a, b, precision) for total, a, b in zip(*rows, strict=True)]
      for rows in zip(totals, inputs, gradients, strict=True)
    ], None

  start = [[jnp.zeros((c_in, c_out), x.dtype)] * 4] * 4
  chunks = [a.reshape(-1, frames, *a.shape[1:]) for a in (x, dy)]
  totals, _ = lax.scan(add_frames, start, chunks)
  return jnp.stack([jnp.stack(row) for row in _both_ways(_of_kernel_gradients, totals)])


@jax.named_scope("winograd")
@jax.named_scope("weight_gradient")
def weight_gradient_by_rows(
  x: Float[Array, "N H W C"],
  dy: Float[Array, "N H2 W2 D"],
  kernel_width: int,
  padding: Sequence[int],
  precision: Precision,
) -> Float[Array, "3 k C D"]:
  """That of a convolution of stride 1 and a kernel (3,k), by pairs of output rows: 4 products where sums have 6.

  What is transformed is twice the input and the gradient, where tiles have four times, and stays in cache.

  Args:
    padding: zeros on both sides of H and W.
  """
  height, out_width, c_in, c_out = *dy.shape[1:3], x.shape[-1], dy.shape[-1]
  pairs = -(-height // 2)
  width = nearest_divisor(out_width, ROWS_POSITIONS // (2 * pairs))
  frames = largest_divisor(len(x), ROWS_POSITIONS // (2 * pairs * width))
  rows, columns = (padding[0], 2 * pairs + 2 - x.shape[1] - padding[0]), (padding[1], padding[1])
  if width < out_width:  # parts of frames overlap, so that only whole ones can be padded in the loop
    x, columns = jnp.pad(x, ((0, 0), (0, 0), columns, (0, 0))), (0, 0)

  def add_part(totals, part):
    frame, column = part // (out_width // width) * frames, part % (out_width // width) * width
    x1, dy1 = (some_columns(a, frame, frames, column, a.shape[2] - out_width + width) for a in (x, dy))
    x1 = jnp.pad(x1, ((0, 0), rows, columns, (0, 0)))
    dy1 = jnp.pad(dy1, ((0, 0), (0, 2 * pairs - height), (0, 0), (0, 0)))
    shifted = jnp.concatenate([x1[:, :, j : j + width] for j in range(kernel_width)], -1)
    inputs = _of_inputs(*(shifted[:, i : i + 2 * pairs - 1 : 2] for i in range(4)))
    gradients = _of_output_gradients(dy1[:, ::2], dy1[:, 1::2])
    # The gradient first: the other way round XLA's products are slower.
    return [
      total + product(b, a, precision) for total, a, b in zip(totals, inputs, gradients, strict=True)
    ], None

  start = [jnp.zeros((c_out, kernel_width * c_in), x.dtype)] * 4
  totals, _ = lax.scan(add_part, start, jnp.arange(len(x) // frames * (out_width // width)))
  rows_of_kernel = jnp.stack(_of_kernel_gradients(*totals))
  return rows_of_kernel.reshape(3, c_out, kernel_width, c_in).transpose(0, 2, 3, 1)


def _transformed_kernel(w: Float[Array, "3 3 C D"]) -> Grid:
  """G w G^T: 4 x 4 arrays [C,D]."""
  return _both_ways(_of_kernels, [[w[i, j] for j in range(3)] for i in range(3)])


def _by_tiles(x, kernel: Grid, padding, contracted: int, precision: Precision):
  """Tiles of x, times the transformed kernel over its dimension `contracted`, put together again."""
  out_hw = tuple(n + 2 * p - 2 for n, p in zip(x.shape[1:3], padding, strict=True))
  tiles = _num_tiles(out_hw)
  frames = _frames_at_once(len(x), tiles, sum(kernel[0][0].shape))

  def some_frames(x1):
    inputs = _both_ways(_of_inputs, _views(_padded(x1, padding, tiles), 4, tiles))
    products = [
      [lax.dot_general(a, b, (((3,), (contracted,)), ((), ())), precision=precision) for a, b in zip(*rows, strict=True)]
      for rows in zip(inputs, kernel, strict=True)
    ]  # fmt: skip
    outputs = _both_ways(_of_outputs, products)
    y = jnp.stack([jnp.stack(row, 3) for row in outputs], 2)  # [frames, tiles, 2, tiles, 2, channels]
    return y.reshape(frames, 2 * tiles[0], 2 * tiles[1], -1)[:, : out_hw[0], : out_hw[1]]

  return _in_chunks(some_frames, x, frames)


def _in_chunks(function: Callable[[Any], Any], x, frames: int):
  """`function` of so many frames at once, results joined."""
  result = jax.eval_shape(function, x[:frames])
  # Filled with a number that only this loop has: of zeros XLA would keep one array for all loops, and copy it for each.
  joined = jnp.full((len(x), *result.shape[1:]), x[(0,) * x.ndim], result.dtype)

  def add_chunk(chunk, joined):
    part = function(lax.dynamic_slice_in_dim(x, chunk * frames, frames))
    return lax.dynamic_update_slice_in_dim(joined, part, chunk * frames, 0)

  return lax.fori_loop(0, len(x) // frames, add_chunk, joined)


def _num_tiles(out_hw: Sequence[int]) -> tuple[int, int]:
  """Along H and W; the last one of an odd size is half empty."""
  return -(-out_hw[0] // 2), -(-out_hw[1] // 2)


def _frames_at_once(num_frames: int, tiles: tuple[int, int], channels: int) -> int:
  return largest_divisor(num_frames, MAX_HELD // (16 * tiles[0] * tiles[1] * channels))


def _padded(x, padding, tiles):
  """With the zeros of the convolution, and those that fill the last tiles."""
  ends = [2 * t + 2 - n - p for t, n, p in zip(tiles, x.shape[1:3], padding, strict=True)]
  return jnp.pad(x, ((0, 0), *zip(padding, ends, strict=True), (0, 0)))


def _views(x, size: int, tiles: tuple[int, int]) -> Grid:
  """The numbers at each place of all tiles of size x size, two apart: size x size arrays [N, tiles, tiles, channels]."""
  views = taps(x, (size, size), (2, 2), tiles)
  return [views[row : row + size] for row in range(0, size * size, size)]


def _both_ways(along: Callable[..., tuple], grid: Grid) -> Grid:
  """`along`, which maps some arrays to others, over each row of a grid and then over each column."""
  rows = [along(*row) for row in grid]
  columns = [along(*column) for column in zip(*rows, strict=True)]
  return list(zip(*columns, strict=True))


def _of_inputs(a, b, c, d):
  """B^T."""
  return a - c, b + c, c - b, b - d


def _of_kernels(a, b, c):
  """G."""
  return a, (a + b + c) / 2, (a - b + c) / 2, c


def _of_outputs(a, b, c, d):
  """A^T."""
  return a + b + c, b - c - d


def _of_output_gradients(a, b):
  """A."""
  return a, a + b, a - b, -b


def _of_kernel_gradients(a, b, c, d):
  """G^T."""
  return a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d
