"""Rows of `report.json` for made-up embeddings: small and plain, in numpy, beside the real ones of `zsar_jax.zeroshot`."""

import numpy as np

from zsar_jax.classes import splits

LEVELS = ("video", "scores", "single", "clip")


def unit(x):
  return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def ranks(scores, label):
  """How many classes stand before the right one; scores [V, K]."""
  own = scores[np.arange(len(label)), label][:, None]
  return (scores > own).sum(1)


def at_level(clips, level):
  """(embeddings, videos' rows) of clips [V, N, D] at a level."""
  videos = np.arange(len(clips))
  if level == "clip":
    return clips.reshape(-1, clips.shape[-1]), np.repeat(videos, clips.shape[1])
  made = {"video": clips.mean(1), "scores": unit(clips).mean(1), "single": clips[:, clips.shape[1] // 2]}
  return made[level], videos


def base_row(dataset, protocol, space, level, num_classes, num_videos, num_clips, primary):
  return {
    "dataset": dataset, "protocol": protocol, "space": space, "level": level, "primary": primary,
    "num_classes": num_classes, "num_videos": num_videos, "num_skipped": 0, "num_clips": num_clips,
    "chance_top1": 100.0 / num_classes, "top1": None, "top5": None, "top1_std": None, "per_class": {}, "splits": [],
    "mean_per_class": None, "interval_videos": None, "interval_classes": None, "hubness": {},
  }  # fmt: skip


def per_class(hits, label, names):
  return {name: float(100 * hits[label == k].mean()) for k, name in enumerate(names) if (label == k).any()}


def with_accuracies(row, rank, label, names, rng):
  """Top-1, top-5, per class, and intervals where the row is a primary one."""
  hits = rank < 1
  classes = per_class(hits, label, names)
  row |= {"top1": float(100 * hits.mean()), "top5": float(100 * (rank < 5).mean()), "per_class": classes}
  row["mean_per_class"] = float(np.mean(list(classes.values())))
  if row["primary"]:
    row |= intervals(hits, label, rng)
  return row


def intervals(hits, label, rng):
  videos = [hits[rng.integers(0, len(hits), len(hits))].mean() for _ in range(200)]
  counts = np.bincount(label).astype(float)
  right = np.bincount(label, hits)
  draws = [rng.integers(0, len(counts), len(counts)) for _ in range(200)]
  classes = [right[d].sum() / max(counts[d].sum(), 1) for d in draws]
  ends = {"interval_videos": videos, "interval_classes": classes}
  return {key: [float(100 * q) for q in np.quantile(each, (0.025, 0.975))] for key, each in ends.items()}


def hubness(scores):
  """Skewness of how often each class is among the k nearest."""
  order = np.argsort(-scores, axis=1, kind="stable")
  found = {}
  for k in (1, 5, 10):
    if k < scores.shape[1]:
      counts = np.bincount(order[:, :k].ravel(), minlength=scores.shape[1]).astype(float)
      spread = counts.std()
      found[str(k)] = float(((counts - counts.mean()) ** 3).mean() / spread**3) if spread else 0.0
  return found


def all_row(dataset, space, level, primary, clips, label, names, prototypes, rng, protocol="all"):
  placed, videos = at_level(clips, level)
  scores = unit(placed) @ unit(prototypes).T
  row = base_row(dataset, protocol, space, level, len(names), len(placed), clips.shape[1], primary)
  row = with_accuracies(row, ranks(scores, label[videos]), label[videos], names, rng)
  if level == "video" and protocol == "all":
    row["hubness"] = hubness(scores)
  return row


def half_row(dataset, space, level, primary, clips, label, names, prototypes, rng):
  placed, videos = at_level(clips, level)
  scores, label = unit(placed) @ unit(prototypes).T, label[videos]
  row = base_row(dataset, "half", space, level, len(names) // 2, len(placed), clips.shape[1], primary)
  found, times = np.zeros(len(label)), np.zeros(len(label))
  for seed, classes in enumerate(splits.half_class_rows(names)):
    own = np.isin(label, classes)
    rank = _rank_in(scores[own], label[own], classes)
    found[own] += rank < 1
    times += own
    row["splits"].append({
      "seed": seed, "classes": [names[k] for k in classes], "top1": float(100 * (rank < 1).mean()),
      "top5": float(100 * (rank < 5).mean())})  # fmt: skip
  top1 = [split["top1"] for split in row["splits"]]
  hits = found / np.maximum(times, 1)
  row |= {"top1": float(np.mean(top1)), "top5": float(np.mean([s["top5"] for s in row["splits"]])),
          "top1_std": float(np.std(top1)), "per_class": per_class(hits, label, names)}  # fmt: skip
  row["mean_per_class"] = float(np.mean(list(row["per_class"].values())))
  if primary:
    shift = row["top1"] - 100 * hits.mean()
    row |= {
      key: [low + shift, min(high + shift, 100.0)] for key, (low, high) in intervals(hits, label, rng).items()
    }
  return row


def _rank_in(scores, label, classes):
  own = scores[np.arange(len(label)), label][:, None]
  return (scores[:, classes] > own).sum(1)


def generalized_row(dataset, space, level, primary, unseen, seen, rng):
  """`unseen` and `seen` are (clips, label, names, prototypes)."""
  parts = []
  for clips, label, *_ in (unseen, seen):
    placed, videos = at_level(clips, level)
    parts.append((unit(placed) @ unit(np.concatenate([unseen[3], seen[3]])).T, label[videos]))
  names, split = [*unseen[2], *seen[2]], len(unseen[2])
  scores = np.concatenate([part[0] for part in parts])
  label = np.concatenate([parts[0][1], parts[1][1] + split])
  row = base_row(dataset, "generalized", space, level, len(names), len(label), unseen[0].shape[1], primary)
  row = with_accuracies(row, ranks(scores, label), label, names, rng)
  best = _best(scores, label, split)
  curve = [_point(best, gamma) for gamma in (*np.linspace(-1, 1, 79), -2.0, 2.0)]
  curve = sorted(curve, key=lambda point: point[0])
  plain = _named(_point(best, 0.0))
  highest = max((_named(point) for point in curve), key=lambda point: point["harmonic"])
  xs, ys = (np.array([point[i] for point in curve]) / 100 for i in (1, 2))
  area = float(np.abs(np.sum((xs[1:] - xs[:-1]) * (ys[1:] + ys[:-1]) / 2)))
  row |= {key: plain[key] for key in ("seen", "unseen", "harmonic")}
  return row | {"curve": curve, "ausuc": area, "best": highest, "calibrated": None}


def calibrate(row, gamma):
  """The point of a row's curve nearest to gamma."""
  row["calibrated"] = _named(min(row["curve"], key=lambda point: abs(point[0] - gamma)))


def _best(scores, label, split):
  """Per video: the best unseen and the best seen class's score, whether each is the right one, whether the video is of a seen class."""
  videos = np.arange(len(label))
  unseen, seen = scores[:, :split].argmax(1), scores[:, split:].argmax(1) + split
  return scores[videos, unseen], scores[videos, seen], unseen == label, seen == label, label >= split


def _point(best, gamma):
  unseen, seen, unseen_right, seen_right, of_seen = best
  hits = np.where(unseen >= seen - gamma, unseen_right, seen_right)
  return [float(gamma), float(100 * hits[of_seen].mean()), float(100 * hits[~of_seen].mean())]


def _named(point):
  gamma, seen, unseen = point
  harmonic = 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0
  return {"gamma": gamma, "seen": seen, "unseen": unseen, "harmonic": harmonic}
