"""Which classes compete: all, ten halves (E2E section 4.1), or seen and unseen. One `report.json` row each.

All scoring is done from kept embeddings; no video is seen again. Accuracies are per cent of videos.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from zsar_jax.classes import splits
from zsar_jax.errors import InputError, raise_all
from zsar_jax.types import Prototypes
from zsar_jax.zeroshot import classify, metrics

PrototypesFor = Callable[[np.ndarray], Prototypes]


class EmbeddedVideos(NamedTuple):
  """The embedded videos of one data set, in one space, at one level."""

  dataset: str
  names: tuple[str, ...]  # its K classes
  embeddings: Float[np.ndarray, "V D"]
  label: Int[np.ndarray, " V"]  # index into `names`
  num_clips: int  # clips behind each embedding
  num_skipped: int = 0  # videos that could not be embedded
  level: str = "video"  # or "clip"


def score_all(
  videos: EmbeddedVideos, prototypes: Prototypes, *, primary: bool, protocol: str = "all"
) -> dict[str, Any]:
  """Every class competes; `protocol` may be "validation" where the classes are the seen ones.

  Raises InputError for embeddings that are not finite and for prototypes that do not fit them.
  """
  _check(videos, prototypes, videos.names)
  everyone = np.ones((1, len(videos.names)), bool)
  ranks = _ranks(videos.embeddings, prototypes.vectors, videos.label, everyone)[0]
  row = _row(videos, prototypes.space, protocol, primary, len(videos.names))
  return row | _top(ranks) | {"per_class": metrics.per_class_accuracy(ranks < 1, videos.label, videos.names)}


def score_half(
  videos: EmbeddedVideos, prototypes: Prototypes | PrototypesFor, *, primary: bool, num_splits: int = 10
) -> dict[str, Any]:
  """Only half the classes, and their videos, compete: mean and deviation (ddof 0) over seeded splits.

  `prototypes` are those of all classes, where a class's prototype does not depend on which others compete:
  one masked pass then scores every split. Else it is a function from the rows of a split's classes to their
  Prototypes, in that order (ResT's Eq. 5 looks at the unseen classes at hand). Splits that hold no video are
  left out.
  """
  rows = splits.half_class_rows(videos.names, num_splits)
  if isinstance(prototypes, Prototypes):
    _check(videos, prototypes, videos.names)
    space, ranks = prototypes.space, _half_ranks(videos, prototypes, rows)
  else:
    space, ranks = _recomposed_ranks(videos, prototypes, rows)
  members = splits.class_masks(rows, len(videos.names))[:, videos.label]
  scored = [seed for seed in range(num_splits) if members[seed].any()]
  if not scored:
    raise InputError(
      f"{videos.dataset}: no half-class split holds a video: expected videos of at least one class"
    )
  result: list[dict[str, Any]] = []
  for seed in scored:
    own = ranks[seed][members[seed]]
    names = [videos.names[row] for row in rows[seed]]
    result.append(
      {
        "seed": seed,
        "classes": names,
        "top1": metrics.top_k_accuracy(own, 1),
        "top5": metrics.top_k_accuracy(own, 5),
      }
    )
  top1, deviation = metrics.mean_and_std([split["top1"] for split in result])
  top5, _ = metrics.mean_and_std([split["top5"] for split in result])
  return _row(videos, space, "half", primary, rows.shape[1]) | {
    "top1": top1,
    "top5": top5,
    "top1_std": deviation,
    "per_class": _per_class_of_splits(videos, ranks, members),
    "splits": result,
  }


def score_generalized(
  unseen: EmbeddedVideos,
  seen: EmbeddedVideos,
  unseen_prototypes: Prototypes,
  seen_prototypes: Prototypes,
  *,
  primary: bool,
) -> dict[str, Any]:
  """Seen and unseen classes compete for the videos of both; adds `seen`, `unseen` and their harmonic mean.

  `seen` and `unseen` are top-1 over the videos of each kind, `top1` over all of them together. The row is
  filed under the unseen data set. Raises InputError where a class is on both sides.
  """
  _check(unseen, unseen_prototypes, unseen.names)
  _check(seen, seen_prototypes, seen.names)
  both = sorted(set(unseen.names) & set(seen.names))
  raise_all([f"class {name!r} is both seen and unseen: remove it from the seen classes" for name in both])
  if unseen_prototypes.space != seen_prototypes.space or unseen.level != seen.level:
    raise InputError(
      f"seen videos are {seen.level}s in {seen_prototypes.space} space, unseen ones {unseen.level}s in "
      f"{unseen_prototypes.space} space: expected the same of both"
    )
  names = unseen.names + seen.names
  label = np.concatenate([unseen.label, np.asarray(seen.label) + len(unseen.names)])
  ranks = _ranks(
    np.concatenate([unseen.embeddings, seen.embeddings]),
    np.concatenate([unseen_prototypes.vectors, seen_prototypes.vectors]),
    label,
    np.ones((1, len(names)), bool),
  )[0]
  split = len(unseen.label)
  accuracy = {
    "seen": metrics.top_k_accuracy(ranks[split:], 1),
    "unseen": metrics.top_k_accuracy(ranks[:split], 1),
  }
  row = _row(unseen, unseen_prototypes.space, "generalized", primary, len(names))
  row |= {"num_videos": len(label), "num_skipped": unseen.num_skipped + seen.num_skipped}
  row |= _top(ranks) | {"per_class": metrics.per_class_accuracy(ranks < 1, label, names)}
  return row | accuracy | {"harmonic": metrics.harmonic_mean(**accuracy)}


def _ranks(embeddings, prototypes, label, masks: Bool[np.ndarray, "P K"]) -> Int[np.ndarray, "P V"]:
  return np.asarray(
    classify.ranks(classify.scores(embeddings, prototypes), np.asarray(label, np.int32), masks)
  )


def _half_ranks(videos: EmbeddedVideos, prototypes: Prototypes, rows) -> Int[np.ndarray, "P V"]:
  return _ranks(
    videos.embeddings, prototypes.vectors, videos.label, splits.class_masks(rows, len(videos.names))
  )


def _recomposed_ranks(
  videos: EmbeddedVideos, make: PrototypesFor, rows
) -> tuple[str, Int[np.ndarray, "P V"]]:
  """Ranks where each split has prototypes of its own; videos of other classes keep rank -1."""
  ranks = np.full((len(rows), len(videos.label)), -1)
  space = ""
  position = np.zeros(len(videos.names), np.int64)
  for seed, classes in enumerate(rows):
    prototypes = make(classes)
    space = prototypes.space
    _check(videos, prototypes, tuple(videos.names[row] for row in classes))
    member = np.isin(videos.label, classes)
    position[classes] = np.arange(len(classes))
    # All videos are scored, the others against class 0, so that every split shares one compiled shape.
    label = np.where(member, position[videos.label], 0)
    split_ranks = _ranks(videos.embeddings, prototypes.vectors, label, np.ones((1, len(classes)), bool))[0]
    ranks[seed] = np.where(member, split_ranks, -1)
  return space, ranks


def _per_class_of_splits(videos: EmbeddedVideos, ranks, members) -> dict[str, float]:
  """Each class's accuracy, meaned over the splits it is in (a class has the same videos in each)."""
  counts = members.sum(axis=0)
  hits = ((ranks < 1) & members).sum(axis=0) / np.maximum(counts, 1)
  in_some = counts > 0
  return metrics.per_class_accuracy(hits[in_some], np.asarray(videos.label)[in_some], videos.names)


def _top(ranks: Int[np.ndarray, " V"]) -> dict[str, float]:
  return {"top1": metrics.top_k_accuracy(ranks, 1), "top5": metrics.top_k_accuracy(ranks, 5)}


def _row(
  videos: EmbeddedVideos, space: str, protocol: str, primary: bool, num_classes: int
) -> dict[str, Any]:
  return {
    "dataset": videos.dataset,
    "protocol": protocol,
    "space": space,
    "level": videos.level,
    "primary": primary,
    "num_classes": num_classes,
    "num_videos": len(videos.label),
    "num_skipped": videos.num_skipped,
    "num_clips": videos.num_clips,
    "chance_top1": 100.0 / num_classes,
    "top1": None,
    "top5": None,
    "top1_std": None,
    "per_class": {},
    "splits": [],
  }


def _check(videos: EmbeddedVideos, prototypes: Prototypes, names: Sequence[str]) -> None:
  embeddings, vectors = np.asarray(videos.embeddings), np.asarray(prototypes.vectors)
  problems = []
  if tuple(prototypes.names) != tuple(names):
    problems.append(
      "prototypes and videos name different classes, or in another order: make both from the same class list"
    )
  if vectors.ndim != 2 or embeddings.ndim != 2 or vectors.shape[1:] != embeddings.shape[1:]:
    problems.append(
      f"embeddings are {list(embeddings.shape)}, prototypes {list(vectors.shape)}: expected the same width; "
      "are they of the same model?"
    )
  if len(videos.label) == 0:
    problems.append("no video was embedded: nothing can be scored")
  elif len(videos.label) != len(embeddings) or not (
    0 <= np.min(videos.label) <= np.max(videos.label) < len(videos.names)
  ):
    problems.append(
      f"expected a label from 0 to {len(videos.names) - 1} for each of {len(embeddings)} embeddings"
    )
  for what, array in (("embedding", embeddings), ("prototype", vectors)):
    bad = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
    if len(bad):
      rows = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
      problems.append(
        f"{len(bad)} {what}(s) are not finite (rows {rows}): the model diverged or its checkpoint is damaged"
      )
  raise_all([f"{videos.dataset}: {problem}" for problem in problems])
