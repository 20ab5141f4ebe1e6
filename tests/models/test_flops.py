"""Counting multiply-adds, from jaxprs and from layers."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax

from zsar_jax.models import layers
from zsar_jax.models.flops import Work, count, trace_layers
from zsar_jax.models.transformer import SelfAttention
from zsar_jax.models.two_stream import CELLS, RecurrentStack

SQUARE = jax.ShapeDtypeStruct((8, 8), jnp.float32)
PRODUCT = 8**3  # multiply-adds of SQUARE @ SQUARE


def _count(function, *arguments):
  return count(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_product_and_its_bytes():
  x, w = jax.ShapeDtypeStruct((2, 3, 5), jnp.bfloat16), jax.ShapeDtypeStruct((5, 7), jnp.bfloat16)
  assert _count(jnp.matmul, x, w) == Work(2 * 3 * 5 * 7, 2 * (30 + 35 + 42))


def test_batch_axes_of_a_product():
  x, y = jax.ShapeDtypeStruct((4, 3, 5), jnp.float32), jax.ShapeDtypeStruct((4, 5, 7), jnp.float32)
  assert _count(lambda x, y: jnp.einsum("bik,bkj->bij", x, y), x, y).multiply_adds == 4 * 3 * 5 * 7


@pytest.mark.parametrize(
  ("groups", "expected"), [(1, 36 * 9 * 6 * 12), (2, 36 * 9 * 3 * 12), (6, 36 * 9 * 1 * 12)]
)
def test_grouped_convolution_counts_padding(groups, expected):
  x, w = (
    jax.ShapeDtypeStruct((1, 6, 6, 6), jnp.float32),
    jax.ShapeDtypeStruct((3, 3, 6 // groups, 12), jnp.float32),
  )

  def convolve(x, w):
    return lax.conv_general_dilated(
      x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )

  assert _count(convolve, x, w).multiply_adds == expected


def test_strided_3d_convolution():
  x, w = (
    jax.ShapeDtypeStruct((2, 4, 8, 8, 3), jnp.float32),
    jax.ShapeDtypeStruct((3, 7, 7, 3, 5), jnp.float32),
  )
  done = _count(lambda x, w: layers.conv(x, w, (1, 2, 2), (1, 3, 3), "native"), x, w)
  assert done.multiply_adds == 2 * 4 * 4 * 4 * 5 * (3 * 7 * 7 * 3)


def test_scan_counts_every_turn():
  def loop(x):
    return lax.scan(lambda carry, _: (carry @ x, carry @ x), x, None, length=5)

  assert _count(loop, SQUARE).multiply_adds == 2 * 5 * PRODUCT


@jax.custom_vjp
def _custom(x):
  return x @ x


_custom.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x,))


@pytest.mark.parametrize(
  ("function", "products"),
  [
    (jax.jit(lambda x: x @ x), 1),
    (jax.checkpoint(lambda x: x @ x), 1),
    (lambda x: jax.jit(jax.checkpoint(lambda y: jax.jit(jnp.matmul)(y, y)))(x) @ x, 2),
    (_custom, 1),
    (lambda x: lax.cond(x[0, 0] > 0, lambda: x @ x @ x, lambda: x @ x), 2),
    (lambda x: lax.while_loop(lambda y: y[0, 0] > 0, lambda y: y - 1, x) @ x, 1),
    (lambda x: x + jnp.tanh(x), 0),
  ],
  ids=["jit", "remat", "nested", "custom_vjp", "cond", "while", "elementwise"],
)
def test_inside_other_primitives(function, products):
  assert _count(function, SQUARE).multiply_adds == products * PRODUCT


def test_remat_is_counted_where_it_recomputes():
  block = jax.checkpoint(lambda x: jnp.sin(x @ x))
  kept = _count(jax.grad(lambda x: jnp.sin(x @ x).sum()), SQUARE).multiply_adds
  assert _count(jax.grad(lambda x: block(x).sum()), SQUARE).multiply_adds == kept + PRODUCT


def test_while_with_products_is_refused():
  with pytest.raises(ValueError, match="while"):
    _count(lambda x: lax.while_loop(lambda y: y[0, 0] > 0, lambda y: y @ y, x), SQUARE)


class _Net(nnx.Module):
  """A little of everything that has a formula."""

  def __init__(self, rngs):
    self.conv = layers.Conv(6, 6, (3, 3), padding=(1, 1), groups=6, rngs=rngs, impl="native")
    self.linear = nnx.Linear(6, 8, rngs=rngs)
    self.attention = SelfAttention(8, 2, rngs=rngs, dtype=jnp.float32)
    self.recurrent = RecurrentStack("lstm", 2, 8, 0.0, rngs=rngs, dtype=jnp.float32)
    self.unused = nnx.Linear(3, 3, rngs=rngs)
    self.table = nnx.Param(jnp.zeros((4, 8)))

  def __call__(self, x):
    tokens = self.linear(self.conv(x)).reshape(x.shape[0], -1, 8) + self.table[0]
    return self.recurrent(self.attention(tokens, None), train=False, rngs=None)


def _trace_net():
  found = []

  def run(x):
    model = _Net(nnx.Rngs(0))
    found.append(trace_layers(model, lambda: model(x)))
    return found[-1].output

  work = _count(run, jax.ShapeDtypeStruct((2, 3, 5, 6), jnp.float32))
  return work, found[-1]


def test_layers_by_formula_agree_with_the_jaxpr():
  work, traced = _trace_net()
  by_path = {x.path: x for x in traced.layers}
  assert by_path["conv"].multiply_adds == 30 * 9 * 6
  assert by_path["linear"].multiply_adds == 30 * 6 * 8
  assert by_path["attention"].multiply_adds == 2 * 2 * 15**2 * 8
  assert by_path["recurrent"].multiply_adds == 30 * 2 * 8 * 8 * 8
  assert by_path["unused"].multiply_adds == 0
  assert sum(x.multiply_adds for x in traced.layers) == work.multiply_adds


def test_layers_name_shapes_and_all_parameters():
  _, traced = _trace_net()
  by_path = {x.path: x for x in traced.layers}
  assert by_path[""].parameter_shapes == {"table": (4, 8)}
  assert by_path["conv"].parameter_shapes == {"kernel": (3, 3, 1, 6)}
  assert by_path["conv"].output_shape == (2, 3, 5, 6)
  assert by_path["recurrent"].output_shape == (2, 15, 8)
  assert by_path["unused"].output_shape is None
  assert [x.path for x in traced.layers][-1] == "unused"
  whole = nnx.state(_Net(nnx.Rngs(0)), nnx.Param)
  assert sum(x.parameters for x in traced.layers) == sum(leaf.size for leaf in jax.tree.leaves(whole))


def test_classes_are_as_they_were_after_a_failure():
  kinds = (layers.Conv, nnx.Linear, SelfAttention, RecurrentStack, *CELLS.values())
  before = [vars(kind)["__call__"] for kind in kinds]

  def fail():
    raise RuntimeError("stop")

  with pytest.raises(RuntimeError, match="stop"):
    trace_layers(_Net(nnx.Rngs(0)), fail)
  assert [vars(kind)["__call__"] for kind in kinds] == before
