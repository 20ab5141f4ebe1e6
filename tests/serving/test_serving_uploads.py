"""Forms are read whole however they are cut, and their files are gone afterwards."""

import asyncio

import av
import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from zsar_jax.serving import media, patience
from zsar_jax.serving.patience import Patience
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
  async with received(_request(chunks, **more), folder, most, Patience()) as upload:
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
  monkeypatch.setattr(patience, "STALLED_SECONDS", 0.05)

  async def never():
    await asyncio.sleep(60)

  request = _request([])
  request._receive = never

  async def read():
    async with received(request, tmp_path, 10, Patience()):
      pass

  with pytest.raises(Refused) as caught:
    asyncio.run(read())
  assert caught.value.status == 408
  assert not list(tmp_path.iterdir())


def _trickling(seconds):
  """A request of which a byte comes every so often."""
  request, body = _request([]), iter(_form(b"x" * 900))

  async def byte():
    await asyncio.sleep(seconds)
    return {"type": "http.request", "body": bytes([next(body)]), "more_body": True}

  request._receive = byte
  return request


def test_upload_that_trickles_is_given_up(tmp_path, monkeypatch):
  monkeypatch.setattr(patience, "STALLED_SECONDS", 0.1)

  async def read():
    async with received(_trickling(0.01), tmp_path, 1000, Patience()):
      pass

  with pytest.raises(Refused, match="less than 50 kB/s") as caught:
    asyncio.run(read())
  assert caught.value.status == 408
  assert not list(tmp_path.iterdir())


def test_unfinished_upload_has_little_time_once_the_server_ends(tmp_path, monkeypatch):
  monkeypatch.setattr(patience, "HURRY_SECONDS", 0.05)

  async def read():
    given = Patience()
    asyncio.get_running_loop().call_later(0.05, given.hurry)
    async with received(_trickling(20), tmp_path, 1000, given):
      pass

  with pytest.raises(Refused, match="shutting down") as caught:
    asyncio.run(read())
  assert caught.value.status == 503


def test_heads_of_fields_are_bounded(tmp_path):
  for head in (b'Content-Disposition: form-data; x="' + b"a" * 20_000, b"a: b\r\n" * 5000):
    with pytest.raises(Refused) as caught:
      asyncio.run(_read([b"--b\r\n" + head], tmp_path, 10**6))
    assert caught.value.status == 422


@pytest.mark.parametrize(
  ("name", "suffix"),
  [("a.mp4", ".mp4"), ("A.MOV", ".mov"), ("a.mp4/../x", None), ("C:\\b.webm", ".webm"), ("mp4", None), ("a.mp4\0", None)],
)  # fmt: skip
def test_suffixes(name, suffix):
  assert media.suffix(name) == suffix


def test_heads_of_files(clips, tmp_path):
  assert media.looks_like_video(clips[0].read_bytes()[:16])
  muxers = {".3gp": "3gp", ".wmv": "asf", ".flv": "flv", ".mts": "mpegts", ".mxf": "mxf", ".mkv": "matroska"}
  for suffix, muxer in muxers.items():
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w", format=muxer) as container:
      codec = {"flv": "flv", "mxf": "mpeg2video"}.get(muxer, "mpeg4")
      stream = container.add_stream(codec, 25)
      stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
      for _ in range(3):
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
      container.mux(stream.encode(None))
    assert media.suffix(path.name) == suffix
    assert media.looks_like_video(path.read_bytes()[:16]), suffix
  for head in (b"", b"#EXTM3U", b"\x89PNG\r\n\x1a\n" + bytes(8), b"RIFF1234WAVE", b"<MPD xmlns=", b"ffconcat version"):  # fmt: skip
    assert not media.looks_like_video(head)
