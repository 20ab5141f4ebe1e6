"""The network as programs that any JAX runs, without zsar_jax: `stablehlo/` of a bundle.

`embed(parameters, frames)` takes any number B of clips of T frames as they are stored, uint8 [B, T, H, W, 3] (float32 [B, T, P] of
precomputed features), and gives their embeddings, float32 [B, D], not normalised; pixels are normalised inside. One program is for CPUs,
where convolutions are written otherwise, and one for GPUs and TPUs. Both take the arrays of `parameters.safetensors` by their flat names.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import export
from jaxtyping import Array, Float, Float32, Shaped
from safetensors import numpy as safetensors

from zsar_jax.bundle.contents import Bundle
from zsar_jax.bundle.model import abstract_graph, make_bundle_method
from zsar_jax.methods.frames import normalize
from zsar_jax.models.weights_dir import flat
from zsar_jax.saved.bundles import STABLEHLO

CPU, ACCELERATORS, PARAMETERS = (
  f"{STABLEHLO}/{name}" for name in ("cpu.bin", "accelerators.bin", "parameters.safetensors")
)
PLATFORMS = {CPU: ("cpu",), ACCELERATORS: ("cuda", "tpu")}


def make_programs(bundle: Bundle) -> dict[str, bytes]:
  """The files of `stablehlo/`, by name relative to the bundle's folder."""
  arrays = flat_parameters(bundle)
  programs = {
    PARAMETERS: safetensors.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
  }
  for name, platforms in PLATFORMS.items():
    programs[name] = bytes(_exported(bundle, platforms, arrays).serialize())
  return programs


def run_on_cpu(folder: pathlib.Path, frames: Shaped[np.ndarray, "B T ..."]) -> Float32[np.ndarray, "B D"]:
  """What the program for CPUs makes of some clips, read from the files of a bundle. Raises RuntimeError where JAX has no CPU."""
  program = export.deserialize(bytearray((folder / CPU).read_bytes()))
  inputs = safetensors.load((folder / PARAMETERS).read_bytes()), frames
  return np.asarray(program.call(*jax.device_put(inputs, jax.local_devices(backend="cpu")[0])))


def in_float32(bundle: Bundle) -> Bundle:
  """The same model, computed in float32."""
  config = bundle.config
  return bundle._replace(
    config=dataclasses.replace(config, model=dataclasses.replace(config.model, dtype="float32"))
  )


def flat_parameters(bundle: Bundle) -> dict[str, np.ndarray]:
  """All arrays of the model: `params/backbone/stem/conv/kernel`, `batch_stats/…`."""
  tree = flat({"params": bundle.params, "batch_stats": bundle.batch_stats})
  return {name: np.asarray(array) for name, array in tree.items()}


def _exported(
  bundle: Bundle, platforms: tuple[str, ...], arrays: Mapping[str, np.ndarray]
) -> export.Exported:
  bundle = _for_platforms(bundle, platforms)
  shapes = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in arrays.items()}
  data, model = bundle.config.data, bundle.config.model
  if model.backbone == "features":
    clip, dtype = f"{data.num_frames}, {model.num_features}", jnp.float32
  else:
    clip, dtype = f"{data.num_frames}, {data.crop}, {data.crop}, 3", jnp.uint8
  frames = jax.ShapeDtypeStruct(export.symbolic_shape(f"clips, {clip}"), dtype)
  with _without_source_lines():
    return export.export(jax.jit(_embed_function(bundle)), platforms=platforms)(shapes, frames)


@contextlib.contextmanager
def _without_source_lines() -> Iterator[None]:
  """Programs do not say where on this machine the code lies that they were made from."""
  before = jax.config.values["jax_traceback_in_locations_limit"]
  jax.config.update("jax_traceback_in_locations_limit", 0)
  try:
    yield
  finally:
    jax.config.update("jax_traceback_in_locations_limit", before)


def _for_platforms(bundle: Bundle, platforms: tuple[str, ...]) -> Bundle:
  """With the convolutions of these platforms: which ones "auto" means is settled where a program is made.

  CPUs gain nothing by bfloat16, so their program computes in float32.
  """
  impl = bundle.config.model.conv_impl
  if platforms == ("cpu",):
    impl, bundle = "folded" if impl == "auto" else impl, in_float32(bundle)
  else:
    impl = "native"
  config = bundle.config
  return bundle._replace(
    config=dataclasses.replace(config, model=dataclasses.replace(config.model, conv_impl=impl))
  )


def _embed_function(bundle: Bundle):
  method, graph = make_bundle_method(bundle), abstract_graph(bundle)
  structure = jax.tree.structure({"params": bundle.params, "batch_stats": bundle.batch_stats})
  names = list(flat({"params": bundle.params, "batch_stats": bundle.batch_stats}))
  data, dtype = bundle.config.data, jnp.dtype(bundle.config.model.dtype)

  def embed(parameters: Mapping[str, Array], frames: Shaped[Array, "B T ..."]) -> Float[Array, "B D"]:
    tree = jax.tree.unflatten(structure, [parameters[name] for name in names])
    model = nnx.merge(graph, tree["params"], tree["batch_stats"])
    return method.embed(model, normalize(frames[:, None], data, dtype))[:, 0]

  return embed
