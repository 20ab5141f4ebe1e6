"""What a server does not take, and what it answers when it fails or ends."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.conftest import Running
from zsar_jax.serving import protocol
from zsar_jax.serving.settings import Settings


def test_settings_tell_what_is_local():
  assert Settings().is_local
  assert Settings(host="::1").is_local
  assert Settings(host="127.0.0.2").is_local
  assert not Settings(host="0.0.0.0").is_local
  assert not Settings(host="127.example.org").is_local


@pytest.mark.parametrize(
  ("settings", "taken", "refused"),
  [
    ({}, ["localhost", "127.0.0.1", "127.0.0.2", "::1"], ["evil.example", "127.evil.example", ""]),
    ({"host": "127.0.0.2"}, ["127.0.0.2", "localhost"], ["evil.example"]),
    ({"host": "0.0.0.0"}, ["anything.example"], []),
    ({"host": "0.0.0.0", "name": "videos.example"}, ["videos.example", "127.0.0.1"], ["evil.example", ""]),
  ],
)
def test_settings_tell_who_is_answered(settings, taken, refused):
  made = Settings(**settings)
  assert all(made.answers_to(host) for host in taken)
  assert not any(made.answers_to(host) for host in refused)


def test_connections_are_fewer_than_the_system_allows():
  import resource

  limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
  assert 64 < Settings().max_connections <= max(limit // 2, 64)
  assert Settings(max_waiting=10**9).max_connections <= limit


def test_a_defect_answers_in_the_same_shape_with_all_headers_and_is_counted(
  recognizer, clips, monkeypatch, caplog
):
  monkeypatch.setattr(recognizer, "answer", lambda *_: {}["defect"])
  running = Running(recognizer)
  try:
    answer = running.classify(clips[0].read_bytes())
    assert running.metric('zsar_requests_total{code="500",route="/v1/classify"}') == 1
  finally:
    running.stop()
  assert answer.status_code == 500
  assert answer.json() == {"error": "the server has a defect; its log says more", "problems": []}
  assert answer.headers["x-content-type-options"] == "nosniff"
  assert "KeyError" in caplog.text


def _raw(running, sent, most=1 << 16):
  with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
    connection.sendall(sent)
    answer = b""
    while more := connection.recv(most):
      answer += more
  return answer


def test_what_is_no_http_is_told_in_the_same_shape(served):
  answer = _raw(served, b"NONSENSE\r\n\r\n")
  assert answer.startswith(b"HTTP/1.1 400 ")
  assert answer.endswith(b'{"error": "Invalid HTTP request received", "problems": []}')


@pytest.mark.parametrize("path", ["/v1/classify", "/nothing"])
def test_a_body_that_is_not_wanted_is_not_read_to_its_end(served, path):
  head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000000\r\n"
  waiting = _raw(served, (head + "Expect: 100-continue\r\n\r\n").encode())  # answered at once, and closed
  assert waiting.startswith(b"HTTP/1.1 4")
  sent, chunk = 0, b"x" * (1 << 20)
  with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
    connection.sendall((head + "\r\n").encode())
    with contextlib.suppress(ConnectionError):
      while sent < 200:
        connection.sendall(chunk)
        sent += 1
  assert sent < 60


def test_connections_are_bounded(recognizer, monkeypatch):
  monkeypatch.setattr(Settings, "max_connections", 3)
  monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
  running = Running(recognizer)
  try:
    half = [socket.create_connection(("127.0.0.1", running.port), timeout=10) for _ in range(6)]
    for connection in half:
      with contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
    for connection in half:
      with contextlib.suppress(ConnectionError):
        assert connection.recv(10) == b""
      connection.close()
    assert running.client.get("/health").status_code == 200
    assert running.client.get("/v1/model").status_code == 200  # on the same connection
  finally:
    running.stop()


def test_probes_may_ask_for_heads_and_other_files_are_not_there(served):
  for path in ("/", "/health"):
    answer = served.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
  assert served.client.get("/docs/assets/index.html").status_code == 404


def test_what_is_not_done_when_the_server_ends_is_told_so(recognizer, clips, monkeypatch):
  began = threading.Event()

  def slow(decoder, *_, **__):
    began.set()
    decoder.call(time.sleep, 60, timeout=90)

  monkeypatch.setattr(recognizer, "read", slow)
  monkeypatch.setattr(Settings, "grace", 1)
  running = Running(recognizer)
  with ThreadPoolExecutor(1) as pool:
    asked = pool.submit(running.classify, clips[0].read_bytes())
    assert began.wait(20)
    running.work.stop()
    running.stop(close_client=False)
    answer = asked.result()
  running.client.close()
  assert answer.status_code == 503
  assert answer.json() == {"error": "the server is shutting down", "problems": []}
