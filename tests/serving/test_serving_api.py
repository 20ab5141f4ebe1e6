"""The API of a real server, asked over a socket."""

import pathlib
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bundles import CANDIDATES, SEEN

from tests.serving.conftest import Running

NAMES = ", ".join(CANDIDATES)


def _uploads(running):
  return list(pathlib.Path(running.work._folder).iterdir())


def test_answers_what_the_recognizer_says(served, recognizer, clips):
  expected = recognizer.classify([clips[2]], CANDIDATES, timeline=True, top=3)[0]
  answer = served.classify(clips[2].read_bytes(), NAMES, "/tmp/../c.mp4", top=3, timeline=True, explain=True)
  assert answer.status_code == 200, answer.text
  found = answer.json()
  assert found["video"] == "c.mp4"
  assert [one["name"] for one in found["ranking"]] == [one.name for one in expected.ranking]
  np.testing.assert_allclose(list(found["scores"].values()), expected.scores, atol=2e-5)
  np.testing.assert_allclose(found["timeline"]["scores"], expected.timeline.scores, atol=2e-5)
  assert list(found["scores"]) == list(CANDIDATES)
  assert found["num_frames"] == expected.num_frames
  assert [one["name"] for one in found["nearest_seen"]] == [one.name for one in expected.nearest_seen]
  near = {one.name: one.score for one in expected.nearest_seen}
  for one in found["classes"]:
    assert (one["seen_as"] == "clapping while walking") == (one["name"] == "clapping while walking")
    assert one["recipe"]
    assert sum(part["share"] for part in one["recipe"]) == pytest.approx(1, abs=1e-4)
    for part in one["recipe"]:
      assert part["video"] == pytest.approx(near[part["name"]], abs=2e-5)
  assert not _uploads(served)


def test_default_answer_is_short(served, clips):
  found = served.classify(clips[0].read_bytes(), "fencing\narchery\n\n").json()
  assert found["timeline"] is None
  assert list(found["scores"]) == ["fencing", "archery"]
  assert not any(one["recipe"] or one["nearest_seen"] for one in found["classes"])


@pytest.mark.parametrize(
  ("video", "name", "fields", "status", "told"),
  [
    (b"#EXTM3U\nhttp://example.org/a.ts", "list.mp4", {}, 415, "holds something else"),
    (b"some words", "words.txt", {}, 415, "not a video of a type"),
    (b"", "empty.mp4", {}, 422, "empty"),
    (b"\x00\x00\x00\x18ftypmp42" + bytes(500), "broken.mp4", {}, 422, "unreadable"),
    (b"x" * 1_000_001, "large.mp4", {}, 413, "1 MB"),
    (None, "a.mp4", {"classes": "juggling"}, 422, "at least two"),
    (None, "a.mp4", {"classes": " , "}, 422, "no classes"),
    (None, "a.mp4", {"classes": "bow, bow"}, 422, "repeated"),
    (None, "a.mp4", {"classes": "bow, " + "w" * 201}, 422, "201 letters"),
    (None, "a.mp4", {"classes": "bow, " + "go " * 21}, 422, "21 words"),
    (None, "a.mp4", {"classes": ", " * 500_000}, 422, "more than 1000"),
    (None, "a.mp4", {"classes": "a b," * 1001}, 422, "at most 1000"),
    (None, "a.mp4", {"classes": "x" * ((1 << 20) + 1)}, 413, "fields are longer"),
    (None, "a.mp4", {"top": 0}, 422, "top must be 1 or more"),
    (None, "a.mp4", {"num_clips": "many", "timeline": "perhaps"}, 422, "num_clips is no whole number timeline is neither"),
    (None, "a.mp4", {"vectors": "/etc/passwd"}, 422, "vectors is not known"),
  ],
)  # fmt: skip
def test_refusals(served, clips, video, name, fields, status, told):
  answer = served.classify(clips[0].read_bytes() if video is None else video, name=name, **fields)
  assert answer.status_code == status, answer.text
  body = answer.json()
  assert set(body) == {"error", "problems"}
  assert told in " ".join([body["error"], *body["problems"]])
  assert str(served.work._folder) not in answer.text
  assert not _uploads(served)


def test_too_long_a_video_is_refused(recognizer, clips):
  running = Running(recognizer, max_seconds=0.5)
  try:
    answer = running.classify(clips[2].read_bytes())
  finally:
    running.stop()
  assert answer.status_code == 422
  assert "0.5 s" in answer.text


def test_names_are_checked(served):
  asked = ["bowing while jumping", "zorbing", "\u200b"]
  found = served.client.post("/v1/classes", json={"classes": asked}).json()
  assert not found["usable"]
  assert [one["name"] for one in found["classes"]] == asked
  assert [one["seen_as"] for one in found["classes"]] == [asked[0], None, None]
  assert found["classes"][0]["words"] == ["bow", "jump"]
  assert served.client.post("/v1/classes", json={"classes": asked[:2]}).json()["usable"]


def test_a_body_of_many_keys_is_refused_shortly(served):
  body = b'{"classes":["a","b"],' + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}"
  answer = served.client.post("/v1/classes", content=body)
  assert answer.status_code == 422
  assert len(answer.content) < 500
  few = b'{"classes":["a","b"],' + b",".join(b'"k%d":1' % n for n in range(200)) + b"}"
  told = served.client.post("/v1/classes", content=few).json()["problems"]
  assert told[0] == "k0 is not known"
  assert told[-1] == "and 180 more"


