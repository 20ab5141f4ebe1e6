"""Signals of a single process; `test_distributed.py` has several."""

import os
import signal
import subprocess
import sys

import pytest
from processes import ROOT

from zsar_jax.train.signals import SIGNALS, Stopped, StopSignal


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_is_remembered_until_the_step_ends(number, code):
  before = [signal.getsignal(each) for each in SIGNALS]

  def train():
    with StopSignal() as stop:
      assert not stop.requested_at(1)
      signal.raise_signal(number)
      assert stop.requested_at(2)
      stop.leave(2)

  with pytest.raises(Stopped, match="stopped after step 2; start the same command again") as stopped:
    train()
  assert stopped.value.exit_code == code
  assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_signal_after_the_last_step_is_not_lost():
  def train():
    with StopSignal() as stop:
      assert not stop.requested_at(9)
      signal.raise_signal(signal.SIGTERM)

  with pytest.raises(Stopped, match="stopped after step 9") as stopped:
    train()
  assert stopped.value.exit_code == 143


def test_a_failure_is_not_hidden_by_a_signal():
  def train():
    with StopSignal() as stop:
      stop.requested_at(1)
      signal.raise_signal(signal.SIGTERM)
      raise KeyError("a bug")

  with pytest.raises(KeyError, match="a bug"):
    train()


def test_a_second_signal_leaves_at_once():
  code = """
import signal
from zsar_jax.train.signals import StopSignal
with StopSignal():
  signal.raise_signal(signal.SIGTERM)
  print("first", flush=True)
  signal.raise_signal(signal.SIGINT)
  print("second", flush=True)
"""
  done = subprocess.run(
    [sys.executable, "-c", code],
    cwd=ROOT,
    env=os.environ,
    capture_output=True,
    text=True,
    check=False,
    timeout=60,
  )
  assert (done.returncode, done.stdout) == (130, "first\n")
