"""A run's workdir as an evaluation leaves it, made of random numbers: no model, no video, no JAX."""

import dataclasses
import hashlib
import json
import pathlib
import re
import zlib
from typing import NamedTuple

import made_up_extras as extras
import made_up_rows as rows
import numpy as np

from zsar_jax import config as configs

NAMES = pathlib.Path(configs.__file__).parent / "classes" / "names"
NUM_CLIPS = 4
TRANSFER = {"num_neighbors": 5, "max_seen_per_unseen": 5, "distinctiveness": 0.5}
STEP = 800


class _DataSet(NamedTuple):
  name: str
  classes: list[str]
  semantic: np.ndarray  # [K, E]
  clips: np.ndarray  # [V, N, D]
  label: np.ndarray
  prototypes: np.ndarray  # [K, D]
  weights: np.ndarray | None  # [K, S]


def write_made_up_run(
  folder, *, seed=0, method="rest", space="visual", num_seen=24, data_sets=None, videos_per_class=6, dim=64
):
  """Writes config.json, report.json, embeddings.npz, metrics.jsonl, examples/, tuning.json and an empty checkpoints/.

  `space` is where a ResT run names unseen videos (`transfer.space`); E2E has one only.

  `data_sets` maps a name to its number of classes; real class names are used where the package lists that many.
  Semantic embeddings depend on the class names alone, so two runs over the same classes share them; with
  method "e2e" they are `dim` wide, else 48. Returns the folder.
  """
  data_sets = data_sets or {"ucf101": 101, "hmdb51": 51}
  folder = pathlib.Path(folder)
  (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(seed)
  made = _Maker(
    rng, method, space if method == "rest" else "semantic", dim, _names("kinetics700_664", num_seen)
  )
  seen = made.data_set("seen", made.seen_names, 4)
  unseen = [made.data_set(name, _names(name, num), videos_per_class) for name, num in data_sets.items()]
  checkpoint = hashlib.sha256(f"{method} {seed}".encode()).hexdigest()[:16]
  tuning = extras.tuning(rng, checkpoint, STEP) if method == "rest" else None
  report = _report(made, seen, unseen, tuning, checkpoint, seed) | {"workdir": str(folder.resolve())}
  arrays = _arrays(made, seen, unseen, checkpoint)
  for name, value in (("config", report["config"]), ("report", report), ("tuning", tuning)):
    if value is not None:
      (folder / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
  np.savez(folder / "embeddings.npz", **arrays)
  lines = [json.dumps(line) + "\n" for line in extras.metrics(rng, method)]
  (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
  extras.write_examples(folder / "examples", rng, arrays, [d.name for d in unseen])
  return folder


def words_of(name):
  return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()) or [name]


def _names(data_set, num):
  path = NAMES / f"{data_set}.txt"
  known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
  if num > len(known):
    return [f"{data_set} action {k:03d}" for k in range(num)]
  return [known[k] for k in np.linspace(0, len(known) - 1, num).round().astype(int)]


def _semantic(names, width):
  """Unit rows: a class's words, each with a part that is its own and a part it shares with an eighth of all words."""

  def vector(text):
    return np.random.default_rng(zlib.crc32(text.encode())).standard_normal(width)

  topics = [vector(f"topic {k}") for k in range(8)]
  made = [sum(vector(w) + 0.9 * topics[zlib.crc32(w.encode()) % 8] for w in words_of(n)) for n in names]
  return rows.unit(np.array(made)).astype(np.float32)


class _Maker:
  """What all data sets of a run share: the classes' places and how videos scatter around them."""

  def __init__(self, rng, method, space, dim, seen_names):
    self.rng, self.method, self.space, self.dim, self.seen_names = rng, method, space, dim, seen_names
    self.width = dim if method == "e2e" else 48
    self.to_visual = rng.standard_normal((self.width, dim)) / np.sqrt(self.width)
    self.seen_semantic = _semantic(seen_names, self.width)
    self.seen_visual = self.place(self.seen_semantic)

  def place(self, semantic):
    """Where the videos of classes lie: near their words in E2E's space, a noisy image of them in ResT's."""
    centres = semantic if self.method == "e2e" else semantic @ self.to_visual
    noise = self.rng.standard_normal(centres.shape) / np.sqrt(self.dim)
    return rows.unit(centres + (1.6 if self.method == "e2e" else 0.7) * noise)

  def data_set(self, name, classes, videos_per_class):
    semantic = _semantic(classes, self.width)
    centres = self.seen_visual if name == "seen" else self.place(semantic)
    label = np.repeat(np.arange(len(classes)), videos_per_class).astype(np.int32)
    spread = self.rng.uniform(0.4, 2.4 if name == "seen" else 1.4, len(classes))[label][:, None]
    videos = centres[label] + spread * self.rng.standard_normal((len(label), self.dim)) / np.sqrt(self.dim)
    noise = self.rng.standard_normal((len(label), NUM_CLIPS, self.dim), dtype=np.float32)
    clips = (videos[:, None] + 0.5 * noise / np.sqrt(self.dim)).astype(np.float32)
    prototypes, weights = self.prototypes(semantic) if name != "seen" else (self.seen_prototypes(), None)
    return _DataSet(name, classes, semantic, clips, label, prototypes.astype(np.float32), weights)

  def seen_prototypes(self):
    return self.seen_semantic if self.method == "e2e" else self.seen_visual

  def prototypes(self, semantic):
    if self.method == "e2e":
      return semantic, None
    related = np.maximum(semantic @ self.seen_semantic.T, 1e-3)
    keep = np.argsort(-related, axis=1, kind="stable")[:, : TRANSFER["max_seen_per_unseen"]]
    weights = np.zeros_like(related)
    np.put_along_axis(weights, keep, np.take_along_axis(related, keep, 1), 1)
    weights /= weights.sum(1, keepdims=True)
    return weights @ self.seen_visual, weights.astype(np.float32)

  def spaces(self, data_set):
    """(space, clips there, prototypes there, shares of seen classes), the primary one first."""
    if self.method == "e2e":
      return [("semantic", data_set.clips, data_set.prototypes, None)]
    # The name of the nearest seen class stands in for a video.
    nearest = (rows.unit(data_set.clips.mean(1)) @ rows.unit(self.seen_visual).T).argmax(-1)
    stand_ins = np.repeat(self.seen_semantic[nearest][:, None], NUM_CLIPS, 1)
    shape = (len(data_set.label), self.width)
    own = data_set.semantic[data_set.label] + 2.6 * rows.unit(self.rng.standard_normal(shape))
    words = own[:, None] + rows.unit(self.rng.standard_normal((shape[0], NUM_CLIPS, shape[1])))
    found = [
      ("visual", data_set.clips, data_set.prototypes, data_set.weights),
      ("semantic", stand_ins, data_set.semantic, None),
      ("words", words, data_set.semantic, None),
    ]
    return sorted(found, key=lambda one: one[0] != self.space)


def _report(made, seen, unseen, tuning, checkpoint, seed):
  visual = made.space == "visual"
  removed = ["archery", "juggling soccer ball", "surfing water"]
  collides = unseen[0].classes[:3]
  recipes: dict[str, list] = {}
  for data_set in unseen if visual else ():
    for name, weights in zip(data_set.classes, data_set.weights, strict=True):
      order = [k for k in np.argsort(-weights, kind="stable") if weights[k] > 0]
      key = f"{name} ({data_set.name})" if name in recipes else name
      recipes[key] = [[seen.classes[k], round(float(weights[k]), 6)] for k in order]
  names = [*seen.classes, *removed, *(name for d in unseen for name in d.classes)]
  return {
    "config": _config(made, unseen, seed),
    "seen_classes": seen.classes,
    "removed_classes": [{"class": a, "collides_with": b, "distance": 0.01 * k}
                        for k, (a, b) in enumerate(zip(removed, collides, strict=False))],
    "prototypes": recipes,
    "evaluations": _evaluations(made, seen, unseen, tuning),
    "pretraining": None,
    "step": STEP,
    "checkpoint": checkpoint,
    "transfer": {**TRANSFER, "max_uses_per_seen": 0, "tuned": False} if visual else None,
    "words": {name: words_of(name) for name in names},
    "class_distances": {d.name: _distances(d, seen) for d in unseen},
    "class_distances_pretrained": None,
  }  # fmt: skip


def _config(made, unseen, seed):
  config = configs.Config(
    method=made.method,
    seed=seed,
    vectors="hash:300",
    data=configs.DataConfig(seen="kinetics700:@kinetics700_664", unseen=tuple(d.name for d in unseen)),
  )
  backbone = "resnet18" if made.method == "rest" else "r2plus1d_18"
  model = dataclasses.replace(config.model, backbone=backbone)
  transfer = dataclasses.replace(config.transfer, space=made.space)
  evaluation = configs.EvalConfig(num_clips=NUM_CLIPS)
  return configs.to_dict(dataclasses.replace(config, model=model, transfer=transfer, eval=evaluation))


def _distances(data_set, seen):
  distances = np.sort(1 - data_set.semantic @ seen.semantic.T, axis=1)[:, :10].mean(1)
  return dict(zip(data_set.classes, map(float, distances), strict=True))


def _evaluations(made, seen, unseen, tuning):
  found = []
  seen_places = made.spaces(seen)
  for data_set in unseen:
    for (space, clips, prototypes, _), place in zip(made.spaces(data_set), seen_places, strict=True):
      own = clips, data_set.label, data_set.classes, prototypes
      others = place[1], seen.label, seen.classes, place[2]
      for level in rows.LEVELS if space == made.space else ("video",):
        primary = space == made.space and level == "video"
        where = data_set.name, space, level, primary
        found.append(rows.all_row(*where, *own, made.rng))
        if len(data_set.classes) >= 4:
          found.append(rows.half_row(*where, *own, made.rng))
        if space == made.space:
          found.append(rows.generalized_row(*where, own, others, made.rng))
        if tuning and space == made.space == "visual":
          rows.calibrate(found[-1], tuning["chosen"]["gamma"])
  space = "semantic" if made.method == "e2e" else "visual"
  own = seen.clips, seen.label, seen.classes, seen.prototypes
  for level in rows.LEVELS:
    where = "kinetics700", space, level, level == "video"
    found.append(rows.all_row(*where, *own, made.rng, protocol="validation"))
  return found


def _arrays(made, seen, unseen, checkpoint):
  arrays = {"checkpoint": np.array(checkpoint), "prototypes/seen": seen.prototypes, "semantic/seen": seen.semantic,
            "semantic/removed": _semantic(["archery", "juggling soccer ball", "surfing water"], made.width)}  # fmt: skip
  for key, kept in [
    ("seen/validation", seen),
    ("seen/test", seen),
    *((f"unseen/{d.name}", d) for d in unseen),
  ]:
    space, clips, prototypes, _ = made.spaces(kept)[0]
    if kept is seen:
      clips, prototypes = seen.clips, seen.prototypes
    elif made.method == "rest" and space != "visual":
      arrays[f"{key}/placed"] = clips.mean(1).astype(np.float32)
    scores = rows.unit(clips.mean(1)) @ rows.unit(prototypes).T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    videos = [f"v_{kept.classes[k]}_{i:05d}" for i, k in enumerate(kept.label)]
    for level, field in (("video", "mean"), ("scores", "mean_unit"), ("single", "single")):
      arrays[f"{key}/{field}"] = rows.at_level(kept.clips, level)[0].astype(np.float32)
    arrays |= {f"{key}/label": kept.label, f"{key}/row": np.arange(len(videos), dtype=np.int32),
               f"{key}/video_id": np.array(videos), f"{key}/classes": np.array(kept.classes),
               f"{key}/predicted": best.astype(np.int32),
               f"{key}/score": np.take_along_axis(scores, best, 1).astype(np.float32)}  # fmt: skip
  for data_set in unseen:
    *_, prototypes, weights = made.spaces(data_set)[0]
    arrays[f"prototypes/unseen/{data_set.name}"] = prototypes
    arrays[f"semantic/unseen/{data_set.name}"] = data_set.semantic
    if weights is not None:
      arrays[f"weights/unseen/{data_set.name}"] = weights
  return arrays
