"""A tiny run of several processes, started for real: `python processes.py HEARTBEAT WHAT --coordinator …`, and how tests start it.

Every process writes what it does to stderr, a line each; only process 0 may write to stdout.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).parent.parent.parent


def free_port():
  with socket.create_server(("", 0)) as server:
    return server.getsockname()[1]


def flags(num_processes, process, port):
  return [
    "--coordinator",
    f"localhost:{port}",
    "--num_processes",
    str(num_processes),
    "--process_id",
    str(process),
  ]


class Child:
  """One started process; `lines` grows with its stderr."""

  def __init__(self, argv, **environ):
    env = os.environ | {
      "XLA_FLAGS": "--xla_force_host_platform_device_count=1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)
    } | environ  # fmt: skip
    self.process = subprocess.Popen(
      [sys.executable, __file__, *argv], env=env, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
    )  # fmt: skip
    self.lines = []
    self._reader = threading.Thread(target=self._read, daemon=True)
    self._reader.start()

  def close(self):
    self.process.kill()
    self.process.wait()
    self._reader.join()
    for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
      stream.close()

  def _read(self):
    for line in self.process.stderr:
      self.lines.append(line.rstrip("\n"))

  @property
  def err(self):
    return "\n".join(self.lines)

  def wait_for(self, text, seconds=60):
    limit = time.monotonic() + seconds
    while not any(text in line for line in list(self.lines)):
      assert time.monotonic() < limit, self.err
      assert self.process.poll() is None or self._reader.is_alive(), self.err
      time.sleep(0.01)

  def end(self, seconds=60):
    """The exit code; `out` then holds its stdout."""
    try:
      self.process.wait(seconds)
      self.out = self.process.stdout.read()
      self._reader.join(seconds)
    finally:
      self.close()
    return self.process.returncode

  def signal(self, number):
    self.process.send_signal(number)

  def order(self, line):
    self.process.stdin.write(line + "\n")
    self.process.stdin.flush()


@contextlib.contextmanager
def started(num_processes, what, heartbeat=2.0, **environ):
  """All processes of a run; none outlives the block."""
  port = free_port()
  children = [
    Child([str(heartbeat), what, *flags(num_processes, i, port)], **environ) for i in range(num_processes)
  ]
  try:
    yield children
  finally:
    for child in children:
      child.close()


def say(*words):
  os.write(2, (" ".join(map(str, words)) + "\n").encode())


def run(what):
  """What the processes do; most make steps until a signal comes."""
  from zsar_jax.errors import InputError
  from zsar_jax.train import distributed
  from zsar_jax.train.signals import StopSignal
  from zsar_jax.train.watchdog import Watchdog

  process = 0 if distributed.is_first() else 1
  if what == "facts":
    facts(process)
  elif what in ("fail", f"fail{process}"):
    raise InputError("this file is wrong\nin its second line")
  elif what == f"crash{process}":
    raise KeyError("a bug")
  elif what == "idle":
    say("idle")
    threading.Event().wait()
  else:
    collective = _collective()
    with StopSignal() as stop, Watchdog(3.0 if what == "stuck" else 0) as watchdog:
      for step in range(1, 10**6):
        if what == "stuck" and process and step == 5:
          threading.Event().wait()
        total = collective()
        watchdog.alive()
        say("step", step, total)
        requested = stop.requested_at(step)
        if what == "late" and step == 5:
          if process:
            signal.raise_signal(signal.SIGTERM)
          break
        if requested:
          say("saved", step)
          stop.leave(step)
        time.sleep(0.02)
  print("the end of", process)
  say("the end of", process)


def _collective():
  import jax
  import numpy as np
  from jax.sharding import Mesh, NamedSharding, PartitionSpec

  mesh = Mesh(np.array(jax.devices()), ("data",))
  split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
  total = jax.jit(lambda x: x.sum(), in_shardings=split, out_shardings=whole)
  return lambda: int(total(jax.make_array_from_process_local_data(split, np.ones(jax.local_device_count()))))


def facts(process):
  from zsar_jax.train import distributed

  say("first", distributed.is_first(), "alone", distributed.is_alone(), distributed.own_name())
  for value in (7, 8):
    say("agreed", distributed.agree(value + 10 * process))
  for name in ("a", "b"):
    with distributed.first_process_first(name):
      time.sleep(0.2 * (1 - process))
      say("block", name, time.monotonic())
  say("total", _collective()())
  time.sleep(0.3 * (1 - process))  # the other one waits at the end


def watch(args):
  """Peers without JAX: they only watch each other, until a line comes on stdin."""
  from zsar_jax.train.peers import GONE, Peers
  from zsar_jax.train.rendezvous import meet

  process, num_processes = int(args.process_id), int(args.num_processes)
  peers = Peers(process, num_processes, meet(args.coordinator, num_processes, process, 30), args.heartbeat)
  peers.share("start", 0)
  say("watching")
  order = sys.stdin.readline().strip()
  if order == "fail":
    peers.leaving("a reason")
    peers.fail(GONE if args.what == "watch_stuck" else 1)
    peers.linger()
    os._exit(1)
  peers.finish()
  say("finished")


def main():
  from zsar_jax.errors import InputError
  from zsar_jax.train import distributed
  from zsar_jax.train.signals import Stopped

  parser = argparse.ArgumentParser()
  parser.add_argument("heartbeat", type=float)
  parser.add_argument("what")
  distributed.add_arguments(parser)
  args = parser.parse_args()
  if args.what.startswith("watch"):
    watch(args)
    return
  distributed.START_SECONDS = float(os.environ.get("START_SECONDS", "60"))
  code = 0
  try:
    with distributed.joined(args, args.heartbeat):
      run(args.what)
  except InputError as error:
    say(f"error: {error}")
    code = 2
  except Stopped as stopped:
    say(str(stopped))
    code = stopped.exit_code
  if code:
    distributed.leave(code)
  sys.exit(code)


if __name__ == "__main__":
  main()
