"""A saved step of a real model, damaged in every way: each is named, or does no harm."""

import collections
import pathlib
import shutil

import jax
import numpy as np
import pytest
from tiny_state import FACTS, at, same

from zsar_jax import config as configs
from zsar_jax.classes.embeddings import class_set
from zsar_jax.methods import make_method
from zsar_jax.saved.manifest import FILE, byte_problems
from zsar_jax.train.checkpoint import Checkpoints
from zsar_jax.train.sharding import make_mesh, place_everywhere
from zsar_jax.train.state import init_state, make_network, make_stages

ROOT = pathlib.Path(__file__).parent.parent.parent
SEEN = class_set(["waving while walking", "punching while sitting"], "folder", "hash:300")
FLIPS = 100
HARMLESS = ("leftover folder", "stray file", "empty folder of an older step")


class Run:
  """The network, stages and mesh of a tiny E2E run with steps 1 and 2, and their states."""

  def __init__(self, folder: pathlib.Path):
    config = configs.load(
      str(ROOT / "configs/demo.py:e2e"), {"train.joint.steps": "9", "train.batch_size": "8"}
    )
    method = make_method(config, SEEN)
    network = make_network(method, 0)
    stages = make_stages(config, method, network.params, 8)
    self.model = (network, stages, make_mesh())
    state = place_everywhere(self.model[2], init_state(network, stages[0]))
    self.states = {step: at(state, step) for step in (1, 2)}
    self.folder = folder
    checkpoints = Checkpoints(folder, 2)
    for saved in self.states.values():
      checkpoints.save(saved, FACTS)
    checkpoints.close()
    self.files = sorted(path for path in (folder / "checkpoints" / "2").rglob("*") if path.is_file())

  def restored_step(self, workdir: pathlib.Path) -> int:
    """Which step a start in `workdir` goes on from; its state is right to the bit."""
    restored = Checkpoints(workdir, 2, read_only=True).restore_newest(*self.model)
    step = int(restored.state.step)
    assert same(restored.state, self.states[step])
    return step


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return Run(tmp_path_factory.mktemp("run"))


def flips(run):
  """(file, byte, bit), 100 of them, in every file as often as in any other."""
  rng = np.random.default_rng(0)
  for number in range(FLIPS):
    file = run.files[number % len(run.files)]
    yield file, int(rng.integers(file.stat().st_size)), int(rng.integers(8))


def flip(file, position, bit):
  held = bytearray(file.read_bytes())
  held[position] ^= 1 << bit
  file.write_bytes(held)


def test_a_hundred_flipped_bits_are_all_found(run):
  found = collections.Counter()
  for file, position, bit in flips(run):
    flip(file, position, bit)
    problems = byte_problems(run.folder / "checkpoints" / "2")
    flip(file, position, bit)
    name = file.relative_to(run.folder / "checkpoints" / "2").as_posix()
    found[len(problems) == 1 and problems[0].startswith(f"{name} ")] += 1
  assert not byte_problems(run.folder / "checkpoints" / "2")
  print(
    f"{FLIPS} flipped bits in {len(run.files)} files: {found[True]} named with their file, {found[False]} not"
  )
  assert found == {True: FLIPS}


def damages(run):
  """(kind, what does it to a workdir)."""
  step = pathlib.Path("checkpoints", "2")
  names = [file.relative_to(run.folder) for file in run.files]
  largest = max(names, key=lambda name: (run.folder / name).stat().st_size)

  def truncate(name, length):
    return lambda workdir: (workdir / name).write_bytes((workdir / name).read_bytes()[:length])

  for file, position, bit in flips(run):
    name = file.relative_to(run.folder)
    yield "flipped bit", lambda workdir, name=name, where=(position, bit): flip(workdir / name, *where)
  for name in names:
    yield "truncated file", truncate(name, (run.folder / name).stat().st_size // 2)
    yield "emptied file", truncate(name, 0)
    yield "deleted file", lambda workdir, name=name: (workdir / name).unlink()
  yield (
    "longer file",
    lambda workdir: (workdir / largest).write_bytes((workdir / largest).read_bytes() + b"0"),
  )
  yield "missing manifest", lambda workdir: (workdir / step / FILE).unlink()
  yield (
    "manifest of another step",
    lambda workdir: shutil.copy(workdir / "checkpoints" / "1" / FILE, workdir / step),
  )
  yield "emptied step", lambda workdir: (shutil.rmtree(workdir / step), (workdir / step).mkdir())
  yield "arrays of another step", lambda workdir: (shutil.rmtree(workdir / step / "state"),
        shutil.copytree(workdir / "checkpoints" / "1" / "state", workdir / step / "state"))  # fmt: skip
  yield "stranger among the arrays", lambda workdir: (workdir / step / "state" / "_sharding").write_text("{}")
  yield "stray empty step", lambda workdir: (workdir / "checkpoints" / "7").mkdir()
  yield (
    "renamed copy of a step",
    lambda workdir: shutil.copytree(workdir / step, workdir / "checkpoints" / "9"),
  )
  yield (
    "leftover folder",
    lambda workdir: shutil.copytree(workdir / step, workdir / "checkpoints" / ".unfinished.3.1"),
  )
  yield (
    "leftover folder",
    lambda workdir: shutil.copytree(workdir / step, workdir / "checkpoints" / "3.orbax-checkpoint-tmp"),
  )
  yield "stray file", lambda workdir: (workdir / "checkpoints" / "8").write_text("")
  yield "stray file", lambda workdir: (workdir / step / "note.txt").write_text("")
  yield "empty folder of an older step", lambda workdir: (workdir / "checkpoints" / "0").mkdir()


def outcome(run, workdir, harm, caplog):
  """Whether damage was harmless or named; anything else fails."""
  shutil.copytree(run.folder, workdir)
  harm(workdir)
  caplog.clear()
  step = run.restored_step(workdir)
  shutil.rmtree(workdir)
  stray = any(f"checkpoints/{name} cannot be read" in caplog.text for name in (7, 9))
  named = "checkpoints/2 cannot be read: " in caplog.text
  assert step == (1 if named else 2)
  return "named" if named or stray else "harmless"


def count(run, tmp_path, caplog, chosen):
  counts = collections.Counter((kind, outcome(run, tmp_path / "copy", harm, caplog)) for kind, harm in chosen)
  print(*(f"{number:4} {kind}: {result}" for (kind, result), number in sorted(counts.items())), sep="\n")
  assert all((kind in HARMLESS) == (result == "harmless") for kind, result in counts)
  return counts.total()


def test_one_of_each_kind_of_damage(run, tmp_path, caplog):
  kinds = dict(damages(run))
  assert count(run, tmp_path, caplog, kinds.items()) == len(kinds) == 15


@pytest.mark.slow
def test_every_damage_with_a_real_restore(run, tmp_path, caplog):
  assert count(run, tmp_path, caplog, damages(run)) > FLIPS + 3 * len(run.files)


def test_both_steps_are_right_as_they_are(run):
  assert run.restored_step(run.folder) == 2
  assert len(jax.tree.leaves(run.states[1])) > 20
