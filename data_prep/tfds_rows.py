"""From serialised examples to the columns of an index."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.tfds_features import Chosen
from data_prep.tfrecords import locate_bytes
from zsar_jax.data.crc32c import crc32c
from zsar_jax.data.index_writer import ShardColumns
from zsar_jax.data.schema import make_columns
from zsar_jax.data.tensorflow_import import tensorflow

_BEGINNINGS = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}


class Rows:
  """Collects the rows of one file after another, and what is wrong with them.

  Attributes:
    num_videos, num_frames: so far.
    num_empty: records without a frame, which get no row.
  """

  def __init__(self, chosen: Chosen):
    self._chosen = chosen
    self._videos: list[dict[str, Any]] = []
    self._frames: list[np.ndarray] = []
    self._problems: list[str] = []
    self._ids: Counter[bytes] = Counter()
    self._encodings: dict[str, str] = {}  # and where each was first met
    self.num_videos = self.num_frames = self.num_empty = 0

  def add(self, path: Path, number: int, offset: int, record: bytes) -> None:
    """Takes record `number` of a file, whose bytes begin at `offset`."""
    place = f"{path}, offset {offset}"
    try:
      example = tensorflow().train.Example.FromString(record)
      located = locate_bytes(record, self._chosen.frames)
    except Exception as error:  # protobuf raises its own kinds
      self._problems.append(f"{place}: the record is no tf.train.Example ({error})")
      return
    features = example.features.feature
    frames = list(features[self._chosen.frames].bytes_list.value)
    if not frames:
      self.num_empty += 1
      return
    if [record[begin:end] for begin, end in located] != frames:
      self._problems.append(f"{place}: the frames are not where the message says")
      return
    size = self._picture_size(place, frames)
    label = self._label(place, features)
    if size is None or label is None:
      return
    name = f"{path.name}#{number}".encode()
    if self._chosen.video_id is not None:
      name = next(iter(features[self._chosen.video_id].bytes_list.value), b"")
    if not name:
      self._problems.append(
        f"{place}: {self._chosen.video_id!r}, which names the videos, is empty: name another feature with --id, "
        "or --id none"
      )
      return
    self._ids[name] += 1
    fps = next(iter(features[self._chosen.fps].float_list.value), 0.0) if self._chosen.fps else 0.0
    self._videos.append(
      {
        "label": label,
        "num_frames": len(frames),
        "fps": fps,
        "height": size[1],
        "width": size[0],
        "record_offset": offset,
        "record_length": len(record),
        "video_id": name,
      }
    )
    begins, ends = np.array(located, np.int64).T
    self._frames.append(np.stack([begins, ends - begins, crc32c(frames)], axis=1))

  def _picture_size(self, place: str, frames: list[bytes]) -> tuple[int, int] | None:
    """Width and height in pixels, from the header of the first frame, whose encoding is noted too."""
    from PIL import Image, UnidentifiedImageError

    kinds = {next((k for k, b in _BEGINNINGS.items() if frame.startswith(b)), "") for frame in frames}
    for kind in kinds:
      self._encodings.setdefault(kind, place)
    if "" in kinds:
      self._problems.append(f"{place}: a frame is neither JPEG nor PNG")
      return None
    try:
      with Image.open(io.BytesIO(frames[0])) as picture:
        return picture.size
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
      self._problems.append(f"{place}: the first frame has no readable header ({error})")
      return None

  def _label(self, place: str, features: Any) -> int | None:
    values = features[self._chosen.label].int64_list.value
    label = int(values[0]) if values else -1
    if 0 <= label < len(self._chosen.class_names):
      return label
    self._problems.append(
      f"{place}: label {label}, expected 0 to {len(self._chosen.class_names) - 1}; "
      "leave a split without labels out with --split"
    )
    return None

  def take(self) -> ShardColumns:
    """The columns of the file that ends here."""
    columns = make_columns(self._videos, self._frames)
    self.num_videos += len(self._videos)
    self.num_frames += len(columns["frame_length"])
    self._videos, self._frames = [], []
    return columns

  @property
  def encoding(self) -> str:
    """Of the frames so far."""
    return next(iter(self._encodings), "jpeg")

  def problems(self) -> list[str]:
    """What is wrong with the rows of all files."""
    problems = list(self._problems)
    if len(set(self._encodings) - {""}) > 1:
      places = " and ".join(f"{kind} ({place})" for kind, place in self._encodings.items() if kind)
      problems.append(f"frames are encoded differently, {places}: only one encoding can be read")
    repeated = [name for name, count in self._ids.items() if count > 1]
    if repeated:
      shown = ", ".join(repr(name.decode(errors="replace")) for name in repeated[:5])
      problems.append(
        f"{len(repeated)} ids of {self._chosen.video_id!r} repeat, such as {shown}: name another feature with --id, "
        "or --id none"
      )
    if not self.num_videos and not problems:
      problems.append("there is no record with a frame")
    return problems
