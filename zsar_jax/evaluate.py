"""Zero-shot evaluation: embed every video once, then score every protocol from what is kept.

`python -m zsar_jax.main --config FILE --evaluate_only` runs it on the newest good checkpoint.
"""

import json
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from rich.console import Console
from rich.progress import track
from rich.table import Table

from zsar_jax.config import Config, to_dict
from zsar_jax.data.datasets import DataSet
from zsar_jax.files import write_text
from zsar_jax.methods.frames import reorder
from zsar_jax.session import Session
from zsar_jax.train.apply import Apply
from zsar_jax.train.state import TrainState
from zsar_jax.types import ClassSet, EvalReport, Prototypes, VideoEmbeddings
from zsar_jax.zeroshot.protocols import (
  EmbeddedVideos,
  PrototypesFor,
  score_all,
  score_generalized,
  score_half,
)


class Embedded(NamedTuple):
  """The embedded videos of a run."""

  validation: VideoEmbeddings
  seen_test: VideoEmbeddings
  unseen: list[VideoEmbeddings]  # in the order of the corpus's unseen data sets


class Result(NamedTuple):
  """The numbers of an evaluation, and the embeddings they were scored from."""

  report: EvalReport
  embeddings: dict[str, VideoEmbeddings]  # "seen/validation", "seen/test", "unseen/<data set>"
  prototypes: dict[str, Prototypes]  # "seen", "unseen/<data set>"


def evaluate(session: Session, state: TrainState) -> Result:
  """All protocols on every unseen data set, and the seen classes' validation."""
  embed = _embedder(session)
  seen_visual = _seen_means(session, embed, state) if session.method.space == "visual" else None
  corpus, num_clips = session.corpus, session.config.eval.num_clips
  seen_test = _embed_videos(session, embed, state, corpus.seen_test, num_clips, "seen test videos")
  validation = seen_test
  if corpus.seen_test is not corpus.validation:
    validation = _embed_videos(session, embed, state, corpus.validation, num_clips, "validation videos")
  unseen = [_embed_videos(session, embed, state, d, num_clips, d.name) for d in corpus.unseen]
  return _score(session, Embedded(validation, seen_test, unseen), seen_visual)


class Space(NamedTuple):
  """Where the videos of one unseen data set are compared, and with what. `place` brings their embeddings there."""

  place: Callable[[Float32[np.ndarray, "V D"]], Float32[np.ndarray, "V P"]]
  unseen: Prototypes
  halves: Prototypes | PrototypesFor  # of half the unseen classes
  seen: Prototypes


def _score(session: Session, embedded: Embedded, seen_visual: Any) -> Result:
  corpus = session.corpus
  seen = _seen_prototypes(session, seen_visual)
  spaces = [_space(session, d.classes, seen_visual) for d in corpus.unseen]
  rows: list[dict[str, Any]] = []
  for data_set, kept, space in zip(corpus.unseen, embedded.unseen, spaces, strict=True):
    rows += _score_unseen(session, data_set, kept, embedded.seen_test, space)
    if space.unseen.space == "visual":
      without = _without_transfer(session, data_set.classes, seen_visual)
      videos = _videos(session.config, data_set, kept, "video", without)
      rows.append(score_all(videos, without.unseen, primary=False))
  for level in ("video", "clip"):
    videos = _videos(session.config, corpus.validation, embedded.validation, level)
    rows.append(score_all(videos, seen, primary=level == "video", protocol="validation"))
  names, prototypes = [f"unseen/{d.name}" for d in corpus.unseen], [space.unseen for space in spaces]
  recipes = _recipes([d.name for d in corpus.unseen], prototypes, corpus.seen)
  pretraining = session.pretraining and session.pretraining.as_dict()
  report = EvalReport(
    to_dict(session.config),
    list(corpus.seen.names),
    corpus.overlap.as_dicts(),
    recipes,
    rows,
    pretraining,
  )
  embeddings = {"seen/validation": embedded.validation, "seen/test": embedded.seen_test}
  embeddings |= dict(zip(names, embedded.unseen, strict=True))
  return Result(report, embeddings, {"seen": seen} | dict(zip(names, prototypes, strict=True)))


