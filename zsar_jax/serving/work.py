"""One request's way: received, decoded, embedded with others, named."""

import asyncio
import contextlib
import pathlib
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from fastapi import Request
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from zsar_jax.data.decode import VIDEO_SUFFIXES, Decoder
from zsar_jax.data.video_clips import MOST_WINDOWS, VideoClips
from zsar_jax.data.video_source import VideoError
from zsar_jax.recognition.answers import Prediction
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.recognition.limits import Limits
from zsar_jax.recognition.recognizer import Recognizer
from zsar_jax.serving import media
from zsar_jax.serving.decoding import Decoding, Read
from zsar_jax.serving.device import Device
from zsar_jax.serving.metrics import Metrics
from zsar_jax.serving.names import Names, split_names
from zsar_jax.serving.patience import Patience
from zsar_jax.serving.problems import Refused, told
from zsar_jax.serving.settings import MOST_CLIPS, MOST_NAMES, Settings
from zsar_jax.serving.shapes import Form, NamesChecked
from zsar_jax.serving.shapes import Names as GivenNames
from zsar_jax.serving.uploads import Upload, received, small_body

Made = TypeVar("Made")
UNUSABLE = "the video cannot be used"
WARMING_SECONDS = 2.0  # that ending waits for what still compiles
MOST_QUOTES = 5 * MOST_NAMES  # in a body of names
_NOT_AS_DESCRIBED = "the body is not as described in /docs"


class Answer(NamedTuple):
  """What was asked and found."""

  form: Form
  candidates: Candidates
  prediction: Prediction


