"""How long a process has been running, and where a run says it."""

import subprocess
import sys
import time

import pytest

from zsar_jax.train.process_age import seconds_running
from zsar_jax.train.progress import TrainProgress


@pytest.mark.skipif(seconds_running() is None, reason="this system does not say when a process began")
def test_counts_from_the_start_of_the_process():
  before = seconds_running()
  time.sleep(0.02)
  assert seconds_running() - before > 0.01
  code = "import time; time.sleep(0.3); from zsar_jax.train.process_age import seconds_running; print(seconds_running())"
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  assert float(done.stdout) >= 0.3  # what was before the import counts


def test_nothing_is_said_where_nobody_knows(monkeypatch, capsys):
  monkeypatch.setattr("zsar_jax.train.progress.seconds_running", lambda: None)
  with TrainProgress(3, 0, 16) as progress:
    progress.step_done()
  assert "first step" not in capsys.readouterr().out
