"""What an evaluation leaves behind: `report.json`, `embeddings.npz` and `examples/`.

`embeddings.npz` holds, for NAME `seen/validation`, `seen/test` and `unseen/DATA_SET`:

  NAME/mean, NAME/mean_unit, NAME/single   float32 [V, D]: the mean of a video's clips, of their unit vectors, the middle clip
  NAME/placed                              float32 [V, P]: the mean as it was compared, where that is another vector (ResT without transfer)
  NAME/label, NAME/row                     int32 [V]: row of NAME/classes, row of the data set's index
  NAME/video_id, NAME/classes              text [V], [K]
  NAME/predicted, NAME/score               int32, float32 [V, 5]: the best classes of the data set, best first, and their cosines

and `prototypes/seen` [S, D], `prototypes/unseen/DATA_SET` [K, D], `weights/unseen/DATA_SET` [K, S] (shares of seen classes, of composed
prototypes), `semantic/seen`, `semantic/removed`, `semantic/unseen/DATA_SET` [K, E] (word-side vectors), `checkpoint` (as in `report.json`).
"""

import json
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np

from zsar_jax.data.datasets import DataSet
from zsar_jax.data.examples import read_example_frames
from zsar_jax.evaluate import Result, Scored
from zsar_jax.files import parse_json, write_text
from zsar_jax.session import Session
from zsar_jax.zeroshot import classify

TOP = 5  # classes kept of every video
EXAMPLES = 6  # videos of a data set that were named right, and as many that were not


def write(session: Session, result: Result, folder: pathlib.Path) -> None:
  """Writes everything; with frames out of order into `report-single.json`, `embeddings-single.npz` and the like."""
  folder.mkdir(parents=True, exist_ok=True)
  order = session.config.eval.frame_order
  suffix = "" if order == "natural" else f"-{order}"
  arrays = _arrays(session, result)
  np.savez(folder / f"embeddings{suffix}.npz", allow_pickle=False, **arrays)
  if not suffix:
    _write_examples(result, arrays, folder / "examples")
  text = json.dumps(result.report._asdict(), indent=1, ensure_ascii=False)
  write_text(folder / f"report{suffix}.json", text + "\n")


def _arrays(session: Session, result: Result) -> dict[str, np.ndarray]:
  corpus = session.corpus
  arrays: dict[str, np.ndarray] = {"checkpoint": np.array(result.report.checkpoint)}
  for name, scored in result.sets.items():
    arrays |= {f"{name}/{key}": array for key, array in _of_data_set(scored).items()}
  arrays["prototypes/seen"] = result.seen.vectors
  arrays |= {
    "semantic/seen": corpus.seen.semantic_embeddings,
    "semantic/removed": corpus.removed.semantic_embeddings,
  }
  for data_set in corpus.unseen:
    made = result.sets[f"unseen/{data_set.name}"].prototypes
    arrays[f"prototypes/unseen/{data_set.name}"] = made.vectors
    arrays[f"semantic/unseen/{data_set.name}"] = data_set.classes.semantic_embeddings
    if made.weights is not None:
      arrays[f"weights/unseen/{data_set.name}"] = made.weights
  return arrays


def _of_data_set(scored: Scored) -> dict[str, np.ndarray]:
  data_set, kept = scored.data_set, scored.kept
  scores = classify.scores(*map(jnp.asarray, (scored.placed, scored.prototypes.vectors)))
  best, predicted = classify.top_k(scores, TOP)
  fields = ("mean", "mean_unit", "single", "label", "row")  # every clip of every video would be too much
  # The vectors that were compared, where they are not the embeddings themselves (ResT without transfer).
  placed = {} if scored.placed is kept.mean else {"placed": scored.placed}
  return (
    placed
    | {field: getattr(kept, field) for field in fields}
    | {
      "video_id": np.array(data_set.videos.video_ids(kept.row)),
      "classes": np.array(data_set.classes.names),
      "predicted": np.asarray(predicted, np.int32),
      "score": np.asarray(best),
    }
  )


def _write_examples(result: Result, arrays: dict[str, np.ndarray], folder: pathlib.Path) -> None:
  folder.mkdir(exist_ok=True)
  _remove_examples(folder)
  told: list[dict[str, Any]] = []
  for name, scored in result.sets.items():
    if name.startswith("unseen/"):
      own = {key: arrays[f"{name}/{key}"] for key in ("label", "predicted", "score", "row")}
      for video in _chosen(own["label"], own["predicted"][:, 0]):
        told.append(_example(scored.data_set, video, own, folder, len(told)))
  write_text(folder / "examples.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _remove_examples(folder: pathlib.Path) -> None:
  """Those that an earlier evaluation wrote and listed, and nothing else."""
  try:
    frames = [
      name for one in parse_json((folder / "examples.json").read_text("utf-8")) for name in one["frames"]
    ]
  except (OSError, ValueError, KeyError, TypeError):
    return
  for name in frames:
    (folder / pathlib.Path(name).name).unlink(missing_ok=True)


def _chosen(label: np.ndarray, predicted: np.ndarray) -> list[int]:
  """A few videos that were named right, then a few that were not, drawn always the same, of as many classes as can be."""
  chosen: list[int] = []
  for right in (True, False):
    videos = np.random.default_rng(0).permutation(np.flatnonzero((label == predicted) == right))
    _, first = np.unique(label[videos], return_index=True)
    order = np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(videos)), first)]).astype(int)
    chosen += videos[order[:EXAMPLES]].tolist()
  return chosen


def _example(
  data_set: DataSet, video: int, own: dict[str, np.ndarray], folder: pathlib.Path, number: int
) -> dict[str, Any]:
  frames = read_example_frames(data_set.videos, int(own["row"][video]))
  files = [f"{number:02d}-{i}.jpg" for i in range(len(frames))]
  for file, frame in zip(files, frames, strict=True):
    (folder / file).write_bytes(frame)
  label, predicted = int(own["label"][video]), int(own["predicted"][video, 0])
  return {
    "dataset": data_set.name,
    "video_id": data_set.videos.video_id(int(own["row"][video])),
    "class": data_set.classes.names[label],
    "predicted": data_set.classes.names[predicted],
    "score": round(float(own["score"][video, 0]), 4),
    "right": label == predicted,
    "frames": files,
  }
