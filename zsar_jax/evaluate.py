"""Zero-shot evaluation: embed every video once, then score every protocol from what is kept.

`python -m zsar_jax.main --config FILE --evaluate_only` runs it on the newest good checkpoint.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from zsar_jax.classes.overlap import cosine_distances
from zsar_jax.config import to_dict
from zsar_jax.data.datasets import DataSet
from zsar_jax.embedding import SetEmbeddings, make_embedder, origin_of
from zsar_jax.seen_embeddings import SeenStore
from zsar_jax.session import Session
from zsar_jax.spaces import Space, make_space, primary_space, seen_prototypes
from zsar_jax.train.state import TrainState, fingerprint
from zsar_jax.tuning import warn_if_outdated
from zsar_jax.types import ClassSet, EvalReport, Prototypes, VideoEmbeddings
from zsar_jax.zeroshot.embedded import EmbeddedVideos
from zsar_jax.zeroshot.protocols import score_all, score_all_and_half, score_generalized, score_half

NEAREST_SEEN = 10  # classes that a class's distance from the training set is the mean of (E2E section 5.4)


class Embedded(NamedTuple):
  """The embedded videos of a run."""

  validation: SetEmbeddings
  seen_test: SetEmbeddings
  unseen: list[SetEmbeddings]  # in the order of the corpus's unseen data sets


class Scored(NamedTuple):
  """A data set, what was kept of its videos, and what they were compared with."""

  data_set: DataSet
  kept: VideoEmbeddings  # in the method's own space
  placed: Float[
    np.ndarray, "V P"
  ]  # mean embeddings in the primary space; of seen classes, in the method's own
  prototypes: Prototypes  # in the same space


class Result(NamedTuple):
  """The numbers of an evaluation, and what they were scored from. See `results.py` for the files."""

  report: EvalReport
  sets: dict[str, Scored]  # "seen/validation", "seen/test", "unseen/<data set>"
  seen: Prototypes  # in the method's own space


def evaluate(session: Session, state: TrainState, *, just_trained: bool = False) -> Result:
  """All protocols on every unseen data set, and the seen classes' validation.

  `just_trained`: prototypes of an earlier checkpoint that lie in the workdir are made anew; else they are refused.

  Raises:
    InputError: embeddings that are not finite, prototypes of another checkpoint, fewer than two unseen classes.
  """
  corpus = session.corpus
  embedder = make_embedder(session, state)
  checkpoint = fingerprint(state)
  warn_if_outdated(session.tuned, checkpoint)
  seen_visual = None
  if session.method.space == "visual":
    store = SeenStore(session.workdir, origin_of(session, state, checkpoint), replace=just_trained)
    seen_visual = store.prototypes()
    seen_visual = embedder.seen_prototypes(store) if seen_visual is None else seen_visual
  seen_test = embedder.data_set(corpus.seen_test, "seen test videos")
  validation = seen_test
  if corpus.seen_test is not corpus.validation:
    validation = embedder.data_set(corpus.validation, "validation videos")
  unseen = [embedder.data_set(d, d.name) for d in corpus.unseen]
  return _score(session, Embedded(validation, seen_test, unseen), seen_visual, int(state.step), checkpoint)


def _score(session: Session, embedded: Embedded, seen_visual: Any, step: int, checkpoint: str) -> Result:
  corpus = session.corpus
  seen = seen_prototypes(session, seen_visual)
  primary = primary_space(session)
  rows: list[dict[str, Any]] = []
  spaces: list[Space] = []
  for data_set, kept in zip(corpus.unseen, embedded.unseen, strict=True):
    for name in sorted(session.method.spaces, key=lambda name: name != primary):
      space = make_space(session, name, data_set.classes, seen_visual)
      if name == primary:
        spaces.append(space)
        rows += _score_primary(session, data_set, kept, embedded.seen_test, space)
      else:
        rows += _score_beside(session, data_set, kept, space)
  for level, vectors, label in _levels(embedded.validation.own):
    videos = _videos(session, corpus.validation, level, vectors, label)
    rows.append(score_all(videos, seen, primary=level == "video", protocol="validation"))
  sets = {
    name: Scored(data_set, kept.own, kept.own.mean, seen)
    for name, data_set, kept in (
      ("seen/validation", corpus.validation, embedded.validation),
      ("seen/test", corpus.seen_test, embedded.seen_test),
    )
  }
  for data_set, kept, space in zip(corpus.unseen, embedded.unseen, spaces, strict=True):
    placed = space.place(space.kept(kept).mean)
    sets[f"unseen/{data_set.name}"] = Scored(data_set, kept.own, placed, space.unseen)
  report = _report(session, rows, [space.unseen for space in spaces], step, checkpoint)
  return Result(report, sets, seen)


def _score_primary(
  session: Session, data_set: DataSet, kept: SetEmbeddings, kept_seen: SetEmbeddings, space: Space
) -> list[dict[str, Any]]:
  """The rows of one unseen data set; of each protocol the one by videos' mean embeddings is primary."""
  rows: list[dict[str, Any]] = []
  seen_levels = {level: rest for level, *rest in _levels(space.kept(kept_seen))}
  for level, vectors, label in _levels(space.kept(kept)):
    primary = level == "video"
    videos = _videos(session, data_set, level, space.place(vectors), label)
    seen_vectors, seen_label = seen_levels[level]
    seen_videos = _videos(session, session.corpus.seen_test, level, space.place(seen_vectors), seen_label)
    rows += _score_unseen(session, videos, space, primary)
    if set(videos.names) & set(seen_videos.names):
      continue  # `data.remove_overlap` is off: which of two equal names is right has no answer
    rows.append(
      score_generalized(
        videos,
        seen_videos,
        space.unseen,
        space.seen,
        primary=primary,
        gamma=session.tuned.gamma if session.tuned and space.name == "visual" else None,
      )
    )
  return rows


