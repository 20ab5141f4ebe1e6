"""Checkpoints: what is kept, restored, passed over, and how a save that fails is told."""

import errno
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import optax
import pytest
from jax.sharding import Mesh
from tiny_state import FACTS, at, fill, same, tiny

from zsar_jax.saved.manifest import FILE, byte_problems
from zsar_jax.saved.steps import kept, leftovers, ranked, step_folders
from zsar_jax.train import saving
from zsar_jax.train.checkpoint import CheckpointError, Checkpoints, Facts, SaveError, has_checkpoints

HERE = pathlib.Path(__file__).parent
NAN = float("nan")


@pytest.fixture(scope="module")
def small():
  return tiny()


def restore(small, workdir, **options):
  checkpoints = Checkpoints(workdir, 2, **options)
  return checkpoints.restore_newest(*small[:3])


def test_a_state_comes_back_bit_for_bit_with_its_facts(small, tmp_path):
  network, stages, mesh, state = small
  facts = Facts(96, 12.5, 20.0, {"loss": float(np.float32(0.1)), "accuracy": 1e-38})
  checkpoints = Checkpoints(tmp_path, 2)
  assert checkpoints.restore_newest(network, stages, mesh) is None
  assert not has_checkpoints(tmp_path)
  checkpoints.save(at(state, 3), facts)
  checkpoints.close()
  assert has_checkpoints(tmp_path)
  restored = restore(small, tmp_path)
  assert restored.facts == facts
  assert jax.tree.structure(restored.state) == jax.tree.structure(state)
  assert same(restored.state, at(state, 3))
  assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(restored.state)} == {8}


def test_a_state_saved_from_eight_devices_comes_back_on_one_and_the_other_way_round(small, tmp_path):
  network, stages, _, state = small
  one = Mesh(np.array(jax.devices()[:1]), ("data",))
  fill(Checkpoints(tmp_path / "eight", 1), state, None)
  on_one = Checkpoints(tmp_path / "eight", 1, read_only=True).restore_newest(network, stages, one).state
  assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(on_one)} == {1}
  checkpoints = Checkpoints(tmp_path / "one", 1)
  checkpoints.save(on_one, FACTS)
  checkpoints.close()
  assert same(restore(small, tmp_path / "one").state, at(state, 1))


def test_buffers_that_are_given_away_right_after_save_change_nothing(tmp_path):
  network, stages, mesh, state = tiny(size=20_000)
  expected = jax.device_get(state)
  spoil = jax.jit(lambda tree: jax.tree.map(lambda x: x * 0 + 7, tree), donate_argnums=0)
  checkpoints = Checkpoints(tmp_path, 1)
  checkpoints.save(state, FACTS)
  for _ in range(3):
    state = spoil(state)
  jax.block_until_ready(state)
  checkpoints.close()
  restored = Checkpoints(tmp_path, 1).restore_newest(network, stages, mesh)
  assert same(restored.state, expected)


def test_the_newest_and_the_best_are_kept_and_a_validation_that_is_not_finite_is_never_best(small, tmp_path):
  checkpoints = Checkpoints(tmp_path, 1)
  fill(checkpoints, small[3], 10.0, 50.0, NAN, 20.0, None, float("inf"))
  assert checkpoints.steps() == [2, 6]
  validations = dict(enumerate((10.0, 50.0, NAN, 20.0, None, float("inf")), 1))
  assert ranked(validations) == [2, 4, 1]
  assert kept(validations, 2, 2) == {2, 4, 5, 6}
  assert kept(validations, 1, 0) == {6}
  assert kept({1: 5.0, 2: 5.0}, 0, 1) == {2}


def test_the_best_of_an_earlier_start_is_still_the_best(small, tmp_path):
  fill(Checkpoints(tmp_path, 1), small[3], 90.0, 10.0)
  checkpoints = Checkpoints(tmp_path, 1)
  for step in (3, 4):
    checkpoints.save(at(small[3], step), FACTS._replace(validation=20.0))
  checkpoints.close()
  assert checkpoints.steps() == [1, 4]


def test_what_is_no_step_does_no_harm_and_never_counts(small, tmp_path):
  fill(Checkpoints(tmp_path, 2), small[3], None, None)
  folder = tmp_path / "checkpoints"
  for name in ("²", "٣", "007", "7.5", "-1", "notes", "9" * 30):
    (folder / name).mkdir()
  (folder / "8").write_text("a file")
  (folder / "readme.txt").write_text("hello")
  shutil.copytree(folder / "2", folder / ".unfinished.3.1")
  shutil.copytree(folder / "2", folder / "3.orbax-checkpoint-tmp-17")
  assert len(leftovers(folder)) == 2
  assert int(restore(small, tmp_path, read_only=True).state.step) == 2
  assert len(leftovers(folder)) == 2
  checkpoints = Checkpoints(tmp_path, 2)
  assert not leftovers(folder)
  assert checkpoints.steps() == [1, 2]
  assert int(checkpoints.restore_newest(*small[:3]).state.step) == 2
  assert not (tmp_path / "checkpoints_unreadable").exists()


