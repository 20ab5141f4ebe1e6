"""Forms are read whole however they are cut, and their files are gone afterwards."""

import asyncio

import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from zsar_jax.serving import media, uploads
from zsar_jax.serving.problems import Refused
from zsar_jax.serving.uploads import received

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def _request(chunks, last="http.request"):
  messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
  messages.append({"type": last, "body": b"", "more_body": False})
  waiting = iter(messages)

  async def receive():
    return next(waiting)

  headers = [(b"content-type", b'multipart/form-data; boundary="b"')]
  return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def _form(video, name="a.mp4"):
  head = '--b\r\nContent-Disposition: form-data; name="classes"\r\n\r\nbow, \u00e9p\u00e9e\r\n--b\r\n'
  head += (
    f'Content-Disposition: form-data; name="video"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'
  )
  return head.encode() + video + b"\r\n--b--\r\n"


async def _read(chunks, folder, most=1000, **more):
  async with received(_request(chunks, **more), folder, most) as upload:
    return upload.filename, upload.fields, upload.path.read_bytes()


@settings(max_examples=100, **QUIET)
@given(video=st.binary(max_size=300) | st.just(b"\r\n--b\r\n--"[:-4] * 9), cut=st.integers(1, 60))
def test_a_form_is_the_same_however_it_is_cut(tmp_path, video, cut):
  if b"\r\n--b" in video:
    return
  body = _form(video)
  chunks = [body[start : start + cut] for start in range(0, len(body), cut)]
  assert asyncio.run(_read(chunks, tmp_path)) == ("a.mp4", {"classes": "bow, épée"}, video)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "refused"), [(1000, False), (1001, True)])
def test_limit_is_exact(tmp_path, size, refused):
  if refused:
    with pytest.raises(Refused) as caught:
      asyncio.run(_read([_form(b"x" * size)], tmp_path))
    assert caught.value.status == 413
  else:
    assert len(asyncio.run(_read([_form(b"x" * size)], tmp_path))[2]) == size
  assert not list(tmp_path.iterdir())


def test_client_that_goes_leaves_nothing(tmp_path):
  with pytest.raises(ClientDisconnect):
    asyncio.run(_read([_form(b"x" * 100)[:-20]], tmp_path, last="http.disconnect"))
  assert not list(tmp_path.iterdir())


def test_stalled_upload_is_given_up(tmp_path, monkeypatch):
  monkeypatch.setattr(uploads, "STALLED_SECONDS", 0.05)

  async def never():
    await asyncio.sleep(60)

  request = _request([])
  request._receive = never

  async def read():
    async with received(request, tmp_path, 10):
      pass

  with pytest.raises(Refused) as caught:
    asyncio.run(read())
  assert caught.value.status == 408
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ("name", "suffix"),
  [("a.mp4", ".mp4"), ("A.MOV", ".mov"), ("a.mp4/../x", None), ("C:\\b.webm", ".webm"), ("mp4", None), ("a.mp4\0", None)],
)  # fmt: skip
def test_suffixes(name, suffix):
  assert media.suffix(name) == suffix


def test_heads_of_files(clips):
  assert media.looks_like_video(clips[0].read_bytes()[:16])
  for head in (b"", b"#EXTM3U", b"\x89PNG\r\n\x1a\n" + bytes(8), b"RIFF1234WAVE", b"<MPD xmlns=", b"ffconcat version"):  # fmt: skip
    assert not media.looks_like_video(head)
