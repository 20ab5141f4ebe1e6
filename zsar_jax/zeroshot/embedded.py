"""The embedded videos of a data set, and what must hold before they are scored."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from zsar_jax.errors import raise_all
from zsar_jax.types import Prototypes

# One vector a video, the mean of its clips' embeddings; the mean of their unit vectors, so that scores are averaged;
# the middle clip alone; every clip a sample of its own.
LEVELS = ("video", "scores", "single", "clip")


class EmbeddedVideos(NamedTuple):
  """The embedded videos of one data set, in one space, at one level. Arrays may be numpy's or jax's (also on a mesh)."""

  dataset: str
  names: tuple[str, ...]  # its K classes
  embeddings: Float[np.ndarray, "V D"]  # level clip: V * N rows, and as many labels (and ids)
  label: Int[np.ndarray, " V"]  # index into `names`
  num_clips: int  # clips behind each embedding
  num_skipped: int = 0  # videos that could not be embedded
  level: str = "video"  # one of LEVELS
  video_ids: Sequence[str] | None = None  # one a row of `embeddings`, to name videos in messages


def check_embedded(videos: EmbeddedVideos, prototypes: Prototypes, names: Sequence[str]) -> None:
  """Raises one InputError for all that keeps the videos from being scored with prototypes of the classes `names`."""
  embeddings, vectors = np.asarray(videos.embeddings), np.asarray(prototypes.vectors)
  problems = []
  if videos.level not in LEVELS:
    problems.append(f"level is {videos.level!r}: expected one of {', '.join(LEVELS)}")
  if tuple(prototypes.names) != tuple(names):
    problems.append(
      "prototypes and videos name different classes, or in another order: make both from the same class list"
    )
  if vectors.ndim != 2 or embeddings.ndim != 2 or vectors.shape[1:] != embeddings.shape[1:]:
    problems.append(
      f"embeddings are {list(embeddings.shape)}, prototypes {list(vectors.shape)}: expected the same width; "
      "are they of the same model?"
    )
  problems += _label_problems(videos, len(embeddings))
  ids = videos.video_ids
  problems += _not_finite(
    "embedding", "videos", embeddings, ids if ids is not None and len(ids) == len(embeddings) else None
  )
  problems += _not_finite("prototype", "classes", vectors, names if len(names) == len(vectors) else None)
  raise_all([f"{videos.dataset}: {problem}" for problem in problems])


def check_num_unseen(videos: EmbeddedVideos) -> None:
  """Raises InputError for fewer than two unseen classes: any guess among one is right."""
  if len(videos.names) < 2:
    named = ", ".join(map(repr, videos.names)) or "none"
    raise_all(
      [f"{videos.dataset}: expected at least 2 unseen classes: got {named}; give the data set more classes"]
    )


def _label_problems(videos: EmbeddedVideos, num_embeddings: int) -> list[str]:
  label, ids = np.asarray(videos.label), videos.video_ids
  if not len(label):
    return ["no video was embedded: nothing can be scored"]
  problems = []
  if len(label) != num_embeddings or not 0 <= label.min() <= label.max() < len(videos.names):
    problems.append(
      f"expected a label from 0 to {len(videos.names) - 1} for each of {num_embeddings} embeddings"
    )
  if ids is not None and len(ids) != num_embeddings:
    problems.append(f"expected one video id for each of {num_embeddings} embeddings, got {len(ids)}")
  return problems


def _not_finite(
  what: str, whose: str, array: Shaped[np.ndarray, "V D"], names: Sequence[str] | None
) -> list[str]:
  with np.errstate(over="ignore", invalid="ignore"):
    if array.ndim != 2 or np.isfinite(array.sum()):  # quick: makes no second array
      return []
  bad = np.flatnonzero(~np.isfinite(array).all(axis=1)).tolist()
  if not bad:  # only their sum was too large
    return []
  told = list(dict.fromkeys(map(repr, (names[row] for row in bad)) if names is not None else map(str, bad)))
  where = ", ".join(told[:10]) + (", ..." if len(told) > 10 else "")
  whose = "rows" if names is None else f"{len(told)} {whose}"
  return [
    f"{len(bad)} {what}(s) are not finite ({whose} {where}): the model diverged or its checkpoint is damaged"
  ]