def test_a_stray_folder_is_named_and_set_aside_and_its_step_can_be_saved(small, tmp_path, caplog):
  fill(Checkpoints(tmp_path, 1), small[3], None)
  folder = tmp_path / "checkpoints"
  (folder / "7").mkdir()
  shutil.copytree(folder / "1", folder / "9")
  checkpoints = Checkpoints(tmp_path, 1)
  assert checkpoints.steps() == [1]
  assert int(checkpoints.restore_newest(*small[:3]).state.step) == 1
  assert "checkpoints/7 cannot be read: manifest.json is missing" in caplog.text
  assert "checkpoints/9 cannot be read: manifest.json is of step 1: the folder was renamed" in caplog.text
  assert sorted(p.name.split(".")[0] for p in (tmp_path / "checkpoints_unreadable").iterdir()) == ["7", "9"]
  (folder / "2" / "x").mkdir(parents=True)  # in the way of the next save
  checkpoints.save(at(small[3], 2), FACTS)
  checkpoints.close()
  assert checkpoints.steps() == [2]
  assert not byte_problems(folder / "2")


def test_none_good_names_every_step_and_leaves_all_where_they_are(small, tmp_path):
  fill(Checkpoints(tmp_path, 2), small[3], None, None)
  folder = tmp_path / "checkpoints"
  (folder / "1" / FILE).unlink()
  (folder / "2" / "state" / "_METADATA").write_bytes(b"short")
  for _ in range(2):
    with pytest.raises(CheckpointError) as error:
      restore(small, tmp_path)
    for told in (
      str(folder),
      "step 1: manifest.json is missing",
      "step 2: state/_METADATA has 5 bytes, expected",
      "copy",
    ):
      assert told in str(error.value)
  assert sorted(step_folders(folder)) == [1, 2]


def test_arrays_of_another_model_are_refused_with_what_differs(small, tmp_path):
  fill(Checkpoints(tmp_path, 2), small[3], None)
  with pytest.raises(
    CheckpointError,
    match=r"1 is whole but does not fit the config: \S*/backbone/kernel is float32\(24, 7\), expected float32\(25, 7\)",
  ):
    Checkpoints(tmp_path, 2, read_only=True).restore_newest(*tiny(size=25)[:3])
  network, stages, mesh, _ = small
  other = [stages[0]._replace(optimizer=optax.sgd(0.1))]
  with pytest.raises(
    CheckpointError, match="1 is whole but does not fit the config: it holds other arrays than this model"
  ) as error:
    Checkpoints(tmp_path, 2).restore_newest(network, other, mesh)
  assert len(str(error.value).splitlines()) == 1
  assert Checkpoints(tmp_path, 2).steps() == [1]  # it is no bad step: nothing is set aside


def test_a_step_that_is_there_is_not_saved_again(small, tmp_path):
  checkpoints = Checkpoints(tmp_path, 2)
  for clips_read in (32, 64):
    checkpoints.save(at(small[3], 1), FACTS._replace(clips_read=clips_read))
  checkpoints.close()
  assert restore(small, tmp_path).facts.clips_read == 32


def save_fails(checkpoints, state, reason):
  """Saves step 3, which must fail with one line that gives the reason, told once."""

  def save():
    checkpoints.save(at(state, 3), FACTS)
    checkpoints.close()

  with pytest.raises(SaveError, match=reason) as error:
    save()
  assert len(str(error.value).splitlines()) == 1
  assert "step 3 cannot be saved" in str(error.value)
  checkpoints.check()
  checkpoints.close()


def test_files_that_may_not_grow_so_large(tmp_path, capfd, caplog):
  """As under `ulimit -f`."""
  network, stages, mesh, state = tiny(size=5000)
  checkpoints = Checkpoints(tmp_path, 2)
  fill(checkpoints, state, None, None)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
  try:
    save_fails(checkpoints, state, rf"{os.strerror(errno.EFBIG)}; raise the limit .*ulimit -f.*untouched")
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert "Traceback" not in "".join(capfd.readouterr()) + caplog.text
  assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["1", "2"]
  assert same(Checkpoints(tmp_path, 2).restore_newest(network, stages, mesh).state, at(state, 2))
  checkpoints.save(at(state, 3), FACTS)  # the limit is gone
  checkpoints.close()
  assert checkpoints.steps() == [2, 3]


