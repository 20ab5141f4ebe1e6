"""What every idea of tried.py shares: two ways of one computation, compared in alternation."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import measuring
import numpy as np
from model_sides import repeats_for

FASTER, SLOWER = 1.05, 0.95  # between them the two are called alike
# Of the leaf that is furthest off. bfloat16 rounds to 2^-9, at some twenty layers in each direction.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}


class Scale(NamedTuple):
  """How large a trial's arrays are: real layers' shapes, over as many frames or clips as the device does in a few ms to a second."""

  dtype: str
  frames: int  # of the 2-D networks
  clips: int  # of 16 frames, of the 3-D networks
  shrink: int  # divides heights and widths; 1 but in dry runs
  rounds: int


class Trial(NamedTuple):
  """An idea. Its ratio is the time of what is done without it over the time with it: above 1, it is faster."""

  idea: str
  prediction: str
  run: Callable[[Scale], dict[str, Any]]


def normal(seed: int, *shape: int, dtype: str = "float32", scale: float = 1.0) -> jax.Array:
  """Random numbers, drawn on the device."""
  return scale * jax.random.normal(jax.random.key(seed), shape, jnp.dtype(dtype))


def with_gradients(function: Callable[..., Any], wanted: int | None = None) -> Callable[..., Any]:
  """function's result and the gradients of half its squared norm for the first `wanted` arguments (None: all)."""

  def both(*args):
    first, rest = args[:wanted], args[len(args[:wanted]) :]
    result, backward = jax.vjp(lambda *first: function(*first, *rest), *first)
    return result, backward(result)

  return both


Shown = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _everything(result: Any) -> Any:
  return result


def compare(
  before: Callable[..., Any],
  after: Callable[..., Any],
  args: tuple[Any, ...],
  scale: Scale,
  shown: Shown | None = (_everything, _everything),
  after_args: tuple[Any, ...] | None = None,
  dtype: str | None = None,
) -> dict[str, Any]:
  """Compiles both and runs them in turn.

  Args:
    before, after: pure functions of `args` (`after` of `after_args` where they are given).
    shown: what of each one's result should be the same numbers, as a tree; None where the two differ by design.
    dtype: that both compute in, by which equality is judged; that of `scale` unless it is another.

  Returns:
    ratio, seconds of each (medians of one call), difference (see `difference`) and equal; the latter two None without `shown`.
  """
  programs = {"before": jax.jit(before).lower(*args).compile()}
  inputs = {"before": args, "after": args if after_args is None else after_args}
  programs["after"] = jax.jit(after).lower(*inputs["after"]).compile()
  found = None
  if shown:
    results = [
      show(program(*inputs[side])) for show, (side, program) in zip(shown, programs.items(), strict=True)
    ]
    found = difference(*results)
    del results  # they are as large as what is measured
  calls = {side: partial(_run, program, inputs[side]) for side, program in programs.items()}
  accelerator = jax.default_backend() != "cpu"
  first = min(call(1) for _ in range(2) for call in calls.values()) if accelerator else 0
  repeats = repeats_for(first, accelerator)
  seconds = measuring.take_turns({side: partial(call, repeats) for side, call in calls.items()}, scale.rounds)
  return outcome(seconds, found, dtype or scale.dtype)


def _run(program: Callable[..., Any], args: tuple[Any, ...], repeats: int) -> float:
  """Seconds of a call: so many are started one after the other, and the last is waited for."""
  started = time.perf_counter()
  for _ in range(repeats):
    result = program(*args)
  jax.block_until_ready(result)
  return (time.perf_counter() - started) / repeats


def outcome(seconds: dict[str, list[float]], found: float | None, dtype: str) -> dict[str, Any]:
  """What `compare` returns, of seconds of `before` and `after` and the difference of their results."""
  return {
    "ratio": measuring.ratio(seconds["before"], seconds["after"]),
    "seconds": {side: statistics.median(values) for side, values in seconds.items()},
    "difference": found,
    "equal": None if found is None else found < TOLERANCES[dtype],
  }


def difference(before: Any, after: Any) -> float:
  """The norm of the difference over the norm, of the pair of leaves of two trees where that is largest; not-a-number counts as that."""
  pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
  return float(np.max([_relative(a, b) for a, b in pairs]))


@jax.jit
def _relative(a: jax.Array, b: jax.Array) -> jax.Array:
  """In float32, where the arrays are: an accelerator's batch would take minutes on the host."""
  a, b = a.astype(jnp.float32), b.astype(jnp.float32)
  apart = jnp.sqrt(jnp.sum(jnp.square(a - b)))
  return jnp.where(apart == 0, 0.0, apart / jnp.sqrt(jnp.sum(jnp.square(a))))


def verdict(result: dict[str, Any]) -> str:
  """In words."""
  if result.get("failed"):
    return result["failed"]
  ratio = result["ratio"]
  word = "faster" if ratio > FASTER else "slower" if ratio < SLOWER else "alike"
  told = f"{word}, {ratio:.2f}"
  return f"DIFFERENT RESULTS ({result['difference']:.1e}), {told}" if result["equal"] is False else told
