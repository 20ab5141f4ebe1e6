"""What the rows of `report.json` share, whatever protocol they are of. numpy only; accuracies in per cent."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from zsar_jax.zeroshot import bootstrap, metrics
from zsar_jax.zeroshot.embedded import EmbeddedVideos


def of_classes(
  hits: Bool[np.ndarray, "P V"],
  members: Bool[np.ndarray, "P V"],
  label: Int[np.ndarray, " V"],
  names: Sequence[str],
  primary: bool,
) -> dict[str, Any]:
  """Each class's accuracy, meaned over the splits it is in (it has the same videos in each), and the intervals."""
  label, hits, counts = np.asarray(label), hits & members, members.sum(axis=0)
  some = counts > 0
  accuracy = hits.sum(axis=0)[some] / counts[some]
  per_class = metrics.per_class_accuracy(accuracy, label[some], names)
  return {
    "per_class": per_class,
    "mean_per_class": metrics.mean_per_class(per_class),
    "interval_videos": list(bootstrap.interval_over_videos(hits, members)) if primary else None,
    "interval_classes": list(bootstrap.interval_over_classes(hits, members, label)) if primary else None,
  }


def top(ranks: Int[np.ndarray, " V"]) -> dict[str, float]:
  """top1 and top5."""
  return {"top1": metrics.top_k_accuracy(ranks, 1), "top5": metrics.top_k_accuracy(ranks, 5)}


def empty_row(
  videos: EmbeddedVideos, space: str, protocol: str, primary: bool, num_classes: int
) -> dict[str, Any]:
  """Every key of a row; those without a value yet are None or empty."""
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
    "mean_per_class": None,
    "interval_videos": None,
    "interval_classes": None,
    "hubness": {},
    "splits": [],
  }
