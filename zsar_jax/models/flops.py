"""What a network costs: multiply-adds and bytes counted from its jaxpr, and multiply-adds by formula from its layers."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from flax import nnx
from jax.extend.core import Jaxpr, jaxprs_in_params

from zsar_jax.models.transformer import SelfAttention
from zsar_jax.models.two_stream import RecurrentStack


class Work(NamedTuple):
  """What the convolutions and dot products of a computation do; elementwise operations are free."""

  multiply_adds: int
  num_bytes: int  # read and written, where each reads its operands and writes its result once

  def __add__(self, other: Any) -> "Work":
    return Work(self.multiply_adds + other.multiply_adds, self.num_bytes + other.num_bytes)

  def __sub__(self, other: "Work") -> "Work":
    return Work(self.multiply_adds - other.multiply_adds, self.num_bytes - other.num_bytes)

  def times(self, num: int) -> "Work":
    return Work(self.multiply_adds * num, self.num_bytes * num)


NOTHING = Work(0, 0)


def count(jaxpr: Jaxpr) -> Work:
  """Counts `conv_general_dilated` and `dot_general`, also inside jit, custom derivatives, remat, loops and branches.

  Taps that fall on padding count, as papers count them; of a conditional's branches the largest counts.

  Raises:
    ValueError: a `while` loop, whose number of turns is unknown, holds convolutions or dot products.
  """
  return sum((_count_equation(eqn) for eqn in jaxpr.eqns), NOTHING)


def _count_equation(eqn: Any) -> Work:
  name = eqn.primitive.name
  if name in _PRODUCTS:
    return Work(_PRODUCTS[name](eqn), sum(_num_bytes(v.aval) for v in (*eqn.invars, *eqn.outvars)))
  inner = [count(sub) for sub in jaxprs_in_params(eqn.params)]
  if name == "cond":
    return max(inner, default=NOTHING)
  work = sum(inner, NOTHING)
  if name == "while" and work.multiply_adds:
    raise ValueError(
      "flops.count: a `while` loop holds convolutions or dot products; use `lax.scan`, whose length is known"
    )
  return work.times(eqn.params["length"]) if name == "scan" else work


def _convolution(eqn: Any) -> int:
  """Output elements x kernel volume x Cin / groups: the kernel's input axis is Cin / groups long."""
  kernel, output = eqn.invars[1].aval, eqn.outvars[0].aval
  out_axis = eqn.params["dimension_numbers"].rhs_spec[0]
  return output.size * kernel.size // kernel.shape[out_axis]


def _dot(eqn: Any) -> int:
  (contracted, _), _ = eqn.params["dimension_numbers"]
  lhs, output = eqn.invars[0].aval, eqn.outvars[0].aval
  return output.size * math.prod(lhs.shape[axis] for axis in contracted)


_PRODUCTS: dict[str, Callable[[Any], int]] = {"conv_general_dilated": _convolution, "dot_general": _dot}


def _num_bytes(aval: Any) -> int:
  return aval.size * aval.dtype.itemsize


class Layer(NamedTuple):
  """A module that owns variables or multiplies."""

  path: str  # dotted; "" is the model itself
  type: str
  parameter_shapes: dict[str, tuple[int, ...]]
  parameters: int
  batch_stats: int
  output_shape: tuple[int, ...] | None  # None: this pass does not use it
  multiply_adds: int  # by formula, over all calls; those of submodules stand with them


class Traced(NamedTuple):
  """One pass through a model."""

  output: Any
  layers: list[Layer]  # in the order of first use; what this pass does not use stands last
  shapes: dict[str, tuple[int, ...]]  # of the last output of every module that was called, by path