def _score_beside(
  session: Session, data_set: DataSet, kept: SetEmbeddings, space: Space
) -> list[dict[str, Any]]:
  """The same videos in another space."""
  own = space.kept(kept)
  videos = _videos(session, data_set, "video", space.place(own.mean), own.label)
  return _score_unseen(session, videos, space, primary=False)


def _score_unseen(
  session: Session, videos: EmbeddedVideos, space: Space, primary: bool
) -> list[dict[str, Any]]:
  """All classes, and the halves of four or more."""
  num_splits = session.config.eval.num_splits
  if len(videos.names) < 4:
    return [score_all(videos, space.unseen, primary=primary)]
  if isinstance(space.halves, Prototypes):
    return [*score_all_and_half(videos, space.halves, primary=primary, num_splits=num_splits)]
  return [
    score_all(videos, space.unseen, primary=primary),
    score_half(videos, space.halves, primary=primary, num_splits=num_splits),
  ]


def _levels(kept: VideoEmbeddings) -> Iterator[tuple[str, Float[np.ndarray, "V D"], np.ndarray]]:
  """(level, vectors, labels): what stands for a video, or every clip for itself."""
  num_videos, num_clips = kept.clips.shape[:2]
  yield "video", kept.mean, kept.label
  yield "scores", kept.mean_unit, kept.label
  yield "single", kept.single, kept.label
  yield "clip", kept.clips.reshape(num_videos * num_clips, -1), np.repeat(kept.label, num_clips)


def _videos(
  session: Session, data_set: DataSet, level: str, vectors: Float[np.ndarray, "V D"], label: np.ndarray
) -> EmbeddedVideos:
  num_clips = session.config.eval.num_clips if level in ("video", "scores") else 1
  return EmbeddedVideos(
    data_set.name, data_set.classes.names, vectors, label, num_clips, data_set.num_skipped, level
  )


def _report(
  session: Session, rows: list[dict[str, Any]], prototypes: Sequence[Prototypes], step: int, checkpoint: str
) -> EvalReport:
  corpus, config = session.corpus, session.config
  transfer = None
  if primary_space(session) == "visual":
    keys = ("num_neighbors", "max_seen_per_unseen", "distinctiveness", "max_uses_per_seen")
    transfer = {key: getattr(config.transfer, key) for key in keys} | {"tuned": session.tuned is not None}
  nearness = [(d, cosine_distances(corpus.seen, d.classes)) for d in corpus.unseen]
  every = [corpus.seen, corpus.removed, *(d.classes for d in corpus.unseen)]
  return EvalReport(
    config=to_dict(session.given),
    workdir=str(session.workdir.resolve()),
    step=step,
    checkpoint=checkpoint,
    seen_classes=list(corpus.seen.names),
    removed_classes=corpus.overlap.as_dicts(),
    words={name: list(words) for c in every for name, words in zip(c.names, c.words, strict=True)},
    class_distances={d.name: _distances(d.classes, here) for d, here in nearness},
    class_distances_pretrained=_distances_pretrained(session, [here for _, here in nearness]),
    transfer=transfer,
    prototypes=_recipes([d.name for d in corpus.unseen], prototypes, corpus.seen),
    evaluations=rows,
    pretraining=session.pretraining and session.pretraining.as_dict(),
  )


def _distances_pretrained(
  session: Session, from_seen: Sequence[Float[np.ndarray, "S U"]]
) -> dict[str, dict[str, float]] | None:
  """The same to everything that the weights have seen, here and before (E2E Sup. Fig. 1); None where they began afresh."""
  audit = session.pretraining and session.pretraining.audit
  if audit is None:
    return None
  distances, first = {}, 0
  for data_set, here in zip(session.corpus.unseen, from_seen, strict=True):
    columns = slice(first, first := first + len(data_set.classes.names))
    distances[data_set.name] = _distances(
      data_set.classes, np.concatenate([here, audit.distances[:, columns]])
    )
  return distances


def _distances(unseen: ClassSet, distances: Float[np.ndarray, "S U"]) -> dict[str, float]:
  """How far each unseen class is from the training set: the mean distance to its nearest classes there (E2E section 5.4)."""
  nearest = np.sort(distances, axis=0)[:NEAREST_SEEN].mean(0)
  return {name: round(float(far), 6) for name, far in zip(unseen.names, nearest, strict=True)}


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