def test_wrong_names_are_told_as_the_page_says_it(served):
  answer = served.client.post("/v1/classes", json={"classes": ["w" * 201, 3]}).json()
  assert answer["problems"] == ["classes, number 1 has more than 200 letters", "classes, number 2 is no text"]


def test_requests_that_come_together_are_named_together(served, clips):
  videos = [clip.read_bytes() for clip in clips]
  passes, named = served.metric("zsar_batch_videos_count"), served.metric("zsar_batch_videos_sum")
  with ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(lambda number: served.classify(videos[number % 3], NAMES), range(24)))
  assert [one.status_code for one in answers] == [200] * 24
  alone = {number: served.classify(videos[number], NAMES).json()["scores"] for number in range(3)}
  for number, one in enumerate(answers):
    np.testing.assert_allclose(
      list(one.json()["scores"].values()), list(alone[number % 3].values()), atol=2e-5
    )
  assert served.metric("zsar_batch_videos_sum") == named + 27
  assert served.metric("zsar_batch_videos_count") < passes + 27
  assert served.metric("zsar_in_flight") == 0
  assert not _uploads(served)


def _half_a_request(running):
  """A connection that has sent the beginning of a form."""
  connection = socket.create_connection(("127.0.0.1", running.port))
  head = "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n\r\n"
  part = '--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
  connection.sendall((head + part).encode())
  return connection


def _until(condition):
  for _ in range(500):
    if condition():
      return True
    time.sleep(0.01)
  return False


def test_full_server_asks_to_come_again_and_forgets_who_is_gone(recognizer, clips):
  running = Running(recognizer, max_waiting=1)
  try:
    connection = _half_a_request(running)
    assert _until(lambda: running.metric("zsar_in_flight") == 1)
    answer = running.classify(clips[0].read_bytes())
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert len(_uploads(running)) == 1
    connection.close()
    assert _until(lambda: running.metric("zsar_in_flight") == 0)
    assert not _uploads(running)
    assert running.metric("zsar_given_up_total") == 1
    assert running.classify(clips[0].read_bytes()).status_code == 200
  finally:
    running.stop()


def test_work_for_a_client_that_is_gone_is_dropped(recognizer, clips, monkeypatch):
  began = threading.Event()
  read = recognizer.read

  def slow(decoder, *args, **kwargs):
    began.set()
    decoder.call(time.sleep, 60, timeout=90)  # ends where the process is killed
    return read(decoder, *args, **kwargs)

  monkeypatch.setattr(recognizer, "read", slow)
  running = Running(recognizer)
  try:
    body = clips[0].read_bytes()
    with (
      ThreadPoolExecutor(1) as pool,
      running.client.__class__(base_url=running.url, timeout=1.0) as impatient,
    ):
      asked = pool.submit(
        impatient.post, "/v1/classify", data={"classes": NAMES}, files={"video": ("a.mp4", body)}
      )
      assert began.wait(20)
      assert "Timeout" in type(asked.exception()).__name__
    assert _until(lambda: running.metric("zsar_in_flight") == 0)
    monkeypatch.setattr(recognizer, "read", read)
    assert running.classify(body, NAMES).status_code == 200
  finally:
    running.stop()


def test_size_is_counted_where_it_is_not_declared(served):
  def body():
    yield b'--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    for _ in range(40):
      yield b"x" * 50_000

  answer = served.client.post(
    "/v1/classify", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"}
  )
  assert answer.status_code == 413
  assert not _uploads(served)


@pytest.mark.parametrize(
  "headers",
  [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "localhost.evil.example:80"}],
)  # fmt: skip
def test_foreign_pages_and_names_are_refused(served, headers):
  answer = served.client.get("/v1/model", headers=headers)
  assert answer.status_code == 403
  assert answer.json()["problems"] == []


def test_own_page_is_answered(served):
  for host in ("localhost", "127.0.0.1", "[::1]"):
    headers = {"Host": f"{host}:{served.port}", "Origin": f"http://{host}:{served.port}"}
    assert served.client.get("/v1/model", headers=headers).status_code == 200


@pytest.mark.slow
def test_a_proxy_is_answered_by_its_name(recognizer):
  running = Running(recognizer, name="videos.example")
  try:
    for headers, status in (
      ({"Host": "videos.example"}, 200),
      ({"Origin": "https://videos.example"}, 200),
      ({"Host": "videos.example", "Origin": "https://videos.example:8443"}, 200),
      ({"Origin": "https://evil.example"}, 403),
      ({"Host": "evil.example"}, 403),
    ):
      assert running.client.get("/v1/model", headers=headers).status_code == status, headers
  finally:
    running.stop()


def test_model_and_health(served, recognizer):
  found = served.client.get("/v1/model").json()
  assert found["seen_classes"] == list(SEEN)
  assert found["max_bytes"] == 1_000_000
  assert len(found["examples"]) > 1
  recognizer.candidates(found["examples"])  # every one of them can be used
  assert served.client.get("/health").json() == {"live": True, "ready": True}


def test_pages_need_no_other_server_and_hold_no_inline_script(served):
  for path in ("/", "/docs"):
    page = served.client.get(path)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert links
    for link in links:
      assert link.startswith("/")
      assert served.client.get(link).status_code == 200, link
    assert not re.search(r"<script>|<script (?![^>]*src=)|\son\w+=|style=", page.text)


def test_unknown_paths_answer_in_the_same_shape(served):
  for answer in (served.client.get("/nothing"), served.client.put("/v1/classify")):
    assert answer.status_code in (404, 405)
    assert set(answer.json()) == {"error", "problems"}
