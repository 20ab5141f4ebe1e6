"""TensorBoard events."""

import pathlib
import time
from collections.abc import Mapping

from zsar_jax.train.saving import telling

WITHOUT = ", or do without TensorBoard: --config.logging.tensorboard=false"


class Events:
  """Scalars in `events/` of a workdir, on disk when a call returns. Points of an earlier run from `first_step` on are taken back.

  Written in the caller's thread: the library's own writer has one that dies of a full disk, after which its callers wait for ever.

  Raises:
    SaveError: the folder cannot be written.
  """

  def __init__(self, workdir: pathlib.Path, first_step: int):
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    self._folder = workdir / "events"
    with telling(self._folder, WITHOUT):
      self._folder.mkdir(exist_ok=True)
      self._writer = EventsWriter(str(self._folder / "events"))
      start = SessionLog(status=SessionLog.START)
      self._writer.write_event(Event(wall_time=time.time(), step=first_step, session_log=start))
      self._writer.flush()

  def add(self, scalars: Mapping[str, float], step: int) -> None:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    with telling(self._folder, WITHOUT):
      for name, value in scalars.items():
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
      self._writer.flush()

  def close(self) -> None:
    with telling(self._folder, WITHOUT):
      self._writer.close()
