"""How fast devices can be at best, and what that leaves of a computation: the roofline."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zsar_jax.errors import InputError, did_you_mean

CPU = "cpu"


class Device(NamedTuple):
  """One device's limits. Rates count a multiply-add as two floating-point operations."""

  bfloat16: float  # FLOP/s of matrix products
  float32: float  # FLOP/s, in full float32
  bandwidth: float  # bytes/s of its memory
  capacity: float  # bytes of its memory; 0: not known
  source: str  # where the numbers come from
  note: str = ""  # what a float32 computation should know


_NO_TF32 = "the float32 rate is that of full float32; products that JAX's default precision lets run in TF32 may exceed it"
DEVICES = {
  "h200": Device(790e12, 60e12, 4.3e12, 141e9, "reachable; the datasheet says 989 and 67 TFLOP/s, 4.8 TB/s", _NO_TF32),
  "a100": Device(312e12, 19.5e12, 2.0e12, 80e9, "datasheet", _NO_TF32),
  "v5e": Device(
    197e12, 197e12, 0.82e12, 16e9, "datasheet",
    "no float32 rate is published: float32 products at default precision are rounded to bfloat16, at that rate",
  ),
}  # fmt: skip
NAMES = (*DEVICES, CPU)


class Limit(NamedTuple):
  """An upper limit of clips a second, and which of two it is."""

  clips_per_second: float
  compute_limit: float
  memory_limit: float
  limited_by: str  # "compute" or "memory"


def find_device(name: str) -> Device:
  """The device of that name; `cpu` is measured on the spot, in about a second.

  Raises:
    InputError: there is no such device.
  """
  if name == CPU:
    return measure_cpu()
  if name not in DEVICES:
    raise InputError(
      f"device {name!r} is unknown, expected one of {', '.join(NAMES)}{did_you_mean(name, NAMES)}"
    )
  return DEVICES[name]


def roofline(
  device: Device, dtype: str, multiply_adds: float, num_bytes: float, num_clips: int, num_devices: int = 1
) -> Limit:
  """Clips a second that devices cannot exceed: products at their full rate, or each operand and result through memory once.

  Args:
    device: see `DEVICES`.
    dtype: "float32" or "bfloat16", what is computed in.
    multiply_adds: of a batch on one device.
    num_bytes: read and written by a batch on one device.
    num_clips: of that batch.
    num_devices: they share nothing, and wait for nothing.
  """
  rate = device.bfloat16 if dtype == "bfloat16" else device.float32
  clips = num_clips * num_devices
  compute, memory = clips * rate / (2 * multiply_adds), clips * device.bandwidth / num_bytes
  return Limit(min(compute, memory), compute, memory, "compute" if compute <= memory else "memory")


def measure_cpu(size: int = 2048, num_floats: int = 1 << 25) -> Device:
  """This machine: one float32 product of `size` x `size` matrices, one pass over `num_floats` floats; the best of three each."""
  try:
    cpu = jax.devices("cpu")[0]
  except RuntimeError as error:
    raise InputError(
      f"device 'cpu' cannot be measured, for JAX does not see it ({error}); add cpu to JAX_PLATFORMS"
    ) from error
  with jax.default_device(cpu):
    square, line = jnp.ones((size, size), jnp.float32), jnp.ones(num_floats, jnp.float32)
    product = _best_seconds(jax.jit(lambda x: jnp.matmul(x, x, precision="highest")), square)
    copy = _best_seconds(jax.jit(lambda x: x + 1), line)
  rate = 2 * size**3 / product
  return Device(rate, rate, 2 * line.nbytes / copy, 0, "measured here, in float32", "")


def _best_seconds(function: Callable[[jax.Array], jax.Array], x: jax.Array, repeats: int = 3) -> float:
  function(x).block_until_ready()
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    function(x).block_until_ready()
    seconds.append(time.perf_counter() - start)
  return min(seconds)
