"""The watch over a single process's steps, in processes of their own, since it ends them; `test_distributed.py` has several."""

import re
import signal
import subprocess
import sys
import time

import pytest
from processes import ROOT

from zsar_jax.train.peers import GONE
from zsar_jax.train.watchdog import Watchdog

START = "import ctypes, sys, time; from zsar_jax.train.watchdog import Watchdog\n"


def start(code):
  return subprocess.Popen(
    [sys.executable, "-c", START + code], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
  )


def test_a_stuck_run_shows_its_threads_and_ends():
  process = start("""
def deep_inside():
  ctypes.CDLL(None).sleep(60)  # no Python runs meanwhile, as inside XLA

with Watchdog(0.5) as watchdog:
  for _ in range(10):
    time.sleep(0.1)
    watchdog.alive()
  print("moved", flush=True)
  deep_inside()
""")
  out, err = process.communicate(timeout=30)
  assert (process.returncode, out) == (GONE, "moved\n")
  assert re.search(
    r"error: no step was finished for \d s in the process \(host \S+, pid \d+\); start the same command again",
    err,
  )
  assert "in deep_inside" in err


@pytest.mark.slow
def test_a_run_that_was_suspended_goes_on():
  process = start("""
print("started", flush=True)
with Watchdog(0.6) as watchdog:
  for _ in range(15):
    time.sleep(0.1)
    watchdog.alive()
""")
  process.stdout.readline()
  time.sleep(0.5)
  process.send_signal(signal.SIGSTOP)
  time.sleep(1.2)
  process.send_signal(signal.SIGCONT)
  _, err = process.communicate(timeout=30)
  assert (process.returncode, err) == (0, "")


def test_zero_seconds_watch_nothing():
  with Watchdog(0) as watchdog:
    watchdog.alive()
    time.sleep(0.05)
