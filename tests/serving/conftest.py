"""One real server for all tests of this folder, in a thread of the test's process."""

import asyncio
import threading
import time

import httpx
import pytest
from bundles import tiny_bundle, tiny_videos

import zsar_jax
from zsar_jax.serving.app import make_app
from zsar_jax.serving.server import Server, bound
from zsar_jax.serving.settings import Settings


class Running:
  """A server on a free port until `stop`."""

  def __init__(self, recognizer, workers=1, **settings):
    self.settings = Settings(port=0, workers=workers, **settings)
    self.app, self.work = make_app(recognizer, self.settings)
    self._server = Server(self.app, self.work)
    self._binding = bound(self.settings)
    listening = self._binding.__enter__()
    self.port = listening.getsockname()[1]
    self.url = f"http://127.0.0.1:{self.port}"
    self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([listening])))
    self._thread.start()
    self.client = httpx.Client(base_url=self.url, timeout=60)
    until = time.monotonic() + 120
    while not self.work.ready:
      if self.work.failed is not None or not self._thread.is_alive() or time.monotonic() > until:
        self.stop()
        raise AssertionError(f"the server did not become ready: {self.work.failed!r}")
      time.sleep(0.01)

  def classify(self, video, classes="juggling balls, archery", name="clip.mp4", **fields):
    data = {"classes": classes, **{key: str(value) for key, value in fields.items()}}
    return self.client.post("/v1/classify", data=data, files={"video": (name, video)})

  def metric(self, line):
    """The value of one line of /metrics."""
    text = self.client.get("/metrics").text
    return float(next(each for each in text.splitlines() if each.startswith(line + " ")).rpartition(" ")[2])

  def stop(self, close_client=True):
    if close_client:
      self.client.close()
    self._server.should_exit = True
    self._thread.join(60)
    self._binding.__exit__(None, None, None)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
  return tiny_bundle(tmp_path_factory.mktemp("served") / "tiny")


@pytest.fixture(scope="session")
def recognizer(model_folder):
  return zsar_jax.load(model_folder)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
  """Paths of three small videos."""
  return tiny_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="session")
def served(recognizer):
  running = Running(recognizer, workers=2, max_mb=1, max_seconds=30)
  yield running
  running.stop()
