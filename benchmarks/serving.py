"""A server under load, next to the same model called in a loop.

python benchmarks/serving.py --model DIR --videos FOLDER --out benchmarks/results/serving-cpu.json

Starts `python -m zsar_jax.serve` on a free port; CLIENTS threads each send one video after another over loopback, on one
connection each, for SECONDS. In turn with it, round by round, `Recognizer.recognize` names the same files in this process, as
`predict` does, while the server is idle. `ratio` is the server's videos a second over predict's: the median over rounds. Then the
same load against a server that takes fewer requests than there are clients: what is refused must be 429. Memory is the resident
set of the server's process and of its decoding processes, sampled four times a second. The clients' work shares the cores.

The floor is predict's time a video: the server decodes and embeds by the same code. On top of it come the clients' own work, HTTP, and one
write and one read of the video, on the same cores. Found: 0.64 of predict's rate.
"""

import argparse
import collections
import contextlib
import http.client
import itertools
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import measuring
import numpy as np

import zsar_jax
from zsar_jax.data.decode import VIDEO_SUFFIXES

ROOT = pathlib.Path(__file__).parent.parent
PAUSE = 0.1  # of a client that was asked to come again; a real one would wait for Retry-After


class Load(NamedTuple):
  """What a crowd of clients saw."""

  codes: collections.Counter[str]
  latencies: list[float]  # seconds, of what was answered with 200
  seconds: float


