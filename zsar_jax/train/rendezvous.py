"""Where the processes of a run meet before JAX starts: every one connects to process 0 on the coordinator's port.

JAX aborts without a word to Python when a process is missing at its start. Here the same mistake is an InputError that says who is
missing, came twice or counts otherwise, and the connections stay open afterwards for `peers`. The port is given up before JAX takes it.
"""

import json
import os
import socket
import time
from typing import NamedTuple

from zsar_jax.errors import InputError

RETRY_SECONDS = 0.2
HELLO_SECONDS = 5.0  # a stranger that connects and says nothing is sent away after this
LONGEST = 8192  # bytes of a message


class Connection(NamedTuple):
  """The open connection to one other process."""

  process: int
  host: str
  pid: int
  socket: socket.socket


def encode(message: dict) -> bytes:
  """One message: a JSON object on a line."""
  return json.dumps(message).encode() + b"\n"


def split_address(address: str) -> tuple[str, int]:
  """("host", port) of `host:port` or `[v6]:port`.

  Raises:
    ValueError: there is no host, or no port from 1 to 65535.
  """
  host, _, port = address.rpartition(":")
  host = host.removeprefix("[").removesuffix("]")
  if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
    raise ValueError(address)
  return host, int(port)


def meet(coordinator: str, num_processes: int, process: int, seconds: float) -> list[Connection]:
  """Waits at most `seconds` for the others. Process 0 gets a connection to each of them, the others get one to process 0.

  Raises:
    InputError: the port is in use, process 0 cannot be reached, or the processes do not fit together.
  """
  if process:
    return [_go_to_first(coordinator, num_processes, process, seconds)]
  listener = _listen(coordinator)
  with listener:
    came: dict[int, Connection] = {}
    try:
      _gather(listener, coordinator, num_processes, came, time.monotonic() + seconds, seconds)
    except InputError as error:
      for connection in came.values():
        _send(connection.socket, {"refused": str(error)})
        connection.socket.close()
      raise
  for connection in came.values():
    _send(connection.socket, _introduction(0, num_processes))
  return [came[process] for process in sorted(came)]


def _introduction(process: int, num_processes: int) -> dict:
  return {"process": process, "of": num_processes, "host": socket.gethostname(), "pid": os.getpid()}


def _listen(coordinator: str) -> socket.socket:
  """Listens on every interface, as JAX's coordinator does."""
  _, port = split_address(coordinator)
  try:
    if socket.has_dualstack_ipv6():
      return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    return socket.create_server(("", port), backlog=1024)
  except OSError as error:
    raise InputError(
      f"process 0 cannot listen at the coordinator's port {port} on host {socket.gethostname()}: {error.strerror}; give every process "
      "another port with --coordinator HOST:PORT (JAX_COORDINATOR_PORT where a launcher chose it)"
    ) from error


def _gather(listener: socket.socket, coordinator: str, num_processes: int, came: dict[int, Connection],
            deadline: float, seconds: float) -> None:  # fmt: skip
  while len(came) < num_processes - 1:
    listener.settimeout(max(0.001, deadline - time.monotonic()))
    try:
      connected, _ = listener.accept()
    except TimeoutError:
      missing = [process for process in range(1, num_processes) if process not in came]
      raise InputError(
        f"{1 + len(came)} of {num_processes} processes came to {coordinator} within {seconds:g} s; missing: process "
        f"{', '.join(map(str, missing))}. Start all of them, each with its own --process_id and the same --coordinator and "
        "--num_processes, and see to it that they can reach this host"
      ) from None
    _welcome(connected, num_processes, came)


def _welcome(connected: socket.socket, num_processes: int, came: dict[int, Connection]) -> None:
  """Takes the new process in; a stranger is sent away, a process that does not fit ends the start of all."""
  hello = _receive(connected, HELLO_SECONDS)
  if hello is None or not _whole(hello):
    connected.close()
    return
  process, who = hello["process"], f"process {hello['process']} on host {hello['host']} (pid {hello['pid']})"
  problem = ""
  if hello["of"] != num_processes:
    problem = f"{who} was started as one of {hello['of']} processes, process 0 as one of {num_processes}; give all the same number"
  elif not 0 < process < num_processes:
    problem = f"{who} came to process 0, which knows processes 0 to {num_processes - 1}"
  elif process in came:
    first = came[process]
    problem = f"{who} and another on host {first.host} (pid {first.pid}) are both process {process}; each needs its own --process_id"
  if problem:
    _send(connected, {"refused": problem})
    connected.close()
    raise InputError(problem)
  _prepare(connected)
  came[process] = Connection(process, hello["host"], hello["pid"], connected)


def _go_to_first(coordinator: str, num_processes: int, process: int, seconds: float) -> Connection:
  address, deadline, reason = split_address(coordinator), time.monotonic() + seconds, "no answer"
  while (left := deadline - time.monotonic()) > 0:
    try:
      connected = socket.create_connection(address, timeout=min(5.0, left))
    except OSError as error:
      reason = error.strerror or str(error)
      time.sleep(RETRY_SECONDS)
      continue
    answer = _greet(connected, _introduction(process, num_processes), seconds)
    if answer is not None and _whole(answer):
      return Connection(0, answer["host"], answer["pid"], connected)
    connected.close()
    if answer is not None and "refused" in answer:
      raise InputError(str(answer["refused"]))
    reason = "what answers there is not process 0 of this run"
    time.sleep(RETRY_SECONDS)
  raise InputError(
    f"process {process} of {num_processes} could not reach process 0 at {coordinator} within {seconds:g} s ({reason}); start process 0 "
    "on that host, or correct --coordinator"
  )


def _greet(connected: socket.socket, introduction: dict, seconds: float) -> dict | None:
  """What process 0 says once all have come."""
  if connected.getsockname() == connected.getpeername():
    return None  # a port of the ephemeral range that nobody listens on can be given to its own caller
  _send(connected, introduction)
  answer = _receive(connected, seconds + HELLO_SECONDS)
  _prepare(connected)
  return answer


def _prepare(connected: socket.socket) -> None:
  connected.settimeout(1.0)  # small messages: who takes none for this long is not reading
  connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _send(connected: socket.socket, message: dict) -> None:
  """Whoever has gone is found out when its answer is missing."""
  try:
    connected.settimeout(HELLO_SECONDS)
    connected.sendall(encode(message))
  except OSError:
    return
  _prepare(connected)


def _receive(connected: socket.socket, seconds: float) -> dict | None:
  """The next message, None where none comes. Reads byte by byte: what follows the line belongs to `peers`."""
  line, deadline = bytearray(), time.monotonic() + seconds
  try:
    while not line.endswith(b"\n") and len(line) < LONGEST:
      connected.settimeout(max(0.001, deadline - time.monotonic()))
      byte = connected.recv(1)
      if not byte:
        return None
      line += byte
    message = json.loads(line)
  except (OSError, ValueError):
    return None
  return message if isinstance(message, dict) else None


def _whole(message: dict) -> bool:
  kinds = {"process": int, "of": int, "host": str, "pid": int}
  return all(type(message.get(key)) is kind for key, kind in kinds.items())
