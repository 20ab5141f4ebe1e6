"""What a made-up run has beside its embeddings: metrics of training, a tuning, examples with frames."""

import json

import numpy as np
from PIL import Image, ImageDraw


def metrics(rng, method):
  phases = ["joint"] * 32 if method == "e2e" else ["warmup"] * 12 + ["joint"] * 20
  top = 100.0 if method == "rest" else None
  for k, phase in enumerate(phases):
    step, done = 25 * (k + 1), (k + 1) / len(phases)
    loss = 3.2 * np.exp(-2.5 * done) + 0.15 * rng.random()
    line = {"step": step, "kind": "train", "time": 1.7e9 + 10 * k, "phase": phase, "loss": loss,
            "learning_rate": 1e-3 * (1 - done), "grad_norm": 2 + rng.random(), "clips_per_second": 90 + 30 * rng.random(),
            "data_wait_share": 0.05}  # fmt: skip
    yield line | ({"accuracy": top * (1 - np.exp(-2 * done)) * (0.9 + 0.1 * rng.random())} if top else {})
    if step % 200 == 0:
      yield {
        "step": step,
        "kind": "validation",
        "time": 1.7e9 + 10 * k + 1,
        "phase": phase,
        "top1": 80 * done,
      }


def tuning(rng, checkpoint, step):
  grid = {"num_neighbors": [1, 2, 5, 10, 20], "max_seen_per_unseen": [1, 2, 5, 10, 20],
          "distinctiveness": [0.0, 0.5, 0.8, 0.95]}  # fmt: skip
  shape = [len(each) for each in grid.values()]
  scores = (
    40 - 2.0 * np.abs(np.arange(shape[0]) - 2.4)[:, None, None] - np.abs(np.arange(shape[1]) - 2)[:, None]
  )
  scores = scores - 1.5 * np.arange(shape[2]) + 0.3 * rng.standard_normal(shape)
  deviations = 1.5 + rng.random(shape)
  best = np.unravel_index(scores.argmax(), shape)
  default = (2, 2, 1)

  def at(index):
    values = {key: grid[key][i] for key, i in zip(grid, index, strict=True)}
    return values | {"score": float(scores[index]), "deviation": float(deviations[index])}

  return {"checkpoint": checkpoint, "step": step, "num_folds": 5, "seed": 0, "chosen": at(best) | {"gamma": 0.1},
          "default": at(default), "grid": grid, "scores": scores.tolist(), "deviations": deviations.tolist()}  # fmt: skip


def write_examples(folder, rng, arrays, data_sets):
  folder.mkdir(exist_ok=True)
  listed = []
  for data_set in data_sets:
    field = {
      name: arrays[f"unseen/{data_set}/{name}"]
      for name in ("label", "predicted", "score", "video_id", "classes")
    }
    right = field["predicted"][:, 0] == field["label"]
    for row in np.concatenate([np.flatnonzero(right)[:4], np.flatnonzero(~right)[:4]]):
      files = [f"{data_set}-{row}-{t}.jpg" for t in range(4)]
      ground = tuple(int(c) for c in rng.integers(40, 200, 3))
      for t, file in enumerate(files):
        image = Image.new("RGB", (149, 112), ground)
        ImageDraw.Draw(image).ellipse((20 + 20 * t, 40, 50 + 20 * t, 70), fill=(240, 240, 230))
        image.save(folder / file, quality=70)
      listed.append({"dataset": data_set, "video_id": str(field["video_id"][row]),
                     "class": str(field["classes"][field["label"][row]]),
                     "predicted": str(field["classes"][field["predicted"][row, 0]]),
                     "score": float(field["score"][row, 0]), "right": bool(right[row]), "frames": files})  # fmt: skip
  (folder / "examples.json").write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8")
