"""Who else works on this run, and whether they still do: a star of connections to process 0, watched by one thread of each process.

A collective operation of XLA waits for ever for a process that died or froze, and JAX's own heartbeat ends the survivors late and without
a name. Here a closed connection tells at once and silence tells after `heartbeat_seconds` who it is; process 0 passes it on, and everybody
prints one line and leaves with exit code 4, or with that of a process that said why it stopped. The end of a run is agreed over the same
connections, so a late process is waited for.
"""

import faulthandler
import json
import math
import os
import queue
import selectors
import sys
import threading
import time

from zsar_jax.train.rendezvous import LONGEST, Connection, encode

GONE = 4  # exit code: a peer is gone or stuck, a scheduler may start the run again
LOOK_SECONDS = 1.0
GRACE_SECONDS = 3.0  # where one process fails, the others mostly meet the same error and say it themselves
LINGER_SECONDS = 4.5  # for the others' sake: JAX aborts them when process 0 and its coordinator are gone
ADVICE = "start the same command again on all hosts: it goes on from the newest checkpoint"


class Peers:
  """The other processes, as process `process` of `num_processes` sees them. Made and left in one thread, the main one.

  Process 0 holds a connection to every other, the others hold one to process 0.
  """

  def __init__(
    self, process: int, num_processes: int, connections: list[Connection], heartbeat_seconds: float
  ):
    self.process, self.num_processes = process, num_processes
    self._limit = heartbeat_seconds
    self._names = {c.process: f"process {c.process} of {num_processes} (host {c.host}, pid {c.pid})" for c in connections}  # fmt: skip
    self._open = {c.process: c.socket for c in connections}
    self._buffers = {c.process: b"" for c in connections}
    self._heard = {c.process: time.monotonic() for c in connections}
    self._sending = threading.Lock()
    self._values: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    self._done: set[int] = set()  # at process 0: who has nothing left to do
    self._stopped: set[int] = set()  # who said why it leaves
    self._verdict: tuple[float, str, int] | None = None  # leave when, saying what, with which exit code
    self._frozen = (-math.inf, 0.0)  # when this process last woke up, for how long it was frozen before
    self._said = False  # the thread is ending this process
    self._leaving = False  # this process says by itself how it ended
    self._reason = "it was told to"
    self._ended = threading.Event()  # all are done
    self._thread = threading.Thread(target=self._watch, name="peers", daemon=True)
    self._thread.start()

  def share(self, name: str, value: int) -> int:
    """Process 0's `value`, in every process. All call it in the same order with the same names."""
    if not self.process:
      self._tell_all({"value": value, "name": name})
      return value
    expected, value = self._values.get()
    if expected != name:
      raise RuntimeError(f"process {self.process} came to {name!r} while process 0 came to {expected!r}")
    return value

  def leaving(self, text: str) -> None:
    """From now on this process says by itself how it ended, which was for this reason."""
    self._leaving, self._reason = True, text[:500]

  def fail(self, code: int) -> None:
    """Tells the others that this process leaves, and why: they leave with the same exit code; of `GONE` they show their threads too."""
    self._leaving = True
    self._tell_all({"stopped": self.process, "text": self._reason, "code": code})

  def linger(self) -> None:
    """Gives the others time to leave before process 0, whose end would have JAX abort them."""
    limit = time.monotonic() + LINGER_SECONDS
    while not self.process and self._open and time.monotonic() < limit:
      time.sleep(0.01)

  def await_news(self) -> None:
    """Waits a moment for the thread to find out who is gone (it ends this process then), as after a failed collective operation."""
    limit = time.monotonic() + GRACE_SECONDS / 2
    while self._verdict or self._said or time.monotonic() < limit:
      time.sleep(0.01)

  def finish(self) -> None:
    """Waits until every process has come here; from then on nobody watches anybody."""
    self._finished(self.process)
    if self.process:
      self._tell_all({"done": self.process})
    self._ended.wait()
    self._thread.join()

  def _finished(self, process: int) -> None:
    with self._sending:
      self._done.add(process)
      everybody = len(self._done) == self.num_processes
    if everybody and not self.process:
      self._tell_all({"end": True})
      self._ended.set()

  def _tell_all(self, message: dict) -> None:
    line = encode(message)
    with self._sending:
      for connected in self._open.values():
        try:
          connected.sendall(line)
        except OSError:
          continue  # the reading side finds out

  def _watch(self) -> None:
    """The thread: it ends when all are done, or ends the process."""
    try:
      self._read_beat_and_judge()
    except Exception as error:  # unwatched, a dead peer would stop this process for ever
      self._leave(f"the watch over the other processes failed ({type(error).__name__}: {error})")

  def _read_beat_and_judge(self) -> None:
    with selectors.DefaultSelector() as selector:
      for process, connected in self._open.items():
        selector.register(connected, selectors.EVENT_READ, process)
      looked = beaten = time.monotonic()
      while not self._ended.is_set():
        ready = selector.select(min(LOOK_SECONDS, self._limit / 4, *self._remaining()))
        now = time.monotonic()
        if now - looked > self._limit / 2:  # this process was frozen and heard nothing: nobody is to blame
          self._heard = dict.fromkeys(self._heard, now)
          self._frozen = (now, now - looked)
        looked = now
        for key, _ in ready:
          self._read(selector, key.data, now)
        if now - beaten >= self._limit / 4:
          self._tell_all({})
          beaten = now
        self._judge(now)
    for connected in self._open.values():
      connected.close()

  def _remaining(self) -> list[float]:
    if self._verdict is None or self._leaving:
      return []
    return [max(0.0, self._verdict[0] - time.monotonic())]

  def _read(self, selector: selectors.BaseSelector, process: int, now: float) -> None:
    connected = self._open[process]
    try:
      data = connected.recv(65536)
    except OSError:
      data = b""
    self._heard[process] = now
    *lines, rest = (self._buffers[process] + data).split(b"\n")
    self._buffers[process] = rest[:LONGEST]
    for line in lines:
      self._hear(process, json.loads(line))
    if not data:
      selector.unregister(connected)
      with self._sending:
        del self._open[process]
      if process not in self._stopped and not self._ended.is_set():
        self._lose(process, "its connection closed")

  def _hear(self, process: int, message: dict) -> None:
    if "value" in message:
      self._values.put((message["name"], message["value"]))
    elif "done" in message:
      self._finished(process)
    elif "end" in message:
      self._ended.set()
    elif "gone" in message:
      itself = message["process"] == self.process
      self._leave(
        ("the others have given this process up: " if itself else "") + message["gone"], int(message["code"])
      )
    elif "stopped" in message:
      self._stopped.add(process)
      code = int(message["code"])
      advice = ADVICE if code == GONE else "this one cannot go on without it"
      said = message.get("said") or f"{self._names[process]} stopped: {message['text']}; {advice}"
      if not self.process:  # the others know only process 0
        self._tell_all(message | {"said": said})
      if self._verdict is None:
        self._verdict = (time.monotonic() + GRACE_SECONDS, said, code)

  def _judge(self, now: float) -> None:
    for process in list(self._open):
      if now - self._heard[process] > self._limit and process not in self._stopped:
        self._lose(process, f"it has given no sign for {self._limit:g} s")
    if self._verdict and now >= self._verdict[0] and not self._leaving:
      self._leave(self._verdict[1], self._verdict[2], stuck=self._verdict[2] == GONE)

  def _lose(self, process: int, reason: str) -> None:
    woke, slept = self._frozen
    recently = time.monotonic() - woke <= self._limit
    itself = f" (after this process had been frozen for {slept:.0f} s)" if recently else ""
    self._leave(f"{self._names[process]} is gone: {reason}{itself}; {ADVICE}", silent=process)

  def _leave(self, text: str, code: int = GONE, *, stuck: bool = False, silent: int | None = None) -> None:
    """Says what happened and ends this process, whatever its main thread waits for."""
    if self._leaving:
      return
    self._said = True
    # Past Python's own stderr: the main thread may hold its lock.
    os.write(2, f"error: {text}\n".encode(errors="replace"))
    if stuck:
      faulthandler.dump_traceback(file=2, all_threads=True)
    if not self.process:
      self._tell_all({"gone": text, "process": silent, "code": code})
      self._hand_over(silent)
    os._exit(code)

  def _hand_over(self, silent: int | None) -> None:
    """Process 0 stays until the others have read the reason and left, all but the one that is gone."""
    flush = threading.Thread(target=sys.stdout.flush, daemon=True)
    flush.start()
    limit = time.monotonic() + LINGER_SECONDS / 2
    for process, connected in self._open.items():
      while process != silent and (left := limit - time.monotonic()) > 0:
        try:
          connected.settimeout(left)
          if not connected.recv(65536):
            break
        except OSError:
          break
    flush.join(0.5)