def trace_layers(model: nnx.Module, run: Callable[[], Any]) -> Traced:
  """Calls `run()`, which uses `model` (as it is, not a copy), and lists the layers.

  Meant for a trace (`jax.eval_shape`, `jax.make_jaxpr`), where nothing is computed.

  Multiply-adds come from hyper-parameters alone. A kernel (convolution of any groups, linear): its size x output positions. Attention
  of M positions, D wide: 2 M^2 D. Recurrent layers: their kernels x positions.
  """
  modules = {".".join(map(str, path)): module for path, module in _modules(model)}
  order: list[str] = []
  shapes: dict[str, tuple[int, ...]] = {}
  multiply_adds = dict.fromkeys(modules, 0)

  def record(path: str, output: Any) -> None:
    shapes[path] = jax.tree.leaves(output)[0].shape
    multiply_adds[path] += _by_formula(modules[path], shapes[path])

  with _calls_recorded(modules, order.append, record):
    output = run()
  paths = dict.fromkeys([*order, *modules])
  layers = [_layer(path, modules[path], shapes.get(path), multiply_adds[path]) for path in paths]
  kept = [x for x in layers if x.parameter_shapes or x.batch_stats or x.multiply_adds]
  return Traced(output, kept, shapes)


def _modules(model: nnx.Module) -> list[tuple[tuple[Any, ...], nnx.Module]]:
  """All of them; the inside of a recurrent stack, which runs within a loop, is one with it."""
  found = list(nnx.iter_modules(model))
  whole = [path for path, module in found if isinstance(module, RecurrentStack)]
  return [
    item for item in found if not any(item[0] != path and item[0][: len(path)] == path for path in whole)
  ]


@contextlib.contextmanager
def _calls_recorded(
  modules: dict[str, nnx.Module], before: Callable[[str], None], after: Callable[[str, Any], None]
) -> Iterator[None]:
  """Within it, every call of one of `modules` stands between `before(path)` and `after(path, output)`.

  Methods are looked up on classes, so the classes' `__call__` is replaced and put back (as `nnx.tabulate` does).
  """
  paths = {id(module): path for path, module in modules.items()}

  def recorded(original: Callable) -> Callable:
    @functools.wraps(original)
    def call(self, *args, **kwargs):
      if id(self) not in paths:
        return original(self, *args, **kwargs)
      before(paths[id(self)])
      output = original(self, *args, **kwargs)
      after(paths[id(self)], output)
      return output

    return call

  classes = {c for module in modules.values() for c in type(module).__mro__}
  owners = [c for c in classes if issubclass(c, nnx.Module) and "__call__" in vars(c)]
  originals: dict[Any, Callable] = {owner: vars(owner)["__call__"] for owner in owners}
  try:
    for owner, original in originals.items():
      setattr(owner, "__call__", recorded(original))  # noqa: B010
    yield
  finally:
    for owner, original in originals.items():
      setattr(owner, "__call__", original)  # noqa: B010


def _by_formula(module: nnx.Module, output_shape: tuple[int, ...]) -> int:
  """Multiply-adds of one call of a module, without its submodules'."""
  positions = math.prod(output_shape[:-1])
  if isinstance(module, SelfAttention):
    return 2 * positions * output_shape[-2] * output_shape[-1]
  if isinstance(module, RecurrentStack):
    kernels = jax.tree.leaves(nnx.state(module, nnx.Param))
    return positions * sum(k.size for k in kernels if k.ndim == 2)
  kernel = getattr(module, "kernel", None)
  return positions * kernel[...].size if isinstance(kernel, nnx.Variable) else 0


def _layer(path: str, module: nnx.Module, output_shape: tuple[int, ...] | None, multiply_adds: int) -> Layer:
  params, stats = _owned(module, nnx.Param), _owned(module, nnx.BatchStat)
  return Layer(
    path, type(module).__name__, params, _total(params), _total(stats), output_shape, multiply_adds
  )


def _total(shapes: dict[str, tuple[int, ...]]) -> int:
  return sum(map(math.prod, shapes.values()))


def _owned(module: nnx.Module, kind: type[nnx.Variable]) -> dict[str, tuple[int, ...]]:
  """Shapes of the variables of one kind that a module holds itself; a recurrent stack's are all its own."""
  variables = nnx.to_flat_state(nnx.state(module, kind))
  deep = isinstance(module, RecurrentStack)
  return {".".join(map(str, path)): leaf.shape for path, leaf in variables if deep or len(path) == 1}
