"""`python -m zsar_jax.serve` as a process."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import types

import httpx
import pytest

from tests.running import ROOT
from zsar_jax import serve
from zsar_jax.errors import InputError

ONE_DEVICE = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}


class Process:
  """The command, until it has said where it listens."""

  def __init__(self, model_folder, *more):
    command = [sys.executable, "-m", "zsar_jax.serve", "--model", str(model_folder), "--port", "0", *more]
    self.process = subprocess.Popen(
      command,
      cwd=ROOT,
      env=ONE_DEVICE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      start_new_session=True,
    )
    found = re.search(r"http://127\.0\.0\.1:(\d+) ", self.process.stdout.readline())
    if found is None:
      raise AssertionError(f"no address: {self.end()}")
    self.port = int(found[1])

  def told(self, text):
    """Reads what it says until `text` comes."""
    said = []
    for line in self.process.stderr:
      said.append(line)
      if text in line:
        return
    raise AssertionError("".join(said))

  def end(self, timeout=30):
    """(exit code, stderr)."""
    try:
      return self.process.wait(timeout), self.process.stderr.read()
    finally:
      self.process.kill()
      self.process.stdout.close()
      self.process.stderr.close()


def _connected(port, body):
  """A connection on which a form of `body` was announced."""
  connection = socket.create_connection(("127.0.0.1", port), timeout=60)
  head = ["POST /v1/classify HTTP/1.1", "Host: localhost", "Content-Type: multipart/form-data; boundary=b"]
  head += [f"Content-Length: {len(body)}", "", ""]
  connection.sendall("\r\n".join(head).encode())
  return connection


def _form(video):
  return (
    b'--b\r\nContent-Disposition: form-data; name="classes"\r\n\r\nbow, dart\r\n--b\r\n'
    b'Content-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + video + b"\r\n--b--\r\n"
  )


def test_sigterm_finishes_what_was_accepted(model_folder, clips):
  running = Process(model_folder)
  try:
    body = _form(clips[0].read_bytes())
    connection = _connected(running.port, body)
    connection.sendall(body[:300])
    httpx.get(f"http://127.0.0.1:{running.port}/health")  # by now the form's beginning was read
    os.killpg(running.process.pid, signal.SIGTERM)  # the decoding processes get it too
    running.told("finishing")
    threading.Event().wait(0.5)
    with pytest.raises(ConnectionRefusedError):
      socket.create_connection(("127.0.0.1", running.port), timeout=5)
    connection.sendall(body[300:])
    answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"ranking"' in answer + connection.recv(1 << 16)
    connection.close()
  finally:
    code, errors = running.end()
  assert code == 0, errors
  assert "Traceback" not in errors


@pytest.mark.slow
def test_second_signal_quits_at_once(model_folder):
  running = Process(model_folder)
  try:
    connection = _connected(running.port, b"x" * 1000)
    httpx.get(f"http://127.0.0.1:{running.port}/health")
    running.process.send_signal(signal.SIGINT)
    running.told("finishing")
    running.process.send_signal(signal.SIGINT)
    code, errors = running.end(5)
    connection.close()
  finally:
    running.process.kill()
  assert code == 130, errors


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.4, 0.8, 1.2])
def test_sigterm_while_it_compiles(model_folder, tmp_path, wait):
  """Nothing of the compiler's may be at work when the interpreter ends."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  process = subprocess.Popen(
    [sys.executable, "-m", "zsar_jax.serve", "--model", str(model_folder), "--port", str(port)], cwd=ROOT,
    env=ONE_DEVICE | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
  )  # fmt: skip
  try:
    for _ in range(600):
      try:
        httpx.get(f"http://127.0.0.1:{port}/health")
        break
      except httpx.TransportError:
        threading.Event().wait(0.05)
    threading.Event().wait(wait)
    process.terminate()
    assert process.wait(30) == 0, process.stderr.read()
  finally:
    process.kill()
    process.stderr.close()


@pytest.mark.parametrize(
  ("more", "told"),
  [
    (["--max_mb", "0", "--port", "70000"], ["--max_mb 0", "--port 70000"]),
    (["--max_seconds", "nan"], ["--max_seconds"]),
    (["--max_waiting", "-1"], ["--max_waiting"]),
    (["--name", "https://example.org"], ["--name 'https://example.org'", "without a port"]),
    (["--name", "example.org:8443"], ["--name"]),
    ([], ["no_such_model"]),
  ],
)
def test_wrong_input_is_told(more, told, capsys):
  assert serve.main(["--model", "no_such_model", *more]) == 2
  errors = capsys.readouterr().err
  for each in told:
    assert each in errors


@pytest.mark.parametrize(
  ("change", "told"),
  [({"vectors": "no_such_file.npz"}, "no_such_file.npz"), ({"backbone": "features"}, "precomputed features")],
)
def test_model_that_could_answer_nothing_is_not_served(recognizer, change, told):
  bundle, settings = recognizer.bundle, serve.Settings(vectors=change.get("vectors"))
  if "backbone" in change:
    model = dataclasses.replace(bundle.config.model, backbone="features")
    bundle = bundle._replace(config=dataclasses.replace(bundle.config, model=model))
  same = types.SimpleNamespace(bundle=bundle, candidates=recognizer.candidates)
  with pytest.raises(InputError, match=told):
    serve._check_model(same, settings)


def test_missing_extra_is_told(monkeypatch, capsys):
  find = serve.importlib.util.find_spec
  monkeypatch.setattr(
    serve.importlib.util, "find_spec", lambda name: None if name in ("fastapi", "uvicorn") else find(name)
  )
  assert serve.main(["--model", "anything"]) == 2
  assert 'fastapi, uvicorn, which is not installed: pip install "zsar-jax[serve]"' in capsys.readouterr().err


def test_port_in_use_is_told(model_folder, capsys):
  with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    assert serve.main(["--model", str(model_folder), "--port", str(taken.getsockname()[1])]) == 2
  assert "already in use" in capsys.readouterr().err


def test_help_needs_no_extra():
  code = """
import sys
sys.modules.update(dict.fromkeys(["fastapi", "uvicorn", "pydantic", "starlette", "jax"]))
from zsar_jax import serve
from zsar_jax.errors import InputError
serve.main(["--help"])
"""
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
  assert "--max_waiting" in done.stdout, done.stderr
