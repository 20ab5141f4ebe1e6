"""What of a run goes into its bundle."""

import dataclasses
import pathlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import flax
import jax
import numpy as np
from jaxtyping import Float32

import zsar_jax
from zsar_jax.bundle.contents import Bundle, Facts, Preprocessing
from zsar_jax.classes import sentence, vectors
from zsar_jax.classes.class_lists import read_class_list, shipped_lists
from zsar_jax.classes.embeddings import join_class_sets, read_classes
from zsar_jax.classes.words import SOURCES, folder_tokens, label_words
from zsar_jax.config import Config
from zsar_jax.embedding import make_embedder
from zsar_jax.evaluate import origin_of
from zsar_jax.files import parse_json
from zsar_jax.models.weights_dir import read_class_file
from zsar_jax.seen_embeddings import SeenStore
from zsar_jax.session import Session
from zsar_jax.spaces import primary_space
from zsar_jax.train.arrays import host_copy
from zsar_jax.train.state import TrainState, fingerprint
from zsar_jax.tuning import warn_if_outdated
from zsar_jax.types import ClassSet

_COLUMNS = ("dataset", "protocol", "space", "level", "num_classes", "num_videos", "num_clips", "chance_top1", "top1", "top5", "top1_std",
            "mean_per_class", "interval_videos", "seen", "unseen", "harmonic")  # fmt: skip


def collect(
  session: Session, state: TrainState, name: str, more_words: Sequence[str], licence: str
) -> tuple[Bundle, tuple[str, ...]]:
  """The bundle in memory, and those of `more_words` that have no vector."""
  checkpoint = fingerprint(state)
  warn_if_outdated(session.tuned, checkpoint)
  seen_visual = None
  if session.method.space == "visual":
    store = SeenStore(session.workdir, origin_of(session, state, checkpoint))
    seen_visual = store.prototypes()
    seen_visual = make_embedder(session, state).seen_prototypes(store) if seen_visual is None else seen_visual
  found, missing = _word_vectors(session, more_words)
  config = _without_places(session.config)
  known, all_known = _known_classes(session)
  facts = Facts(
    name=name,
    created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    step=int(state.step),
    checkpoint=checkpoint,
    num_parameters=session.network.num_parameters,
    vectors=config.vectors,
    space=primary_space(session),
    preprocessing=_preprocessing(session),
    pretrained_from=config.model.init_from or None,
    pretrained_known=all_known,
    evaluation=_evaluation(session, checkpoint),
    licence=licence,
    versions={"zsar_jax": zsar_jax.__version__, "jax": jax.__version__, "flax": flax.__version__},
  )
  arrays = host_copy({"params": state.params, "batch_stats": state.batch_stats})
  bundle = Bundle(
    pathlib.Path(name),
    facts,
    config,
    session.corpus.seen,
    seen_visual,
    known,
    found,
    arrays["params"],
    arrays["batch_stats"],
  )
  return bundle, missing


def _preprocessing(session: Session) -> Preprocessing:
  data, stored = session.config.data, session.corpus.train.videos.options
  return Preprocessing(
    data.short_side, data.crop, data.num_frames, data.stride, session.config.eval.num_clips, stored.fps, stored.jpeg_quality,
    stored.short_side,
  )  # fmt: skip


def _without_places(config: Config) -> Config:
  """The config without the names of folders of this machine; what was tuned is in it already."""
  spec = config.vectors
  if sentence.is_sentence(spec):
    spec = f"sentence:{pathlib.Path(spec.removeprefix('sentence:')).name}"
  elif not spec.startswith("hash:"):
    spec = pathlib.Path(spec).name
  return dataclasses.replace(
    config,
    vectors=spec,
    data=dataclasses.replace(config.data, dir=pathlib.Path(config.data.dir).name or "data"),
    model=dataclasses.replace(config.model, init_from=pathlib.Path(config.model.init_from).name),
    transfer=dataclasses.replace(config.transfer, use_tuned=False),
  )


def _known_classes(session: Session) -> tuple[ClassSet, bool]:
  """Every class that the weights saw, and whether that is all.

  Which data set the names of earlier ones come from is unknown, so every set's word rules are tried: a name may come several times.
  """
  seen, held = session.corpus.seen, read_class_file(session.workdir)
  before = held and held["pretrained"]
  all_known = held is not None and (before is None or before["classes"] is not None)
  names = dict.fromkeys((*(held["seen"] if held else ()), *((before or {}).get("classes") or ())))
  others = [name for name in names if name not in seen.names]
  if not others:
    return seen, all_known
  readings = read_classes(dict.fromkeys((*SOURCES, "folder"), others), session.config.vectors).sets.values()
  joined = join_class_sets([seen, *readings])
  first = {
    (name, words): row
    for row, (name, words) in reversed(list(enumerate(zip(joined.names, joined.words, strict=True))))
  }
  return joined.subset(sorted(first.values())), all_known


def _word_vectors(
  session: Session, more: Sequence[str]
) -> tuple[dict[str, Float32[np.ndarray, " E"]], tuple[str, ...]]:
  """Of the words of the run's classes, of every class list that ships and of `more`; the second: which of `more` have none."""
  spec = session.config.vectors
  if spec.startswith("hash:") or sentence.is_sentence(spec):
    return {}, ()
  corpus = session.corpus
  sets = [corpus.seen, corpus.removed, *(d.classes for d in corpus.unseen)]
  wanted = {word for one in sets for own in one.words for word in own} | set(more)
  wanted |= _words_of((name for one in sets for name in one.names), "folder")
  for given in map(read_class_list, shipped_lists()):
    wanted |= _words_of(given.names, given.source) | _words_of(given.names, "folder")
  found = vectors.read(spec, wanted | {word.lower() for word in wanted}).found
  return found, tuple(word for word in more if word not in found)


def _words_of(names: Iterable[str], source: str) -> set[str]:
  """As a data set's rules read them, and as they are written: a user may give these names too."""
  return {word for name in names for word in (*label_words(name, source), *folder_tokens(name))}


def _evaluation(session: Session, checkpoint: str) -> list[dict[str, Any]]:
  """The rows that count of the run's report, where it is of this checkpoint, these word vectors and these coefficients."""
  try:
    report = parse_json((session.workdir / "report.json").read_text(encoding="utf-8"))
    saved, transfer = report["config"], report["transfer"] or {}
    coefficients = {key: getattr(session.config.transfer, key) for key in transfer if key != "tuned"}
    if (report["checkpoint"], saved["vectors"]) != (checkpoint, session.config.vectors) or coefficients != {
      key: transfer[key] for key in coefficients
    }:
      return []
    return [
      {key: row[key] for key in _COLUMNS if key in row} for row in report["evaluations"] if row["primary"]
    ]
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    return []
