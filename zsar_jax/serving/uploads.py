"""A form's body, streamed: the video to a temporary file, the fields to memory, both within their limits."""

import contextlib
import pathlib
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import IO, NamedTuple

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from zsar_jax.serving.patience import Patience
from zsar_jax.serving.problems import Refused
from zsar_jax.serving.settings import FIELD_BYTES

MOST_FIELDS = 20


class Upload(NamedTuple):
  """A form that was read to its end."""

  path: pathlib.Path  # the video; removed by whoever opened the upload
  filename: str  # as the client calls it: to be shown, never to be opened; empty where no file came
  fields: dict[str, str]


@contextlib.asynccontextmanager
async def received(
  request: Request, folder: pathlib.Path, max_bytes: int, patience: Patience
) -> AsyncIterator[Upload]:
  """Reads a multipart form; the temporary file is gone afterwards, whatever happens.

  Args:
    folder: for the temporary file, ours alone.
    max_bytes: of the video.

  Raises:
    Refused: 408, 413, 415 (no form), 422 (a broken form), 503.
    starlette.requests.ClientDisconnect: the client is gone.
  """
  kind, options = parse_options_header(request.headers.get("content-type", ""))
  if kind != b"multipart/form-data" or not options.get(b"boundary"):
    raise Refused(415, "send the video as multipart/form-data, in a field called video")
  declared = request.headers.get("content-length", "")
  if declared.isdigit() and int(declared) > max_bytes + FIELD_BYTES:
    raise _too_large(max_bytes)
  with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as file:
    form = _Form(file, max_bytes)
    try:
      parser = MultipartParser(options[b"boundary"], form.callbacks())
      total = 0
      async for chunk in patience.chunks(request):
        total += len(chunk)
        if total > max_bytes + FIELD_BYTES:
          raise _too_large(max_bytes)
        parser.write(chunk)
      parser.finalize()
    except FormParserError as error:
      raise Refused(422, "the form is broken", [str(error)]) from None
    if not form.ended:
      raise Refused(422, "the form is broken", ["it ends before its last boundary"])
    file.flush()
    yield Upload(pathlib.Path(file.name), form.filename, form.texts())


async def small_body(request: Request, patience: Patience) -> bytes:
  """A body of at most `FIELD_BYTES`. Raises Refused: 408, 413, 503; ClientDisconnect."""
  body = bytearray()
  async for chunk in patience.chunks(request):
    body += chunk
    if len(body) > FIELD_BYTES:
      raise Refused(413, f"the body is longer than {FIELD_BYTES} bytes")
  return bytes(body)


def _too_large(max_bytes: int) -> Refused:
  return Refused(413, f"the video is larger than this server takes: {max_bytes / 1e6:g} MB")


class _Form:
  """What the parser's callbacks write to. Writing 64 kB to a file takes less than handing it to a thread."""

  def __init__(self, file: IO[bytes], max_bytes: int):
    self.filename, self.ended = "", False
    self._file, self._left = file, max_bytes
    self._max_bytes, self._fields_left = max_bytes, FIELD_BYTES
    self._fields: dict[str, bytearray] = {}
    self._headers: list[tuple[bytes, bytes]] = []
    self._name, self._value = bytearray(), bytearray()
    self._write: Callable[[bytes], None] = self._to_nothing

  def callbacks(self):
    return {
      "on_part_begin": self._begin,
      "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
      "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
      "on_header_end": self._header_end,
      "on_headers_finished": self._open,
      "on_part_data": lambda data, start, end: self._write(data[start:end]),
      "on_end": self._end,
    }

  def texts(self) -> dict[str, str]:
    try:
      return {name: bytes(value).decode("utf-8") for name, value in self._fields.items()}
    except UnicodeDecodeError:
      raise Refused(422, "the form is broken", ["a field is not UTF-8"]) from None

  def _begin(self) -> None:
    self._headers.clear()

  def _end(self) -> None:
    self.ended = True

  def _header_end(self) -> None:
    self._headers.append((bytes(self._name).lower(), bytes(self._value)))
    self._name.clear()
    self._value.clear()

  def _open(self) -> None:
    told = dict(self._headers).get(b"content-disposition", b"")
    _, options = parse_options_header(told)
    name = options.get(b"name", b"").decode("utf-8", "replace")
    if b"filename" in options:
      if name != "video" or self.filename:
        raise Refused(422, "the form is broken", ["one file is taken, in the field video"])
      self.filename = options[b"filename"].decode("utf-8", "replace") or "video"
      self._write = self._to_file
      return
    if name in self._fields:
      raise Refused(422, "the form is broken", [f"the field {name[:100]!r} comes twice"])
    if len(self._fields) == MOST_FIELDS:
      raise Refused(422, "the form is broken", [f"it has more than {MOST_FIELDS} fields"])
    held = self._fields[name] = bytearray()
    self._write = lambda data: self._to_field(held, data)

  def _to_nothing(self, data: bytes) -> None:
    pass

  def _to_file(self, data: bytes) -> None:
    self._left -= len(data)
    if self._left < 0:
      raise _too_large(self._max_bytes)
    self._file.write(data)

  def _to_field(self, held: bytearray, data: bytes) -> None:
    self._fields_left -= len(data)
    if self._fields_left < 0:
      raise Refused(413, f"the fields are longer than {FIELD_BYTES} bytes")
    held += data