class Server:
  """`zsar_jax.serve` as a process; `stop` returns its exit code."""

  def __init__(self, model: str, max_waiting: int):
    command = [sys.executable, "-m", "zsar_jax.serve", "--model", model, "--port", "0"]
    command += ["--max_waiting", str(max_waiting)]
    self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert self._process.stdout is not None
    self.port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", self._process.stdout.readline())[0])
    self.memory: list[tuple[float, float]] = []  # MB of the server, and of its decoding processes
    self._watching = threading.Event()
    self._watcher = threading.Thread(target=self._watch)
    self._watcher.start()

  def stop(self) -> int:
    self._watching.set()
    self._watcher.join()
    self._process.send_signal(signal.SIGTERM)
    return self._process.wait(90)

  def _watch(self) -> None:
    while not self._watching.wait(0.25):
      children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
      own = _resident(self._process.pid)
      with contextlib.suppress(OSError):
        started = [
          each
          for task in children.parent.parent.iterdir()
          for each in (task / "children").read_text().split()
        ]
        self.memory.append((own, sum(_resident(int(each)) for each in set(started))))


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--model", required=True, help="an exported model")
  parser.add_argument("--videos", required=True, type=pathlib.Path, help="a folder of videos, at any depth")
  parser.add_argument(
    "--classes", default="flapping while lunging, juggling while kicking, waving while walking"
  )
  parser.add_argument("--clients", type=int, default=50)
  parser.add_argument("--seconds", type=float, default=30.0, help="of a round")
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--num_videos", type=int, default=300, help="different files")
  parser.add_argument("--out", type=pathlib.Path, help="also write the JSON here")
  options = parser.parse_args()
  found = sorted(path for path in options.videos.rglob("*") if path.suffix in VIDEO_SUFFIXES)
  videos = found[:: max(1, len(found) // options.num_videos)][: options.num_videos]
  result = {
    "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    "clients": options.clients,
    "num_videos": len(videos),
    "mean_bytes": round(statistics.mean(path.stat().st_size for path in videos)),
    **beside_predict(options, videos),
    "overloaded": overloaded(options, videos),
  }
  versions = measuring.facts("jax", "flax", "fastapi", "uvicorn", "av")
  measuring.report(versions | result, options.out)


def beside_predict(options: argparse.Namespace, videos: list[pathlib.Path]) -> dict[str, Any]:
  """Rounds of the server and of predict in turn."""
  recognizer = zsar_jax.load(options.model)
  candidates = recognizer.candidates([name.strip() for name in options.classes.split(",")])
  list(recognizer.recognize(videos[:8], candidates))
  server = Server(options.model, max(64, options.clients))
  time.sleep(1)
  before = server.memory[-1]
  loads, alone = [], []
  try:
    crowd(server.port, videos[:8], options.classes, options.clients, 2.0)
    for _ in range(options.rounds):
      loads.append(crowd(server.port, videos, options.classes, options.clients, options.seconds))
      started = time.perf_counter()
      num = sum(1 for _ in recognizer.recognize(videos, candidates))
      alone.append(num / (time.perf_counter() - started))
  finally:
    memory = server.memory
    code = server.stop()
  rates = [len(load.latencies) / load.seconds for load in loads]
  latencies = [latency for load in loads for latency in load.latencies]
  return {
    "codes": dict(sum((load.codes for load in loads), collections.Counter())),
    "p50_ms": _percentile(latencies, 50),
    "p99_ms": _percentile(latencies, 99),
    "serve_videos_per_second": [round(rate, 2) for rate in rates],
    "predict_videos_per_second": [round(rate, 2) for rate in alone],
    "ratio": measuring.ratio(rates, alone),
    "memory_mb": {
      "server": {"before": before[0], "max": max(own for own, _ in memory), "after": memory[-1][0]},
      "decoders": {"before": before[1], "max": max(others for _, others in memory), "after": memory[-1][1]},
      "server_over_time": [own for own, _ in memory[:: max(1, len(memory) // 24)]],
    },
    "exit_code": code,
  }


def overloaded(options: argparse.Namespace, videos: list[pathlib.Path]) -> dict[str, Any]:
  """More clients than the server takes."""
  most = max(1, options.clients // 5)
  server = Server(options.model, most)
  try:
    load = crowd(server.port, videos, options.classes, options.clients, options.seconds / 3)
  finally:
    code = server.stop()
  return {
    "max_waiting": most,
    "codes": dict(load.codes),
    "p99_ms": _percentile(load.latencies, 99),
    "videos_per_second": round(len(load.latencies) / load.seconds, 2),
    "exit_code": code,
  }


def crowd(port: int, videos: list[pathlib.Path], classes: str, clients: int, seconds: float) -> Load:
  """Clients that ask for `seconds`; the last answers are waited for."""
  bodies = itertools.cycle([_body(path.read_bytes(), classes) for path in videos])
  codes: collections.Counter[str] = collections.Counter()
  latencies: list[float] = []
  lock = threading.Lock()
  started = time.perf_counter()

  def bodies_in_turn() -> Iterator[bytes]:
    while time.perf_counter() < started + seconds:
      with lock:
        body = next(bodies)
      yield body

  def client() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for body in bodies_in_turn():
      asked = time.perf_counter()
      code = _ask(connection, body)
      with lock:
        codes[code] += 1
        if code == "200":
          latencies.append(time.perf_counter() - asked)
      if code == "429":
        time.sleep(PAUSE)
    connection.close()

  threads = [threading.Thread(target=client) for _ in range(clients)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return Load(codes, latencies, time.perf_counter() - started)


def _ask(connection: http.client.HTTPConnection, body: bytes) -> str:
  try:
    connection.request("POST", "/v1/classify", body, {"Content-Type": "multipart/form-data; boundary=b"})
    answer = connection.getresponse()
    answer.read()
  except (OSError, http.client.HTTPException) as error:
    connection.close()
    return type(error).__name__
  return str(answer.status)


def _body(video: bytes, classes: str) -> bytes:
  return (
    f'--b\r\nContent-Disposition: form-data; name="classes"\r\n\r\n{classes}\r\n'
    '--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
  ).encode() + video + b"\r\n--b--\r\n"  # fmt: skip


def _percentile(seconds: list[float], percent: float) -> float:
  return round(1000 * float(np.percentile(seconds, percent)), 1)


def _resident(pid: int) -> float:
  """MB."""
  for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
    if line.startswith("VmRSS:"):
      return round(int(line.split()[1]) / 1024, 1)
  return 0.0


if __name__ == "__main__":
  main()
