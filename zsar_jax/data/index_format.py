"""What the files of an index hold. An index is `index.json` and one memory-mapped `NAME.npy` a column."""

from typing import Any

import numpy as np

from zsar_jax.data import storage
from zsar_jax.data.schema import FRAME_COLUMNS, VIDEO_COLUMNS
from zsar_jax.files import parse_json

# Columns of the whole index that shards do not have: which file a video is in, where its frames and its id start.
MERGED_COLUMNS = {
  "shard": np.int32,
  "first_frame": np.int64,
  "first_id_byte": np.int64,
  "id_bytes": np.uint8,
}
COLUMNS: dict[str, Any] = VIDEO_COLUMNS | FRAME_COLUMNS | MERGED_COLUMNS

# Of index.json: schema; class_names; options (of `RecordOptions`); encoding of a frame ("jpeg", "png", "float32");
# made_by, the command; features, as `feature_shapes` gives them; columns, {name: {length, sha256}}; shards, record
# files in order, [{file, size, sha256, num_videos}]; and sha256, see `files.json_digest` (older ones lack it).
KEYS = ("class_names", "options", "encoding", "made_by", "features", "columns", "shards")


# Columns that are hashed whenever an index is opened: nothing that is read later would show a wrong label or name. Where frames lie
# is told by the checksums of their bytes, and these columns are far longer.
HASHED = (
  "label",
  "num_frames",
  "fps",
  "height",
  "width",
  "shard",
  "first_frame",
  "first_id_byte",
  "id_bytes",
)


def feature_shapes(directory: str) -> dict[str, dict[str, Any]]:
  """Type and shape of every feature of the records, by name, as TFDS's `features.json` says. Nested names hold "/".

  Raises:
    OSError: it cannot be read.
    ValueError: it is not what TFDS writes.
  """
  described = parse_json(storage.read_bytes(storage.join(directory, "features.json")))
  try:
    return _flattened("", described, ())
  except (KeyError, TypeError, AttributeError, StopIteration, OverflowError, RecursionError) as error:
    raise ValueError(f"not a description of features: {error!r}") from error


def _flattened(name: str, node: dict[str, Any], outer: tuple[int | None, ...]) -> dict[str, dict[str, Any]]:
  if "featuresDict" in node:
    parts = node["featuresDict"]["features"].items()
    named = [_flattened(f"{name}/{key}" if name else key, part, outer) for key, part in parts]
    return {key: value for part in named for key, value in part.items()}
  if "sequence" in node:
    return _flattened(
      name, node["sequence"]["feature"], (*outer, _size(node["sequence"].get("length", "-1")))
    )
  kind, body = next((key, value) for key, value in node.items() if isinstance(value, dict))
  shape = [*outer, *map(_size, body.get("shape", {}).get("dimensions", []))]
  if kind == "classLabel":
    return {name: {"dtype": "int64", "shape": shape, "num_classes": int(body["numClasses"])}}
  return {name: {"dtype": "string" if kind == "text" else body.get("dtype", ""), "shape": shape}}


def _size(text: str) -> int | None:
  return None if int(text) < 0 else int(text)