class Work:
  """Everything that answers need. `open` it around the app's life.

  Args:
    recognizer: the model.
  """

  def __init__(self, recognizer: Recognizer, settings: Settings):
    self.recognizer, self.settings, self.metrics = recognizer, settings, Metrics()
    self.ready, self.stopping = False, False
    self.failed: BaseException | None = None  # why it never became ready
    self._in_flight = 0
    self._patience = Patience()
    self._loop: asyncio.AbstractEventLoop | None = None
    self._warming = threading.Thread(target=self._warm_up, name="warm up", daemon=True)
    make = recognizer.bundle.facts.preprocessing
    self._clip_bytes, self._clips = 3 * make.crop**2 * make.num_frames, make.num_clips

  @contextlib.asynccontextmanager
  async def open(self) -> AsyncIterator[None]:
    """Starts processes and threads; warms up beside."""
    with tempfile.TemporaryDirectory(prefix="zsar-serve-", ignore_cleanup_errors=True) as folder:
      self._folder = pathlib.Path(folder)
      self.names = Names(self.recognizer, self.settings.vectors)
      self._decoding = Decoding(
        self.settings.workers, (MOST_CLIPS + MOST_WINDOWS) * self._clip_bytes, self.metrics
      )
      self._device = Device(self.recognizer, self.metrics)
      self._loop = asyncio.get_running_loop()
      self._warming.start()
      try:
        yield
      finally:
        self.ready = False
        await self._emptied()
        self._decoding.close()
        self._device.close()
        self.names.close()
        self._warming.join(WARMING_SECONDS)

  @property
  def is_warming(self) -> bool:
    """Whether a thread still compiles, which nothing can interrupt."""
    return self._warming.is_alive()

  def stop(self) -> None:
    """Nothing new is taken from now on. May be called from a signal handler."""
    self.stopping = True
    if self._loop is not None:
      self._loop.call_soon_threadsafe(self._patience.hurry)

  def abandon(self) -> None:
    """Ends the processes and removes the uploads, whatever is at work: the program is about to end."""
    self._decoding.kill()
    shutil.rmtree(self._folder, ignore_errors=True)

  async def classify(self, request: Request) -> Answer:
    """Answers a form with a video.

    Raises:
      Refused: any of `problems.STATUSES`.
      ClientDisconnect: the client is gone.
    """
    try:
      with self._admitted():
        async with received(request, self._folder, self.settings.max_bytes, self._patience) as upload:
          self.metrics.received.inc(upload.path.stat().st_size)
          return await _unless_gone(request, self._answer(upload))
    except ClientDisconnect:
      self.metrics.given_up.inc()
      raise

  async def check_names(self, request: Request) -> NamesChecked:
    """`Names.check` of a JSON body.

    Raises:
      Refused: 408, 413, 422, 429, 503.
      ClientDisconnect: the client is gone.
    """
    self._check_ready()
    body = await small_body(request, self._patience)
    if body.count(b'"') > MOST_QUOTES:
      raise Refused(422, _NOT_AS_DESCRIBED, [f"it holds far more texts than {MOST_NAMES} names"])
    try:
      asked = GivenNames.model_validate_json(body)
    except ValidationError as error:
      raise Refused(422, _NOT_AS_DESCRIBED, told(error)) from None
    return await _unless_gone(request, self.names.check(asked.classes))

  async def _emptied(self) -> None:
    """Lets requests that were cut off put away what they have."""
    for _ in range(200):
      await asyncio.sleep(0.01)
      if not self._in_flight:
        return

  def _check_ready(self) -> None:
    if self.stopping:
      raise Refused(503, "the server is shutting down")
    if not self.ready:
      raise Refused(503, "the server is not ready yet")

  @contextlib.contextmanager
  def _admitted(self) -> Iterator[None]:
    """A place among the requests at work: before anything of it is read."""
    self._check_ready()
    if self._in_flight >= self.settings.max_waiting:
      raise Refused(429, f"{self._in_flight} videos are at work or waiting, as many as this server takes")
    self._in_flight += 1
    self.metrics.in_flight.set(self._in_flight)
    try:
      yield
    finally:
      self._in_flight -= 1
      self.metrics.in_flight.set(self._in_flight)

  async def _answer(self, upload: Upload) -> Answer:
    form = _form(upload)
    _check_type(upload)
    candidates = await self.names.candidates(split_names(form.classes))
    try:
      async with self._decoding.clips(*self._reading(upload, form)) as clips:
        vectors = await self._device.embed(clips)
        if not np.isfinite(vectors).all():
          raise Refused(422, UNUSABLE, ["the model's numbers for it are not finite"])
        prediction = self.recognizer.answer(_shown(upload.filename), clips, vectors, candidates, form.top)
    except VideoError as error:
      raise Refused(422, UNUSABLE, [str(error).replace(str(upload.path), "the video")]) from None
    return Answer(form, candidates, prediction)

  def _reading(self, upload: Upload, form: Form) -> tuple[Read, int]:
    """What decodes the video, and how many bytes its frames may take."""
    limits = Limits(seconds=self.settings.max_seconds, pixels=self.settings.max_pixels)

    def read(decoder: Decoder) -> VideoClips:
      return self.recognizer.read(
        decoder, str(upload.path), num_clips=form.num_clips, timeline=form.timeline, limits=limits,
        timeout=self.settings.decode_timeout,
      )  # fmt: skip

    most_clips = (form.num_clips or self._clips) + (MOST_WINDOWS if form.timeline else 0)
    return read, most_clips * self._clip_bytes

  def _warm_up(self) -> None:
    try:
      self._decoding.warm_up()
      self.recognizer.warm_up()
    except BaseException as error:  # told by whoever started the server
      self.failed = None if self.stopping else error
    else:
      self.ready = not self.stopping


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Made]) -> Made:
  """What `work` returns. Where the client goes before, it is cancelled.

  Raises:
    ClientDisconnect: the client is gone.
  """
  working = asyncio.ensure_future(work)
  gone = asyncio.ensure_future(_disconnected(request))
  try:
    await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
    if working.done():
      return working.result()
    raise ClientDisconnect()
  finally:
    for task in (working, gone):
      task.cancel()
    await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
  while (await request.receive())["type"] != "http.disconnect":
    pass


def _form(upload: Upload) -> Form:
  problems = [] if upload.filename else ["a video is missing"]
  try:
    # A field left empty is one not filled in.
    form = Form.model_validate({name: text for name, text in upload.fields.items() if text.strip()})
  except ValidationError as error:
    problems += told(error)
  if problems:
    raise Refused(422, "the form is not filled in as described in /docs", problems)
  return form


def _check_type(upload: Upload) -> None:
  known = " ".join(VIDEO_SUFFIXES)
  if media.suffix(upload.filename) is None:
    raise Refused(415, f"{_shown(upload.filename)!r} is not a video of a type that is read: {known}")
  with upload.path.open("rb") as file:
    head = file.read(16)
  if not head:
    raise Refused(422, UNUSABLE, ["the file is empty"])
  if not media.looks_like_video(head):
    raise Refused(415, f"{_shown(upload.filename)!r} is called a video, but holds something else")


def _shown(filename: str) -> str:
  """The last part of a client's file name, printable and short: only to be shown."""
  last = filename.replace("\\", "/").rpartition("/")[2]
  return "".join(letter if letter.isprintable() else "�" for letter in last)[:200] or "video"
