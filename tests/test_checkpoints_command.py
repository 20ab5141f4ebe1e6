"""`python -m zsar_jax.checkpoints`: what it lists, verifies, deletes and copies, without an accelerator."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from zsar_jax import checkpoints
from zsar_jax.checkpoints import main
from zsar_jax.saved.manifest import FILE, Facts, byte_problems
from zsar_jax.saved.steps import step_folders
from zsar_jax.train.saving import Folder, SaveError, write_step

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def original(tmp_path_factory):
  """A workdir with steps 10, 20, 30 and 40, of which 20 is the best by validation."""
  workdir = tmp_path_factory.mktemp("original")
  for step, validation in ((10, None), (20, 61.25), (30, 40.0), (40, float("nan"))):
    arrays = {"params": {"kernel": np.full((50, 30), step, np.float32)}}
    write_step(Folder(workdir / "checkpoints"), step, arrays, Facts(step, validation, None, {}))
  (workdir / "config.json").write_text('{"seed": 0}')
  (workdir / "classes.json").write_text('{"seen": ["a"], "pretrained": null}')
  return workdir


@pytest.fixture
def workdir(original, tmp_path):
  return shutil.copytree(original, tmp_path / "run")


def damage(workdir, *steps):
  """Turns a bit of each step's largest file."""
  for step in steps:
    files = [p for p in (workdir / "checkpoints" / str(step) / "state").rglob("*") if p.is_file()]
    file = max(files, key=lambda path: path.stat().st_size)
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)


def steps(workdir):
  return list(step_folders(workdir / "checkpoints"))


def test_list(workdir, capsys):
  (workdir / "checkpoints" / "30" / FILE).unlink()
  (workdir / "checkpoints" / "7").mkdir()
  (workdir / "checkpoints" / ".unfinished.50.1").mkdir()
  (workdir / "checkpoints_unreadable").mkdir()
  assert main(["list", str(workdir)]) == 0
  out = capsys.readouterr().out
  rows = {
    cells[1]: cells[2:] for line in out.splitlines() if len(cells := [c.strip() for c in line.split("│")]) > 5
  }
  assert list(rows) == ["7", "10", "20", "30", "40"]
  assert rows["20"][1:5] == ["0.0", "61.25", "best", "whole"]
  assert rows["40"][2:5] == ["nan", "newest", "whole"]
  assert rows["10"][2:5] == ["", "", "whole"]
  assert rows["7"][4].startswith("manifest.json is missing")
  assert rows["30"][4].startswith("manifest.json is missing")
  assert ".unfinished.50.1 is left of a save that was cut off" in out
  assert "checkpoints_unreadable" in out


def test_verify_reads_every_byte(workdir, capsys):
  assert main(["verify", str(workdir)]) == 0
  assert "step 40: good, " in capsys.readouterr().out
  damage(workdir, 20, 40)
  (workdir / "checkpoints" / "40" / "state" / "_METADATA").unlink()
  assert main(["list", str(workdir)]) == 0
  assert "20" in capsys.readouterr().out
  assert main(["verify", str(workdir)]) == 1
  out = capsys.readouterr().out
  assert "step 10: good" in out
  assert out.count("was changed or is damaged (SHA-256)") == 2
  assert "state/_METADATA is missing" in out
  damage(workdir, 10, 30)
  assert main(["verify", str(workdir)]) == 3
  assert "holds no good step" in capsys.readouterr().err
  assert steps(workdir) == [10, 20, 30, 40]


def test_prune_keeps_the_newest_and_the_best(workdir, capsys):
  command = ["prune", str(workdir), "--keep", "1"]
  assert main([*command, "--dry_run"]) == 0
  out = capsys.readouterr().out
  assert "step 10: would be deleted" in out
  assert "step 20: kept" in out
  assert steps(workdir) == [10, 20, 30, 40]
  assert main(command) == 0
  assert steps(workdir) == [20, 40]
  assert main([*command, "--keep_best", "0"]) == 0
  assert steps(workdir) == [40]
  assert not byte_problems(workdir / "checkpoints" / "40")
  assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["40"]


