"""The nouns of records: what is stored, where, and in which columns it is found again. Needs numpy only.

A directory of records holds the shards `zsar_videos-videos.tfrecord-SSSSS-of-NNNNN`, their columns
`shards/SSSSS.npz`, the merged `index/` (see `index.py`), TFDS's metadata and `quarantine.jsonl`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt32

SCHEMA = 2
DATASET, SPLIT = "zsar_videos", "videos"
# What a record holds: frames of a video, one still image, feature vectors (height 1, width D; a "frame" is D float32).
KINDS = ("video", "image", "features")

# One value a video, one a frame. Offsets are in bytes: of a record's payload in its file, of a frame in its
# record.
VIDEO_COLUMNS = {
  "label": np.int32,
  "num_frames": np.int32,
  "fps": np.float32,
  "height": np.int32,
  "width": np.int32,
  "record_offset": np.int64,
  "record_length": np.int64,
}
FRAME_COLUMNS = {"frame_offset": np.uint32, "frame_length": np.uint32, "frame_crc32c": np.uint32}


def make_columns(
  videos: Sequence[Mapping[str, Any]], frames: Sequence[Int64[np.ndarray, "T 3"]]
) -> dict[str, np.ndarray]:
  """The columns of one record file, videos in its order.

  Args:
    videos: what `VIDEO_COLUMNS` names, and `video_id` as bytes.
    frames: what `FRAME_COLUMNS` names, a row a frame, for each video.
  """
  columns = {name: np.array([video[name] for video in videos], t) for name, t in VIDEO_COLUMNS.items()}
  flat = np.concatenate([*frames, np.zeros((0, 3), np.int64)])
  columns |= {name: flat[:, i].astype(t) for i, (name, t) in enumerate(FRAME_COLUMNS.items())}
  columns["video_id"] = np.array([video["video_id"] for video in videos], np.bytes_)
  return columns


class Entry(NamedTuple):
  """A video, a still image or an array of features to store."""

  path: str
  label: int  # row of the class names
  video_id: str  # unique in the data set
  start: float = 0.0  # seconds: the segment to keep
  end: float | None = None  # seconds; None: to the end of the file
  row: int = -1  # of the records or of the array at `path`, where one file holds many; -1: the whole file


class Quarantined(NamedTuple):
  """A video that could not be stored, and why, in words."""

  path: str
  reason: str


# libjpeg's scale, roughly. Against 95: half the bytes, decoded a third faster, 1.5 to 4 dB of PSNR less, which on real videos still is
# 1 to 6 dB more than the small H.264 copies have that others train on (benchmarks/results/tried.md).
JPEG_QUALITY = 85


class RecordOptions(NamedTuple):
  """What decides the bytes of the records, besides the videos."""

  short_side: int  # pixels; 0 where sizes are what they are: features, records that another writer made
  fps: float | None = None  # at most so many frames a second; None keeps all
  jpeg_quality: int = JPEG_QUALITY
  kind: str = "video"  # one of KINDS


class ShardSpec(NamedTuple):
  """All that `write_shard` needs to know."""

  directory: str
  number: int  # of this shard, from 0
  num_shards: int
  entries: tuple[Entry, ...]
  class_names: tuple[str, ...]
  options: RecordOptions
  timeout: float = 60.0  # seconds for each video

  @property
  def file(self) -> Path:
    name = f"{DATASET}-{SPLIT}.tfrecord-{self.number:05d}-of-{self.num_shards:05d}"
    return Path(self.directory) / name

  @property
  def columns_file(self) -> Path:
    return Path(self.directory) / "shards" / f"{self.number:05d}.npz"


class ShardResult(NamedTuple):
  """A finished shard."""

  file: str  # name in the directory
  size: int  # bytes
  sha256: str  # hexadecimal
  num_videos: int
  quarantined: tuple[Quarantined, ...]


class DecodedVideo(NamedTuple):
  """A video decoded once: every frame as a JPEG of the same size (of features: every vector as float32 bytes)."""

  frames: list[bytes]  # T of them
  crcs: UInt32[np.ndarray, " T"]  # CRC-32C of each
  fps: float  # frames a second of `frames`; 0 where there is no time
  height: int  # pixels; 1 for features
  width: int  # pixels; D for features
  source_fps: float
  source_frames: int  # in the source's header, 0 where it has no count
  source_size: int  # bytes
  source_hash: str  # SHA-256 of the source file, hexadecimal
  start: float  # seconds of the source that `frames` cover
  end: float
