"""A state as arrays of numpy: copied from the devices to be saved, and read back."""

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp


class MisfitError(ValueError):
  """Saved arrays are others than the model and its optimizer have."""


def host_copy(tree: Any) -> Any:
  """Arrays of numpy that stay as they are when the next step is given the buffers of `tree`."""
  local = jax.tree.map(_local, tree)
  for leaf in jax.tree.leaves(local):
    if isinstance(leaf, jax.Array):
      leaf.copy_to_host_async()
  return jax.tree.map(lambda leaf: np.array(leaf, copy=True), local)


def _local(leaf: Any) -> Any:
  """One whole copy that this process has."""
  if isinstance(leaf, jax.Array) and leaf.is_fully_replicated:
    return leaf.addressable_data(0)
  return leaf


def read_arrays(path: pathlib.Path, template: dict[str, Any]) -> dict[str, Any]:
  """Arrays of numpy in the structure of `template`. Raises MisfitError where they do not fit it, and whatever Orbax does."""
  handler = ocp.PyTreeCheckpointHandler()
  plain = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), template)
  try:
    arrays = handler.restore(path.absolute(), args=ocp.args.PyTreeRestore(item=template, restore_args=plain))
  except ValueError as error:
    if "structures do not match" in str(error):  # it goes on for pages
      raise MisfitError("it holds other arrays than this model and its optimizer have") from error
    raise
  finally:
    handler.close()
  pairs = zip(jax.tree_util.tree_leaves_with_path(template), jax.tree.leaves(arrays), strict=True)
  for (name, wanted), leaf in pairs:
    if (leaf.shape, leaf.dtype) != (wanted.shape, wanted.dtype):
      raise MisfitError(
        f"{jax.tree_util.keystr(name, simple=True, separator='/')} is {leaf.dtype}{leaf.shape}, expected {wanted.dtype}"
        f"{wanted.shape}: it is of another model"
      )
  return arrays