def _score_unseen(session: Session, unseen: DataSet, kept: VideoEmbeddings, kept_seen: VideoEmbeddings,
                  space: Space) -> list[dict[str, Any]]:  # fmt: skip
  """The rows of one unseen data set; videos by their mean embedding are primary, single clips stand beside."""
  rows: list[dict[str, Any]] = []
  config = session.config
  for level in ("video", "clip"):
    primary = level == "video"
    videos = _videos(config, unseen, kept, level, space)
    seen_videos = _videos(config, session.corpus.seen_test, kept_seen, level, space)
    rows.append(score_all(videos, space.unseen, primary=primary))
    if len(unseen.classes.names) >= 4:
      rows.append(score_half(videos, space.halves, primary=primary, num_splits=config.eval.num_splits))
    rows.append(score_generalized(videos, seen_videos, space.unseen, space.seen, primary=primary))
  return rows


def _space(session: Session, unseen: ClassSet, seen_visual: Any) -> Space:
  """The method's own; a visual one with transfer, unless `transfer.space` says semantic."""
  method = session.method
  if method.space == "visual" and session.config.transfer.space == "semantic":
    return _without_transfer(session, unseen, seen_visual)
  made = method.prototypes(unseen, seen_visual)
  # The composition of a prototype depends on which other unseen classes are there (ResT Eq. 5).
  halves = made if method.space == "semantic" else (
    lambda classes: method.prototypes(unseen.subset(classes), seen_visual))  # fmt: skip
  return Space(lambda embeddings: embeddings, made, halves, _seen_prototypes(session, seen_visual))


def _without_transfer(session: Session, unseen: ClassSet, seen_visual: Any) -> Space:
  """A video stands where the name of its visually nearest seen class stands (ResT Sec. 4.3)."""
  classes = session.corpus.seen
  names = Prototypes(unseen.names, unseen.semantic_embeddings, "semantic")

  def place(embeddings: Float32[np.ndarray, "V D"]) -> Float32[np.ndarray, "V P"]:
    return classes.semantic_embeddings[(_unit(embeddings) @ _unit(seen_visual).T).argmax(1)]

  return Space(place, names, names, Prototypes(classes.names, classes.semantic_embeddings, "semantic"))


def _videos(config: Config, data_set: DataSet, kept: VideoEmbeddings, level: str,
            space: Space | None = None) -> EmbeddedVideos:  # fmt: skip
  embeddings, num_clips = (kept.mean, config.eval.num_clips) if level == "video" else (kept.first, 1)
  placed = embeddings if space is None else space.place(embeddings)
  return EmbeddedVideos(data_set.name, data_set.classes.names, placed, kept.label, num_clips,
                        data_set.num_skipped, level)  # fmt: skip


def _seen_prototypes(session: Session, seen_visual: Any) -> Prototypes:
  classes = session.corpus.seen
  if seen_visual is None:
    return Prototypes(classes.names, classes.semantic_embeddings, "semantic")
  return Prototypes(classes.names, seen_visual, "visual")


def _recipes(
  data_sets: Sequence[str], prototypes: Sequence[Prototypes], seen: ClassSet
) -> dict[str, list[tuple[str, float]]]:
  """Which seen classes each unseen prototype is made of, the largest share first.

  A class that an earlier data set has too is told as `class (data set)`.
  """
  recipes: dict[str, list[tuple[str, float]]] = {}
  for data_set, made in zip(data_sets, prototypes, strict=True):
    for name, weights in zip(made.names, () if made.weights is None else made.weights, strict=False):
      order = [i for i in np.argsort(-weights, kind="stable") if weights[i] > 0]
      key = f"{name} ({data_set})" if name in recipes else name
      recipes[key] = [(seen.names[i], round(float(weights[i]), 6)) for i in order]
  return recipes


def _embedder(session: Session) -> Apply:
  method, frame_order = session.method, session.config.eval.frame_order
  return session.compile(lambda model, frames: method.embed(model, reorder(frames, frame_order)))


