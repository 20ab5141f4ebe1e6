"""The command, on runs that train nothing: order, resuming, failures, signals. `test_study_runs.py` trains."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from making_studies import finish, row

from zsar_jax import study
from zsar_jax.studies.jobs import plan_jobs
from zsar_jax.studies.plan import load_study

ROOT = pathlib.Path(__file__).parent.parent.parent
PYTHON = sys.executable
FILE = """
from zsar_jax.studies.plan import Metric, Run, Study

def get_study(variant=""):
  config = "configs/demo.py:e2e"
  return Study(
    "A study", "it works.", "classes", [Metric("all", "figures_test")],
    [Run("e2e", 2, config, {"data.max_classes": 2}), Run("e2e", 4, config, {"data.max_classes": 4}, init_from="before, 0"),
     Run("e2e", 6, config, {"data.max_classes": 2}, {"eval.num_clips": 1})],
    scale="log", pretraining=[Run("before", 0, config, {"seed": 5})],
  )
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
  """Arguments of a study of four runs; the interpreter that runs them is replaced by `stub_run.py`."""
  monkeypatch.chdir(ROOT)
  (tmp_path / "mine.py").write_text(FILE)
  stub = tmp_path / "stub"
  stub.write_text(
    f'#!/bin/sh\nexec "{sys.executable}" "{pathlib.Path(__file__).with_name("stub_run.py")}" "$@"\n'
  )
  stub.chmod(0o755)
  monkeypatch.setattr("sys.executable", str(stub))
  return ["--config", str(tmp_path / "mine.py"), "--workdir", str(tmp_path / "runs")]


def ran(tmp_path):
  file = tmp_path / "runs" / "runs" / "ran.txt"
  return file.read_text().split() if file.exists() else []


def test_runs_what_is_missing_once_and_writes_the_results(command, tmp_path, capsys):
  assert study.main(command) == 0
  out = capsys.readouterr().out
  lines = [line for line in out.splitlines() if line.startswith("[")]
  assert [line.partition(":")[0] for line in lines] == [
    "[1/4] before, 0",
    "[2/4] e2e, 2",
    "[3/4] e2e, 4",
    "[4/4] e2e, 6",
  ]
  assert "trained in" in lines[1]
  assert "all 50.0" in lines[1]
  assert "evaluated in" in lines[3]  # the training of run 2, evaluated otherwise
  assert len(ran(tmp_path)) == 4
  assert len(set(ran(tmp_path))) == 3
  assert "| e2e | 2 | 50.0 ± 4.9 |" in out
  assert (tmp_path / "runs" / "mine" / "mine.svg").is_file()
  assert study.main(command) == 0
  assert len(ran(tmp_path)) == 4
  assert capsys.readouterr().out.count("was there") == 4


def test_a_finished_study_is_tabulated_without_its_data(command, tmp_path, capsys):
  config = (
    "\"configs/demo.py:e2e\", {'data.seen': 'kinetics700', 'data.seen_test': '', 'vectors': 'gone.bin'}"
  )
  (tmp_path / "mine.py").write_text(
    "from zsar_jax.studies.plan import Metric, Run, Study\n"
    "def get_study(variant=''):\n"
    f"  return Study('T', 'S.', 'x', [Metric('all', 'figures_test')], [Run('e2e', 'one', {config})])\n"
  )
  assert study.main(command) == 2  # it cannot be run
  told = capsys.readouterr().err
  assert "kinetics700" in told
  assert "gone.bin" in told
  assert not (tmp_path / "runs").exists()
  (job,) = plan_jobs(load_study(command[1]), tmp_path / "runs", {}, "mine.py")
  finish(job, row(50.0))
  assert study.main(command) == 0
  assert "| e2e | one | 50.0 ± 4.9 |" in capsys.readouterr().out
  assert ran(tmp_path) == []


def test_a_failed_run_is_told_with_its_log_and_the_others_go_on(command, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv("STUB_FAILS", "--config.seed=5")
  assert study.main(command) == 1
  out = capsys.readouterr().out
  assert "[1/4] before, 0: FAILED, exit code 3; the end of" in out
  assert "    this went wrong" in out
  assert "[3/4] e2e, 4: left out, it starts from 'before, 0', which failed" in out
  assert "| e2e | 4 | missing |" in out
  assert (
    "- failed: e2e, 4 (it starts from 'before, 0', which failed)"
    in (tmp_path / "runs/mine/mine.md").read_text()
  )
  monkeypatch.delenv("STUB_FAILS")
  assert study.main(command) == 0
  assert len(ran(tmp_path)) == 4


def test_a_run_without_a_report_has_failed(command, tmp_path, capsys, monkeypatch):
  monkeypatch.setattr("sys.executable", "/bin/true")
  assert study.main([*command, "--only", "before"]) == 1
  assert "left no report of this config" in capsys.readouterr().out


def test_dry_run_runs_nothing(command, tmp_path, capsys):
  assert study.main([*command, "--dry_run"]) == 0
  out = capsys.readouterr().out
  assert "[1/4] before, 0: to be run" in out
  assert "--config.seed=5" in out
  assert "[4/4] e2e, 6: the training above, evaluated otherwise" in out
  assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("more", [["--only", "nothing"], ["--config.data.max_clases=3"], ["--onyl", "x"]])
def test_wrong_input_ends_before_anything_runs(command, tmp_path, capsys, more):
  assert study.main([*command, *more]) == 2
  assert capsys.readouterr().err.startswith("error: ")
  assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_run_save_and_the_next_call_goes_on(command, tmp_path, monkeypatch, number, code):
  start = (
    "import sys; from zsar_jax import study; sys.executable = sys.argv[1]; sys.exit(study.main(sys.argv[2:]))"
  )
  argv = [PYTHON, "-c", start, sys.executable, *command, "--only", "e2e, 2"]
  env = os.environ | {"STUB_WAITS": "60"}
  process = subprocess.Popen(
    argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
  )
  folder = tmp_path / "runs" / "runs"
  while not list(folder.glob("*/started")):
    assert process.poll() is None, process.communicate()[0]
    time.sleep(0.05)
  process.send_signal(number)
  out, _ = process.communicate(timeout=60)
  assert process.returncode == code, out
  assert list(folder.glob("*/saved"))
  assert ran(tmp_path) == []
  assert study.main([*command, "--only", "e2e, 2"]) == 0
  assert len(ran(tmp_path)) == 1
