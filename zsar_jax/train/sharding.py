"""Where arrays live: one mesh axis `data`; the batch is split on it, parameters are on every device."""

import collections
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from zsar_jax.errors import InputError


def make_mesh() -> Mesh:
  """A mesh of all devices, process by process, so that row i of a batch is the same whoever reads it.

  Axes are `Auto`: the compiler places what the code leaves open.

  Raises:
    InputError: processes have different numbers of devices.
  """
  devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
  counts = collections.Counter(device.process_index for device in devices)
  if len(set(counts.values())) > 1:
    told = ", ".join(f"process {index}: {num}" for index, num in sorted(counts.items()))
    raise InputError(
      f"processes have different numbers of devices ({told}), expected the same: each reads an equal share of a batch"
    )
  return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Splits the leading axis."""
  return NamedSharding(mesh, PartitionSpec("data"))


def place_batch(mesh: Mesh, batch: Any) -> Any:
  """Copies this process's rows of every array of `batch` to its devices; the result is the global batch."""
  sharding = batch_sharding(mesh)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), batch)


def place_everywhere(mesh: Mesh, tree: Any) -> Any:
  """Puts every array of `tree`, the same in every process, whole on all devices, as compiled functions return it.

  Else their second call compiles again.
  """
  whole = replicated(mesh)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(whole, np.asarray(x)), tree)


def check_batch(batch_size: int, num_devices: int, accumulate: int, group: int) -> None:
  """Raises InputError unless a batch splits evenly over devices and micro-batches, and these into BatchNorm groups.

  `group` is `model.bn_group_size` in clips, each inside one device; 0: a micro-batch is one group, over all devices.
  """
  unit = accumulate * num_devices * (group or 1)
  if batch_size % unit:
    below = batch_size // unit * unit
    sizes = " or ".join(str(size) for size in (below, below + unit) if size)
    raise InputError(
      f"'train.batch_size' is {batch_size}, which does not divide over {num_devices} devices x {accumulate} "
      f"micro-batches ('train.accumulate') in groups of {group or 'any number of'} clips ('model.bn_group_size'); "
      f"use {sizes}{_smaller(batch_size, accumulate * num_devices, group)}"
    )


def _smaller(batch_size: int, parts: int, group: int) -> str:
  """How to keep about the size that was asked for, where groups of BatchNorm are in the way."""
  if not group or batch_size < parts:
    return ""
  kept = batch_size // parts
  return (
    f", or keep {kept * parts} with --config.train.batch_size={kept * parts} --config.model.bn_group_size={kept} (0: a micro-batch "
    "is one group)"
  )


def round_up(size: int, num_devices: int) -> int:
  """The next size that splits evenly over the devices."""
  return -(-size // num_devices) * num_devices