def _embedded(session: Session, embed: Apply, state: TrainState, data_set: DataSet, num_clips: int, clips: str,
              title: str) -> Iterator[tuple[Any, Float32[np.ndarray, "B N D"]]]:  # fmt: skip
  """Batches with their clips' embeddings, behind a progress bar."""
  num_batches = -(-len(data_set.rows) // session.reader.eval_batch_size)
  console = Console()
  batches = session.apply(embed, state, data_set, num_clips, clips)
  yield from track(
    batches, f"embedding {title}", num_batches, console=console, disable=not console.is_terminal
  )


def _embed_videos(session: Session, embed: Apply, state: TrainState, data_set: DataSet, num_clips: int,
                  title: str) -> VideoEmbeddings:  # fmt: skip
  parts = []
  for batch, clips in _embedded(session, embed, state, data_set, num_clips, session.config.eval.clips, title):
    part = VideoEmbeddings(clips.mean(1), _unit(clips).mean(1), clips[:, 0], batch.label, batch.row)
    parts.append(VideoEmbeddings(*(array[batch.mask] for array in part)))
  return VideoEmbeddings(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _seen_means(session: Session, embed: Apply, state: TrainState) -> Float32[np.ndarray, "S D"]:
  """Visual prototypes of the seen classes: the mean over their training videos, one evenly placed clip each."""
  num_classes = len(session.corpus.seen.names)
  sums: Any = 0.0
  counts = np.zeros(num_classes, np.int64)
  for batch, clips in _embedded(session, embed, state, session.corpus.train, 1, "even", "training videos"):
    one_hot = (batch.label[:, None] == np.arange(num_classes)) & batch.mask[:, None]
    sums = sums + one_hot.T.astype(np.float64) @ clips[:, 0]
    counts += one_hot.sum(0)
  return (sums / counts[:, None]).astype(np.float32)  # every seen class has a video: the corpus makes sure


def _unit(x: Float[np.ndarray, "*dims D"]) -> Float[np.ndarray, "*dims D"]:
  return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def write(result: Result, workdir: pathlib.Path, frame_order: str) -> None:
  """`report.json` and `embeddings.npz`; with frames out of order `report-single.json` and the like."""
  suffix = "" if frame_order == "natural" else f"-{frame_order}"
  text = json.dumps(result.report._asdict(), indent=1, ensure_ascii=False)
  write_text(workdir / f"report{suffix}.json", text + "\n")
  arrays = {f"{name}/{field}": array for name, kept in result.embeddings.items()
            for field, array in kept._asdict().items()}  # fmt: skip
  arrays |= {f"prototypes/{name}": made.vectors for name, made in result.prototypes.items()}
  np.savez(workdir / f"embeddings{suffix}.npz", allow_pickle=False, **arrays)


COLUMNS = ("data set", "protocol", "space", "level", "classes", "videos", "chance", "top-1", "top-5")


def print_table(result: Result) -> None:
  """The primary rows first, then single clips and other spaces."""
  console = Console(width=None if sys.stdout.isatty() else 120)
  table = Table(*COLUMNS, "seen / unseen / harmonic", title="zero-shot accuracy, per cent")
  for column in table.columns[4:]:
    column.justify = "right"
  for row in sorted(result.report.evaluations, key=lambda row: not row["primary"]):
    table.add_row(*_cells(row), style=None if row["primary"] else "dim")
  console.print(table)


def _cells(row: dict[str, Any]) -> list[str]:
  top1 = f"{row['top1']:.1f}" + (f" ± {row['top1_std']:.1f}" if row["top1_std"] is not None else "")
  three = " / ".join(f"{row[key]:.1f}" for key in ("seen", "unseen", "harmonic") if key in row)
  counts = (str(row["num_classes"]), str(row["num_videos"]), f"{row['chance_top1']:.1f}")
  return [
    row["dataset"],
    row["protocol"],
    row["space"],
    row["level"],
    *counts,
    top1,
    f"{row['top5']:.1f}",
    three,
  ]
