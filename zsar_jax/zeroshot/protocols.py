"""Which classes compete: all, ten halves (E2E section 4.1), or seen and unseen. One `report.json` row each.

All scoring is done from kept embeddings; no video is seen again. Accuracies are per cent of videos (of clips at level clip).
Primary rows also get 95 % bootstrap intervals of their top-1, over videos and over classes.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from zsar_jax.classes import splits
from zsar_jax.errors import InputError, raise_all
from zsar_jax.types import Prototypes
from zsar_jax.zeroshot import classify, generalized, metrics, report_row
from zsar_jax.zeroshot.embedded import EmbeddedVideos, check_embedded, check_num_unseen

PrototypesFor = Callable[[np.ndarray], Prototypes]

_CHUNK = (
  1 << 16
)  # rows scored at a time: every clip of a large test set against 1000 classes would fill gigabytes


def score_all(
  videos: EmbeddedVideos, prototypes: Prototypes, *, primary: bool, protocol: str = "all"
) -> dict[str, Any]:
  """Every class competes; `protocol` may be "validation" where the classes are the seen ones.

  Level video of protocol "all" also tells the prototypes' hubness. Raises InputError for embeddings that are not
  finite (naming the videos), for prototypes that do not fit them, and for fewer than two unseen classes.
  """
  if protocol == "all":
    check_num_unseen(videos)
  check_embedded(videos, prototypes, videos.names)
  everyone, hubs = np.ones((1, len(videos.names)), bool), protocol == "all" and videos.level == "video"
  ranks, nearest = _ranks(videos, prototypes, everyone, hubs)
  return _row_of_all(videos, prototypes.space, ranks, nearest, primary, protocol)


def score_half(
  videos: EmbeddedVideos, prototypes: Prototypes | PrototypesFor, *, primary: bool, num_splits: int = 10
) -> dict[str, Any]:
  """Only half the classes, and their videos, compete: mean and deviation (ddof 0) over seeded splits.

  `prototypes` are those of all classes, where a class's prototype does not depend on which others compete:
  one masked pass then scores every split. Else it is a function from the rows of a split's classes to their
  Prototypes, in that order (ResT's Eq. 5 looks at the unseen classes at hand). Splits that hold no video are
  left out.
  """
  check_num_unseen(videos)
  rows = splits.half_class_rows(videos.names, num_splits)
  if isinstance(prototypes, Prototypes):
    check_embedded(videos, prototypes, videos.names)
    space = prototypes.space
    ranks, _ = _ranks(videos, prototypes, splits.class_masks(rows, len(videos.names)), False)
  else:
    space, ranks = _recomposed_ranks(videos, prototypes, rows)
  return _row_of_half(videos, space, ranks, rows, primary)


def score_all_and_half(
  videos: EmbeddedVideos, prototypes: Prototypes, *, primary: bool, num_splits: int = 10
) -> tuple[dict[str, Any], dict[str, Any]]:
  """The rows of `score_all` and `score_half` from one masked pass, for prototypes that do not depend on which others compete."""
  check_num_unseen(videos)
  check_embedded(videos, prototypes, videos.names)
  rows = splits.half_class_rows(videos.names, num_splits)
  everyone, halves = np.ones((1, len(videos.names)), bool), splits.class_masks(rows, len(videos.names))
  ranks, nearest = _ranks(videos, prototypes, np.concatenate([everyone, halves]), videos.level == "video")
  return (
    _row_of_all(videos, prototypes.space, ranks[:1], nearest, primary, "all"),
    _row_of_half(videos, prototypes.space, ranks[1:], rows, primary),
  )


def _row_of_all(
  videos: EmbeddedVideos, space: str, ranks, nearest, primary: bool, protocol: str
) -> dict[str, Any]:
  row = report_row.empty_row(videos, space, protocol, primary, len(videos.names)) | report_row.top(ranks[0])
  row["hubness"] = {} if nearest is None else metrics.hubness(nearest, len(videos.names))
  return row | report_row.of_classes(
    ranks < 1, np.ones(ranks.shape, bool), videos.label, videos.names, primary
  )


def _row_of_half(
  videos: EmbeddedVideos,
  space: str,
  ranks: Int[np.ndarray, "P V"],
  rows: Int[np.ndarray, "P half"],
  primary: bool,
) -> dict[str, Any]:
  members = splits.class_masks(rows, len(videos.names))[:, videos.label]
  num_videos = members.sum(axis=1)
  scored = np.flatnonzero(num_videos)
  if not len(scored):
    raise InputError(
      f"{videos.dataset}: no half-class split holds a video: expected videos of at least one class"
    )
  top = {k: 100.0 * ((ranks < k) & members).sum(axis=1) / np.maximum(num_videos, 1) for k in (1, 5)}
  result: list[dict[str, Any]] = [
    {
      "seed": int(seed),
      "classes": [videos.names[row] for row in rows[seed].tolist()],
      "top1": float(top[1][seed]),
      "top5": float(top[5][seed]),
    }
    for seed in scored
  ]
  top1, deviation = metrics.mean_and_std([split["top1"] for split in result])
  top5, _ = metrics.mean_and_std([split["top5"] for split in result])
  row = report_row.empty_row(videos, space, "half", primary, rows.shape[1])
  row |= {"top1": top1, "top5": top5, "top1_std": deviation, "splits": result}
  return row | report_row.of_classes(ranks < 1, members, videos.label, videos.names, primary)


def score_generalized(
  unseen: EmbeddedVideos,
  seen: EmbeddedVideos,
  unseen_prototypes: Prototypes,
  seen_prototypes: Prototypes,
  *,
  primary: bool,
  gamma: float | None = None,
) -> dict[str, Any]:
  """Seen and unseen classes compete for the videos of both; adds `seen`, `unseen` and their harmonic mean.

  `seen` and `unseen` are top-1 over the videos of each kind, `top1` over all of them together. The row is
  filed under the unseen data set. Beside these stands what calibrated stacking gives, which lowers seen classes'
  scores by a gamma: the exact curve's area `ausuc` and up to 100 of its points, its `best` point, and `calibrated`,
  the point at `gamma`, where that was found without test videos. Raises InputError where a class is on both sides.
  """
  check_num_unseen(unseen)
  check_embedded(unseen, unseen_prototypes, unseen.names)
  check_embedded(seen, seen_prototypes, seen.names)
  both = sorted(set(unseen.names) & set(seen.names))
  raise_all([f"class {name!r} is both seen and unseen: remove it from the seen classes" for name in both])
  if unseen_prototypes.space != seen_prototypes.space or unseen.level != seen.level:
    raise InputError(
      f"seen videos are at level {seen.level} in {seen_prototypes.space} space, unseen ones at level {unseen.level} "
      f"in {unseen_prototypes.space} space: expected the same of both"
    )
  names = unseen.names + seen.names
  label = np.concatenate([_int32(unseen.label), _int32(seen.label) + len(unseen.names)])
  vectors = np.concatenate([unseen_prototypes.vectors, seen_prototypes.vectors])
  rank, curve = _rank_and_curve((unseen, seen), vectors, label, len(unseen.names))
  is_seen = label >= len(unseen.names)
  accuracy = {
    "seen": metrics.top_k_accuracy(rank[is_seen], 1),
    "unseen": metrics.top_k_accuracy(rank[~is_seen], 1),
  }
  row = report_row.empty_row(unseen, unseen_prototypes.space, "generalized", primary, len(names))
  row |= {"num_videos": len(label), "num_skipped": unseen.num_skipped + seen.num_skipped}
  row |= report_row.top(rank) | report_row.of_classes(
    rank[None] < 1, np.ones((1, len(label)), bool), label, names, primary
  )
  return (
    row
    | accuracy
    | {
      "harmonic": metrics.harmonic_mean(**accuracy),
      "ausuc": generalized.area(curve),
      "curve": generalized.thin(curve),
      "best": generalized.best_point(curve),
      "calibrated": None if gamma is None else generalized.point_at(curve, gamma),
    }
  )


def _rank_and_curve(
  both: tuple[EmbeddedVideos, EmbeddedVideos],
  vectors: Float[np.ndarray, "K D"],
  label: Int[np.ndarray, " V"],
  num_unseen: int,
) -> tuple[Int[np.ndarray, " V"], generalized.SeenUnseenCurve]:
  everyone = np.ones((1, len(vectors)), bool)
  ranks, margins, right, first = [], [], [], 0
  for videos in both:
    for rows, scores in _score(videos.embeddings, vectors):
      own = label[first : first + len(scores)]
      first += len(scores)
      ranks.append(classify.ranks(scores, own, everyone)[0])
      sides = classify.sides(scores, own, num_unseen)
      margin = np.asarray(sides.seen, np.float64) - np.asarray(sides.unseen, np.float64)
      if videos.level == "scores":  # the mean of unit vectors is shorter than 1, and so are averaged scores
        margin *= np.linalg.norm(np.asarray(videos.embeddings[rows], np.float64), axis=1)
      margins.append(margin)
      right.append(sides.right)
  curve = generalized.seen_unseen_curve(np.concatenate(margins), np.concatenate(right), label >= num_unseen)
  return np.concatenate(ranks), curve


def _score(
  embeddings: Float[np.ndarray, "V D"], prototypes: Float[np.ndarray, "K D"]
) -> Iterator[tuple[slice, Float[jax.Array, "C K"]]]:
  """Cosines of up to _CHUNK rows at a time; an array in one chunk is left as it lies, on whatever devices."""
  for first in range(0, len(embeddings), _CHUNK):
    rows = slice(first, first + _CHUNK)
    chunk = embeddings if len(embeddings) <= _CHUNK else embeddings[rows]
    yield rows, classify.scores(chunk, prototypes)


def _ranks(
  videos: EmbeddedVideos, prototypes: Prototypes, masks: Bool[np.ndarray, "P K"], hubs: bool
) -> tuple[Int[np.ndarray, "P V"], Int[np.ndarray, "V N"] | None]:
  """Ranks in every subset, and with `hubs` the (up to ten) nearest of all classes."""
  ranks, nearest = [], []
  for rows, scores in _score(videos.embeddings, prototypes.vectors):
    ranks.append(classify.ranks(scores, _int32(videos.label)[rows], masks))
    nearest += [classify.top_k(scores, 10)[1]] if hubs else []
  return np.concatenate(ranks, axis=1), np.concatenate(nearest) if hubs else None


def _int32(label: Int[np.ndarray, " V"]) -> Int[np.ndarray, " V"]:
  return np.asarray(label, np.int32)


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
    check_embedded(videos, prototypes, tuple(videos.names[row] for row in classes))
    member = np.isin(videos.label, classes)
    position[classes] = np.arange(len(classes))
    # All videos are scored, the others against class 0, so that every split shares one compiled shape.
    label = np.where(member, position[videos.label], 0)
    split_ranks, _ = _ranks(videos._replace(label=label), prototypes, np.ones((1, len(classes)), bool), False)
    ranks[seed] = np.where(member, split_ranks[0], -1)
  return space, ranks
