"""What this device gives at best: one large matrix product and one copy through memory, measured with JAX.

python benchmarks/ceilings.py [--dtype bfloat16] [--json] [--out FILE]

The floor of anything else: its operations over `matmul_flops_per_second` or its bytes over `copy_bytes_per_second`, whichever is longer.
A multiply-add counts as two operations, a copied byte as two (read and written). Data are random: products of zeros draw less
power, so they run at higher clocks. Float32 products run at JAX's default precision, which on recent GPUs is TF32.
"""

import argparse
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import measuring

ROUNDS = 7


def measure(dtype: str) -> dict[str, float]:
  """Medians of several runs on JAX's first device.

  Args:
    dtype: "float32" or "bfloat16", of the product.

  Returns:
    matmul_flops_per_second: of a product of two square matrices, 8192 wide on accelerators and 2048 on CPUs.
    copy_bytes_per_second: of a pass over 2 GiB on accelerators and 256 MiB on CPUs, counting bytes read and written.
  """
  import jax
  import jax.numpy as jnp

  accelerator = jax.default_backend() != "cpu"
  size, num_words = (8192, 1 << 29) if accelerator else (2048, 1 << 26)
  left, right = (
    jax.random.normal(key, (size, size), jnp.dtype(dtype)) for key in jax.random.split(jax.random.key(0))
  )
  product = _median_seconds(jax.jit(jnp.matmul), left, right, repeats=20 if accelerator else 1)
  line = jax.random.bits(jax.random.key(1), (num_words,), jnp.uint32)
  copy = _median_seconds(jax.jit(lambda x: x + 1), line, repeats=5 if accelerator else 1)
  return {
    "matmul_flops_per_second": 2 * size**3 / product,
    "copy_bytes_per_second": 2 * line.nbytes / copy,
  }


def _median_seconds(function: Callable[..., Any], *arrays: Any, repeats: int) -> float:
  """Of one call; `repeats` calls are waited for at once, to hide what starting a short kernel takes."""
  function(*arrays).block_until_ready()
  seconds = []
  for _ in range(ROUNDS):
    started = time.perf_counter()
    for _ in range(repeats):
      result = function(*arrays)
    result.block_until_ready()
    seconds.append((time.perf_counter() - started) / repeats)
  return statistics.median(seconds)


class Probe:
  """What this machine is to JAX, and its ceilings."""

  def __init__(self, dtype: str | None):
    self.dtype = dtype

  def measure(self) -> dict[str, Any]:
    """device, num_devices, backend, dtype ("bfloat16" on accelerators unless one was given), reachable (None or FLOP/s), ceilings."""
    import jax

    backend, device = jax.default_backend(), jax.devices()[0].device_kind
    dtype = self.dtype or ("float32" if backend == "cpu" else "bfloat16")
    return {"device": device, "num_devices": jax.device_count(), "backend": backend, "dtype": dtype,
            "reachable": reachable_rate(device, dtype), "ceilings": measure(dtype)}  # fmt: skip


def reachable_rate(device: str, dtype: str) -> float | None:
  """FLOP/s by which zsar_jax.devices judges a device of that name ("NVIDIA H200"), or None.

  Of an H200 that is what large products reach, 790 TFLOP/s; its data sheet says 989. None also in float32, whose products accelerators
  round to shorter types, at rates that nobody states there.
  """
  from zsar_jax.devices import DEVICES

  found = [limits.bfloat16 for name, limits in DEVICES.items() if name in device.lower()]
  return found[0] if found and dtype == "bfloat16" else None


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
  parser.add_argument("--json", action="store_true", help="print JSON in place of two lines")
  parser.add_argument("--out", type=pathlib.Path, help="write the JSON here")
  options = parser.parse_args()
  import jax

  found = measure(options.dtype)
  result = measuring.facts("jax", "jaxlib") | {
    "device": jax.devices()[0].device_kind,
    "dtype": options.dtype,
    **found,
  }
  product, copy = found["matmul_flops_per_second"] / 1e12, found["copy_bytes_per_second"] / 1e9
  text = f"matrix product, {options.dtype}: {product:.3g} TFLOP/s\ncopy: {copy:.3g} GB/s"
  measuring.finish(result, options, text)


if __name__ == "__main__":
  main()
