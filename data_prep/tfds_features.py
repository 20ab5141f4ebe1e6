"""Which features of a TFDS data set are the frames, the label and the id of a video."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from zsar_jax.data.tensorflow_import import tensorflow_datasets
from zsar_jax.errors import did_you_mean, raise_all

# Of the texts that name a record, the first of these is its id.
_ID_NAMES = ("video_id", "id", "video", "file_name", "filename", "name", "path")


class Chosen(NamedTuple):
  """Names of features."""

  frames: str
  label: str
  video_id: str | None  # None: no feature names the videos
  fps: str | None
  kind: str  # "video", or "image": one frame
  class_names: tuple[str, ...]


def choose_features(features: Any, frames: str | None, label: str | None, video_id: str | None) -> Chosen:
  """Finds the features that a user did not name.

  Args:
    features: of the data set, a TFDS `FeaturesDict`.
    frames, label, video_id: names of features, None to find them; `video_id` "none" for no feature.

  Raises:
    InputError: none fits, several do, or the named one does not; every such problem at once.
  """
  problems: list[str] = []
  frames = _choose(
    features, frames, "--frames", _holds_frames, "a Video, Sequence of Images or Image, uint8", problems
  )
  label = _choose(features, label, "--label", _is_label, "a ClassLabel", problems)
  if video_id is None:
    video_id = next((name for name in _ID_NAMES if name in features and _is_text(features[name])), None)
  elif video_id == "none":
    video_id = None
  else:
    video_id = _choose(features, video_id, "--id", _is_text, "a Text", problems)
  raise_all(problems, "the features of this data set do not fit:")
  fps = "fps" if "fps" in features and _is_number(features["fps"]) else None
  kind = "image" if isinstance(features[frames], tensorflow_datasets().features.Image) else "video"
  return Chosen(frames, label, video_id, fps, kind, tuple(features[label].names))


def _choose(
  features: Any,
  name: str | None,
  option: str,
  fits: Callable[[Any], bool],
  expected: str,
  problems: list[str],
) -> str:
  fitting = [key for key in sorted(features) if fits(features[key])]
  if name is None and len(fitting) == 1:
    return fitting[0]
  if name is not None and name in fitting:
    return name
  if name is None and fitting:
    problems.append(f"{expected} is what several are, {', '.join(fitting)}: choose with {option}")
  elif name is None:
    there = ", ".join(f"{key} ({type(features[key]).__name__})" for key in sorted(features))
    problems.append(f"none is {expected}; there are: {there}")
  elif name in features:
    problems.append(f"{option} {name}: it is a {type(features[name]).__name__}, expected {expected}")
  else:
    problems.append(f"{option} {name}: there is no such feature{did_you_mean(name, features)}")
  return ""


def _holds_frames(feature: Any) -> bool:
  kinds = tensorflow_datasets().features
  if isinstance(feature, kinds.Sequence) and not isinstance(feature, kinds.Video):
    feature = feature.feature
  pictures = isinstance(feature, kinds.Image | kinds.Video) and not isinstance(feature, kinds.LabeledImage)
  return pictures and feature.np_dtype == np.uint8


def _is_label(feature: Any) -> bool:
  return isinstance(feature, tensorflow_datasets().features.ClassLabel)


def _is_text(feature: Any) -> bool:
  kinds = tensorflow_datasets().features
  return isinstance(feature, kinds.Text) or (
    isinstance(feature, kinds.Tensor) and feature.shape == () and np.dtype(feature.np_dtype).kind in "OSU"
  )


def _is_number(feature: Any) -> bool:
  return getattr(feature, "shape", None) == () and np.dtype(feature.np_dtype).kind == "f"
