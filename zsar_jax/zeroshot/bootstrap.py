"""95 % percentile bootstrap of an accuracy that is a mean over class splits. numpy only; seeded, so the same every time.

Axes: P split (one where all classes compete), V video, R resample, G group of interchangeable things.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

NUM_RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
_CHUNK = 100  # resamples at a time: counts of 27,000 distinct videos stay small


def interval_over_videos(
  hits: Bool[np.ndarray, "P V"], members: Bool[np.ndarray, "P V"], num_resamples: int = NUM_RESAMPLES
) -> tuple[float, float]:
  """Per cent: where the mean over splits of (hits / members) lies when the videos are drawn anew.

  Each resample draws V videos with replacement; a drawn video counts in every split that it is a member of.
  """
  members = np.asarray(members, bool)
  columns = np.concatenate([np.asarray(hits, bool) & members, members])  # [2P,V]
  # Videos with equal columns are interchangeable: how often each kind is drawn is all that matters.
  keys = np.ascontiguousarray(np.packbits(columns, axis=0).T)
  _, kept, counts = np.unique(
    keys.view(np.dtype((np.void, keys.shape[1])))[:, 0], return_index=True, return_counts=True
  )
  groups = columns[:, kept].astype(np.float64)
  return _interval(groups[: len(members)], groups[len(members) :], counts, num_resamples)


def interval_over_classes(
  hits: Bool[np.ndarray, "P V"],
  members: Bool[np.ndarray, "P V"],
  label: Int[np.ndarray, " V"],
  num_resamples: int = NUM_RESAMPLES,
) -> tuple[float, float]:
  """The same when the classes are drawn anew, each with all its videos: usually wider, as classes differ more than videos.

  Each resample draws as many classes as have a video.
  """
  members = np.asarray(members, bool)
  _, label = np.unique(label, return_inverse=True)
  hit_sums, member_sums = _sums(np.asarray(hits, bool) & members, label), _sums(members, label)
  return _interval(hit_sums, member_sums, np.ones(label.max() + 1, np.int64), num_resamples)


def _sums(values: Bool[np.ndarray, "P V"], label: Int[np.ndarray, " V"]) -> Float64[np.ndarray, "P G"]:
  return np.stack([np.bincount(label, weights=row, minlength=label.max() + 1) for row in values])


def _interval(
  hits: Float[np.ndarray, "P G"],
  members: Float[np.ndarray, "P G"],
  counts: Int[np.ndarray, " G"],
  num_resamples: int,
) -> tuple[float, float]:
  """Groups drawn in proportion to `counts`, `counts.sum()` times. Splits that come up empty are left out of a mean."""
  rng, total = np.random.default_rng(0), int(counts.sum())
  means = []
  for first in range(0, num_resamples, _CHUNK):
    drawn = rng.multinomial(total, counts / total, size=min(_CHUNK, num_resamples - first))
    right, of = drawn @ hits.T, drawn @ members.T  # [R,P]
    some = of > 0
    accuracy = np.where(some, right / np.maximum(of, 1), 0).sum(axis=1)
    means.append(accuracy[some.any(axis=1)] / some.sum(axis=1)[some.any(axis=1)])
  low, high = 100.0 * np.percentile(np.concatenate(means), PERCENTILES)
  return float(low), float(high)