def test_check_tells_a_failure_in_the_background_without_waiting(small, tmp_path, monkeypatch):
  go = threading.Event()
  write = saving.write_manifest

  def wait(*arguments):
    assert go.wait(60)
    shutil.rmtree(arguments[0])
    write(*arguments)

  monkeypatch.setattr(saving, "write_manifest", wait)
  checkpoints = Checkpoints(tmp_path, 2)
  checkpoints.save(at(small[3], 1), FACTS)
  checkpoints.check()
  go.set()
  checkpoints._thread.join()
  with pytest.raises(SaveError, match=os.strerror(errno.ENOENT)):
    checkpoints.check()
  checkpoints.close()
  assert checkpoints.steps() == []


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_workdir_that_is_removed_between_saves_is_not_made_again(small, tmp_path, what):
  checkpoints = Checkpoints(tmp_path / "run", 2)
  fill(checkpoints, small[3], None, None)
  shutil.rmtree(tmp_path / "run")
  if what == "replaced":
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
  save_fails(checkpoints, small[3], "was removed or replaced while the run was going on")
  assert [p for p in tmp_path.rglob("*") if not p.is_dir()] == []
  assert (tmp_path / "run").exists() == (what == "replaced")


def test_a_workdir_that_is_removed_during_a_save_is_not_made_again(small, tmp_path, monkeypatch):
  checkpoints = Checkpoints(tmp_path / "run", 2)
  write = saving._write_arrays

  def remove_first(path, arrays):
    shutil.rmtree(tmp_path / "run")
    write(path, arrays)

  monkeypatch.setattr(saving, "_write_arrays", remove_first)
  save_fails(checkpoints, small[3], "was removed or replaced while the run was going on")
  assert not (tmp_path / "run").exists()


def test_a_file_in_the_way_of_the_folder(tmp_path):
  (tmp_path / "checkpoints").write_text("")
  with pytest.raises(SaveError, match=f"checkpoints cannot be written: {os.strerror(errno.EEXIST)}"):
    Checkpoints(tmp_path, 2)
  assert Checkpoints(tmp_path, 2, read_only=True).steps() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(small, tmp_path):
  checkpoints = Checkpoints(tmp_path, 2)
  (tmp_path / "checkpoints").chmod(0o500)
  try:
    save_fails(checkpoints, small[3], f"{os.strerror(errno.EACCES)}; make the folder writable")
  finally:
    (tmp_path / "checkpoints").chmod(0o700)


WRITER = """
import sys, pathlib, numpy as np
from zsar_jax.saved.manifest import Facts
from zsar_jax.train.saving import Folder, SaveError, write_step
folder = Folder(pathlib.Path(sys.argv[1]) / "checkpoints")
print("open", flush=True)
for step in range(1, 1000):
  arrays = {"params": {str(i): np.full((500, 500), step, np.float32) for i in range(8)}}
  try:
    write_step(folder, step, arrays, Facts(step, None, None, {}))
  except SaveError as error:
    sys.exit(str(error))
"""


def start_writer(workdir, *before):
  command = [*before, sys.executable, "-c", WRITER, str(workdir)]
  return subprocess.Popen(
    command, cwd=HERE.parent.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_at_any_moment_leaves_whole_steps_alone(tmp_path, times):
  rng = np.random.default_rng(times)
  cut = 0
  for number in range(times):
    process = start_writer(tmp_path / str(number))
    assert process.stdout.readline() == "open\n", process.communicate()
    time.sleep(rng.uniform(0.1, 1.2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder = tmp_path / str(number) / "checkpoints"
    steps = step_folders(folder)
    assert list(steps) == list(range(1, len(steps) + 1))
    assert not any(byte_problems(path) for path in steps.values())
    cut += len(leftovers(folder))
  print(f"{times} kills, {cut} of them during a save; every step that has a name is whole")


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path):
  """A tmpfs of 16 MB in a namespace of its own."""
  inside = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
  before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, str(tmp_path)]
  if (
    not shutil.which("unshare")
    or subprocess.run([*before, "true"], capture_output=True, check=False).returncode
  ):
    pytest.skip("no tmpfs can be mounted here")
  _, err = start_writer(tmp_path, *before).communicate(timeout=120)
  assert (
    f"checkpoints: {os.strerror(errno.ENOSPC)}; free space there; steps that were there are untouched" in err
  )
  assert len(err.strip().splitlines()) == 1


def test_the_manifest_can_be_read_without_this_program(small, tmp_path):
  fill(Checkpoints(tmp_path, 1), small[3], 40.0)
  told = json.loads((tmp_path / "checkpoints" / "1" / FILE).read_text())
  assert told["facts"]["validation"] == 40.0
  assert set(told["files"]) == {str(p.relative_to(tmp_path / "checkpoints" / "1"))
                                for p in (tmp_path / "checkpoints" / "1" / "state").rglob("*") if p.is_file()}  # fmt: skip
