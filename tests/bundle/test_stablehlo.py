"""The programs of a bundle give what the bundle gives, in any JAX."""

import dataclasses
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from bundles import tiny_bundle
from jax import export

from zsar_jax.bundle.parity import TOLERANCE, compile_embed, difference
from zsar_jax.bundle.read import read_bundle
from zsar_jax.bundle.stablehlo import ACCELERATORS, CPU, PARAMETERS, in_float32, make_programs, run_on_cpu
from zsar_jax.bundle.write import write_bundle
from zsar_jax.methods import make_method
from zsar_jax.train.state import make_network


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
  folder = tmp_path_factory.mktemp("stablehlo")
  given = read_bundle(tiny_bundle(folder / "plain"))
  write_bundle(given, folder / "programs", make_programs(given))
  return read_bundle(folder / "programs")


def clips(bundle, num):
  data = bundle.config.data
  return np.random.default_rng(num).integers(
    0, 256, (num, data.num_frames, data.crop, data.crop, 3), np.uint8
  )


def test_any_number_of_clips_is_embedded_as_by_the_bundle(bundle):
  embed = compile_embed(bundle)
  frames = clips(bundle, 8)
  whole = np.broadcast_to(np.arange(frames.shape[1], dtype=np.int32), (8, 1, frames.shape[1]))
  ours = embed(frames, whole)[:, 0]
  assert difference(ours, run_on_cpu(bundle.folder, frames)) <= TOLERANCE
  assert difference(ours[:3], run_on_cpu(bundle.folder, frames[:3])) <= TOLERANCE


def test_the_programs_say_what_they_take(bundle):
  """No accelerator is at hand: that the program for them is one that JAX would run there is all that can be seen."""
  held = {
    name: export.deserialize(bytearray((bundle.folder / name).read_bytes())) for name in (CPU, ACCELERATORS)
  }
  assert held[CPU].platforms == ("cpu",)
  assert held[ACCELERATORS].platforms == ("cuda", "tpu")
  for program in held.values():
    frames = program.in_avals[-1]
    assert frames.dtype == np.uint8
    assert frames.shape[1:] == clips(bundle, 1).shape[1:]
    assert not isinstance(frames.shape[0], int)
    assert program.out_avals[0].shape[1] == bundle.config.model.width
  names = re.findall(
    rb'"(params/[^"]+|batch_stats/[^"]+)"', (bundle.folder / PARAMETERS).read_bytes()[:100_000]
  )
  assert len(names) == len(jax.tree.leaves((bundle.params, bundle.batch_stats)))


def test_the_lines_of_the_card_run_without_zsar_jax(bundle):
  """Criterion of a foreign user: JAX, numpy and safetensors."""
  (lines,) = re.findall(r"```python\n(.*?)```", (bundle.folder / "README.md").read_text(), re.DOTALL)
  assert len(lines.splitlines()) == 6
  guard = "import sys\nsys.modules['zsar_jax'] = sys.modules['flax'] = None\n"
  done = subprocess.run(
    [sys.executable, "-I", "-c", guard + lines],
    cwd=bundle.folder,
    capture_output=True,
    text=True,
    check=False,
  )
  assert (done.returncode, done.stdout) == (0, f"(2, {bundle.config.model.width})\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
  "changed",
  [
    {"dtype": "bfloat16"},
    {"temporal": "lstm", "dtype": "bfloat16"},
    {"temporal": "rnn"},
    {"cross_modal": True},
    {"tasks": ("mlm",)},
    {"tasks": ("cls",), "conv_impl": "native"},
  ],
  ids=str,
)
def test_variants_of_the_model_are_exported_too(bundle, changed, tmp_path):
  given = bundle._replace(
    config=dataclasses.replace(bundle.config, model=dataclasses.replace(bundle.config.model, **changed))
  )
  if "tasks" in changed:
    transfer = dataclasses.replace(given.config.transfer, space="semantic")
    given = given._replace(config=dataclasses.replace(given.config, transfer=transfer))
  network = make_network(make_method(given.config, given.seen), 0)
  params, batch_stats = jax.tree.map(np.asarray, (network.params, network.batch_stats))
  given = given._replace(params=params, batch_stats=batch_stats)
  given = given._replace(facts=given.facts._replace(num_parameters=network.num_parameters))
  write_bundle(given, tmp_path / "bundle", make_programs(given))
  read = in_float32(read_bundle(tmp_path / "bundle"))
  frames = clips(read, 8)
  whole = np.broadcast_to(np.arange(frames.shape[1], dtype=np.int32), (8, 1, frames.shape[1]))
  assert difference(compile_embed(read)(frames, whole)[:, 0], run_on_cpu(read.folder, frames)) <= TOLERANCE
