"""Where arrays live: one mesh axis `data`; the batch is split on it, parameters are on every device."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from zsar_jax.errors import InputError


def make_mesh() -> Mesh:
  """A mesh of all devices. Axes are `Auto`: the compiler places what the code leaves open."""
  return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Splits the leading axis."""
  return NamedSharding(mesh, PartitionSpec("data"))


def place_batch(mesh: Mesh, batch: Any) -> Any:
  """Copies this process's rows of every array of `batch` to its devices; the result is the global batch."""
  sharding = batch_sharding(mesh)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch)


def place_state(mesh: Mesh, state: Any) -> Any:
  """Puts every array of `state` on all devices, as the compiled step returns it: else its second call compiles again."""
  return jax.device_put(state, replicated(mesh))


def check_batch(key: str, batch_size: int, num_parts: int) -> None:
  """Raises InputError unless `batch_size` divides into `num_parts` equal parts (devices x micro-batches)."""
  if batch_size % num_parts:
    below = batch_size // num_parts * num_parts
    sizes = [str(size) for size in (below, below + num_parts) if size]
    raise InputError(
      f"'{key}' is {batch_size}, which does not divide into {num_parts} equal parts (devices x micro-batches); "
      f"use {' or '.join(sizes)}"
    )