def test_prune_never_deletes_a_good_step_for_a_bad_one(workdir, capsys):
  damage(workdir, 20, 40)
  assert main(["prune", str(workdir), "--keep", "1", "--keep_best", "1"]) == 0
  assert "step 40: bad: state/" in capsys.readouterr().out
  assert steps(workdir) == [30]  # the newest and the best of the good ones
  damage(workdir, 30)
  assert main(["prune", str(workdir), "--keep", "1"]) == 3
  assert steps(workdir) == [30]


def test_copy_takes_the_newest_good_step_and_what_belongs_to_it(workdir, tmp_path, capsys):
  damage(workdir, 40)
  to = tmp_path / "new" / "place"
  assert main(["copy", str(workdir), str(to)]) == 0
  assert "step 40 is passed over: state/" in capsys.readouterr().err
  assert steps(to) == [30]
  assert not byte_problems(to / "checkpoints" / "30")
  for name in ("config.json", "classes.json"):
    assert (to / name).read_bytes() == (workdir / name).read_bytes()
  assert main(["copy", str(workdir), str(to), "--step", "10"]) == 0
  assert steps(to) == [10, 30]
  assert main(["copy", str(workdir), str(to)]) == 2
  assert "checkpoints/30 is there already" in capsys.readouterr().err
  assert main(["copy", str(workdir), str(to), "--step", "40"]) == 3
  assert "step 40 of" in capsys.readouterr().err
  assert main(["copy", str(workdir), str(to), "--step", "11"]) == 2
  assert "holds no step 11; it holds 10, 20, 30, 40" in capsys.readouterr().err


def test_copy_into_another_run_is_refused_and_changes_nothing(workdir, tmp_path, capsys):
  to = tmp_path / "other"
  to.mkdir()
  (to / "config.json").write_text('{"seed": 1}')
  (to / "classes.json").write_bytes(b"\xff")
  assert main(["copy", str(workdir), str(to)]) == 2
  assert "classes.json cannot be read" in capsys.readouterr().err
  (to / "classes.json").unlink()
  assert main(["copy", str(workdir), str(to)]) == 2
  assert "config.json is there and differs" in capsys.readouterr().err
  assert [path.name for path in to.iterdir()] == ["config.json"]
  (workdir / "config.json").unlink()
  assert main(["copy", str(workdir), str(tmp_path / "third")]) == 2
  assert "config.json is missing" in capsys.readouterr().err
  assert not (tmp_path / "third").exists()


def test_copy_to_where_nothing_can_be_written(workdir, tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(SaveError, match="file/checkpoints cannot be written"):
    checkpoints.copy(workdir, tmp_path / "file")


@pytest.mark.parametrize("verb", [["list"], ["verify"], ["prune", "--keep", "1"], ["copy", "to"]])
def test_a_folder_without_steps(tmp_path, capsys, verb):
  (tmp_path / "checkpoints").mkdir()
  for workdir in (tmp_path, tmp_path / "nowhere"):
    assert main([verb[0], str(workdir), *verb[1:]]) == 2
    assert "holds no saved step" in capsys.readouterr().err


def test_numbers_that_keep_nothing_are_refused(workdir, capsys):
  assert main(["prune", str(workdir), "--keep", "0", "--keep_best", "-1"]) == 2
  err = capsys.readouterr().err
  assert "--keep is 0, expected 1 or more" in err
  assert "--keep_best is -1, expected 0 or more" in err


def test_no_device_is_touched(workdir):
  """With a platform that does not exist: asking JAX for its devices would fail."""
  env = os.environ | {"JAX_PLATFORMS": "nothing"}
  command = [sys.executable, "-m", "zsar_jax.checkpoints", "verify", str(workdir)]
  done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
  assert (done.returncode, done.stderr) == (0, "")
