"""What of a run goes into its bundle."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Iterable, Sequence

import flax
import jax
import numpy as np
from jaxtyping import Float32

import zsar_jax
from zsar_jax.bundle.contents import Bundle, Facts, Preprocessing
from zsar_jax.classes import sentence, vectors
from zsar_jax.classes.class_lists import read_class_list, shipped_lists
from zsar_jax.classes.words import folder_tokens, label_words
from zsar_jax.config import Config
from zsar_jax.embedding import make_embedder, origin_of
from zsar_jax.exporting.evaluation import evaluation_rows
from zsar_jax.exporting.known import known_classes
from zsar_jax.seen_embeddings import SeenStore
from zsar_jax.session import Session
from zsar_jax.spaces import primary_space
from zsar_jax.train.arrays import host_copy
from zsar_jax.train.state import TrainState, fingerprint
from zsar_jax.tuning import warn_if_outdated


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
  known, all_known = known_classes(session.corpus.seen, session.workdir, session.config.vectors)
  rows, not_evaluated = evaluation_rows(session.workdir, session.config, checkpoint)
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
    evaluation=rows,
    licence=licence,
    versions={"zsar_jax": zsar_jax.__version__, "jax": jax.__version__, "flax": flax.__version__},
    not_evaluated=not_evaluated,
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
    spec = f"sentence:{_last(spec.removeprefix('sentence:'))}"
  elif not spec.startswith("hash:"):
    spec = _last(spec)
  data = dataclasses.replace(
    config.data,
    dir=_last(config.data.dir) or "data",
    seen=_without_folders(config.data.seen),
    unseen=tuple(map(_without_folders, config.data.unseen)),
    seen_test=_without_folders(config.data.seen_test),
  )
  return dataclasses.replace(
    config,
    vectors=spec,
    data=data,
    model=dataclasses.replace(
      config.model, init_from=config.model.init_from and _last(config.model.init_from)
    ),
    transfer=dataclasses.replace(config.transfer, use_tuned=False),
  )


def _last(path: str) -> str:
  """The last name of a path, also of one as `..`."""
  return os.path.basename(os.path.abspath(path))  # links are not followed: the name is what the user calls it


def _without_folders(reference: str) -> str:
  """A data set with its classes as `data.references` reads it, where `@FILE` of a list keeps the file's name only."""
  name, colon, classes = reference.partition(":")
  return name + colon + "+".join(map(_list_name, classes.split("+")))


def _list_name(written: str) -> str:
  before, at, path = written.partition("@")
  is_list = at and before.strip() in ("", "!")
  return f"{before}@{pathlib.PurePath(path.strip()).name}" if is_list else written


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
