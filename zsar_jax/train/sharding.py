"""Where arrays live: one mesh axis `data`; the batch is split on it, parameters are on every device."""

import math
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


def check_batch(batch_size: int, num_devices: int, accumulate: int, group: int) -> None:
  """Raises InputError unless a batch splits evenly over devices and micro-batches, and these into BatchNorm groups.

  `group` is `model.bn_group_size` in clips; 0: a micro-batch is one group.
  """
  unit = accumulate * math.lcm(num_devices, group or 1)
  if batch_size % unit:
    below = batch_size // unit * unit
    sizes = " or ".join(str(size) for size in (below, below + unit) if size)
    raise InputError(
      f"'train.batch_size' is {batch_size}, which does not divide over {num_devices} devices x {accumulate} "
      f"micro-batches ('train.accumulate') in groups of {group or 'any number of'} clips ('model.bn_group_size'); "
      f"use {sizes}"
    )


def round_up(size: int, num_devices: int) -> int:
  """The next size that splits evenly over the devices."""
  return -(-size // num_devices) * num_devices
