"""From a config to classes and videos: which are seen, which were removed, which are unseen."""

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from zsar_jax.classes.embeddings import class_sets, join_class_sets
from zsar_jax.classes.overlap import Overlap, find_overlap
from zsar_jax.classes.vectors import check_spec
from zsar_jax.config import Config
from zsar_jax.data.generated import NAMES as GENERATED
from zsar_jax.data.generated import PREFIX, generated_path, make_generated
from zsar_jax.data.index import VideoIndex, open_index, validation_rows
from zsar_jax.errors import InputError, did_you_mean, raise_all
from zsar_jax.types import ClassSet, ClipBatch


class Reference(NamedTuple):
  """A data set as a config writes it: `NAME`, `NAME:class+class` or `NAME:!class+class`."""

  name: str
  classes: tuple[str, ...]
  excluded: bool


class DataSet(NamedTuple):
  """Some videos of one folder of records, and what their labels mean."""

  name: str
  videos: VideoIndex
  rows: Int[np.ndarray, " V"]
  labels: Int[np.ndarray, " V"]  # rows of `classes`
  classes: ClassSet
  num_skipped: int  # videos of the folder that could not be read when it was made

  def take(self, chosen: Int[np.ndarray, " M"]) -> "DataSet":
    """Only the videos at these positions of `rows`."""
    return self._replace(rows=self.rows[chosen], labels=self.labels[chosen])


class Corpus(NamedTuple):
  """All videos of a run by role."""

  seen: ClassSet
  overlap: Overlap
  train: DataSet
  validation: DataSet
  unseen: list[DataSet]
  seen_test: DataSet


def parse_reference(text: str) -> Reference:
  name, _, classes = text.partition(":")
  excluded = classes.startswith("!")
  names = tuple(c.strip() for c in classes.removeprefix("!").split("+") if c.strip())
  return Reference(name.strip(), names, excluded)


def open_corpus(config: Config, say: Callable[[str], None] = print) -> Corpus:
  """Opens every data set of the config, embeds the class names and removes leaking seen classes.

  Raises:
    InputError: missing data sets (each with the command that makes it), unknown or doubly used classes, words
      without a vector, nothing left to train on: every problem of a kind at once.
  """
  texts = [config.data.seen, *config.data.unseen] + ([config.data.seen_test] if config.data.seen_test else [])
  references = [parse_reference(text) for text in texts]
  _check_generated(references)
  check_spec(config.vectors)
  names = sorted({r.name for r in references})
  indexes = _open_all(config, [name for name in names if name not in GENERATED])
  generated = [name for name in names if name in GENERATED]
  make_generated(config, generated, say)
  indexes |= _open_all(config, generated)
  _check_roles(references[0], references[1 : 1 + len(config.data.unseen)], indexes)
  _check_seen_test(references[0], config.data.seen_test)
  chosen = _choose_classes(references, indexes)
  sources = {text: r.name for text, r in zip(texts, references, strict=True)}
  sets = class_sets(dict(zip(texts, chosen, strict=True)), config.vectors, sources)
  data_sets = {text: _data_set(name, indexes[name], sets[text]) for text, name in sources.items()}
  return _assign_roles(config, data_sets)


def _assign_roles(config: Config, data_sets: dict[str, DataSet]) -> Corpus:
  everything = data_sets[config.data.seen]
  unseen = [data_sets[text] for text in config.data.unseen]
  overlap = find_overlap(
    everything.classes, join_class_sets([d.classes for d in unseen]), config.data.overlap_threshold
  )
  if len(overlap.kept) < 2:
    raise InputError(
      f"data.seen {config.data.seen!r}: {len(overlap.kept)} classes are left after removing those nearer than "
      f"{config.data.overlap_threshold} to an unseen class, expected at least 2"
    )
  seen = everything.classes.subset(overlap.kept)
  kept = _relabel(everything, everything.classes.names, seen)
  train_rows, held_out = validation_rows(kept.videos, kept.rows, config.data.validation_fraction)
  train = kept.take(np.flatnonzero(np.isin(kept.rows, train_rows)))
  validation = kept.take(np.flatnonzero(np.isin(kept.rows, held_out)))
  _check_videos(train, validation, unseen)
  return Corpus(seen, overlap, train, validation, unseen, _seen_test(config, data_sets, seen, validation))


def _check_seen_test(seen: Reference, seen_test: str) -> None:
  if seen_test and parse_reference(seen_test).name == seen.name:
    raise InputError(
      f"data.seen_test {seen_test!r} holds the training videos of data.seen; leave it empty to test on the "
      "validation videos, or name another data set of the same classes"
    )


def _seen_test(config: Config, data_sets: dict[str, DataSet], seen: ClassSet, validation: DataSet) -> DataSet:
  if not config.data.seen_test:
    return validation
  given = data_sets[config.data.seen_test]
  unknown = [name for name in given.classes.names if name not in seen.names and name not in
             data_sets[config.data.seen].classes.names]  # fmt: skip
  raise_all([f"class {name!r} of {config.data.seen_test!r} is not a class of {config.data.seen!r}" for name in unknown],
            "data.seen_test must hold seen classes only:")  # fmt: skip
  if not set(given.classes.names) & set(seen.names):
    raise InputError(
      f"data.seen_test {config.data.seen_test!r}: every class of it was removed as too near an unseen one"
    )
  return _relabel(given, given.classes.names, seen)


def _check_videos(train: DataSet, validation: DataSet, unseen: Sequence[DataSet]) -> None:
  """Every seen class needs a video to learn from; validation and every test set need one at all."""
  missing = sorted(set(range(len(train.classes.names))) - set(train.labels.tolist()))
  problems = [
    f"seen class {train.classes.names[k]!r} of {train.name!r} has no training video" for k in missing
  ]
  if not len(validation.rows):
    problems.append(
      f"{validation.name!r} leaves no validation video: expected a class with at least 2 videos"
    )
  problems += [
    f"unseen data set {d.name!r} has no video of the chosen classes" for d in unseen if not len(d.rows)
  ]
  raise_all(
    problems, "videos are missing (see quarantine.jsonl of the data set for those that could not be read):"
  )


def _relabel(data_set: DataSet, names: Sequence[str], classes: ClassSet) -> DataSet:
  """Turns labels that are rows of `names` into rows of `classes`; videos of other classes are left out."""
  position = {name: row for row, name in enumerate(classes.names)}
  labels = np.array([position.get(name, -1) for name in names], np.int32)[data_set.labels]
  return data_set._replace(labels=labels, classes=classes).take(np.flatnonzero(labels >= 0))


def _data_set(name: str, index: VideoIndex, classes: ClassSet) -> DataSet:
  whole = DataSet(
    name, index, np.arange(len(index)), np.asarray(index.label), classes, _num_quarantined(index)
  )
  return _relabel(whole, index.class_names, classes)


def _num_quarantined(index: VideoIndex) -> int:
  file = pathlib.Path(index.directory) / "quarantine.jsonl"
  return len(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else 0


def _check_generated(references: Sequence[Reference]) -> None:
  raise_all([f"{r.name!r} is no generated data set{did_you_mean(r.name, GENERATED)}"
             for r in references if r.name.startswith(PREFIX) and r.name not in GENERATED])  # fmt: skip


def _open_all(config: Config, names: Sequence[str]) -> dict[str, VideoIndex]:
  indexes, problems = {}, []
  for name in names:
    path = generated_path(config, name) if name in GENERATED else pathlib.Path(config.data.dir) / name
    try:
      indexes[name] = open_index(path, config.data.short_side)
    except InputError as error:
      problems.append(f"{name}: {error}")
  raise_all(problems, "these data sets cannot be used:")
  return indexes


def _choose_classes(references: Sequence[Reference], indexes: dict[str, VideoIndex]) -> list[tuple[str, ...]]:
  chosen, problems = [], []
  for reference in references:
    known = indexes[reference.name].class_names
    problems += [f"data set {reference.name!r} has no class {c!r}{did_you_mean(c, known)}"
                 for c in reference.classes if c not in known]  # fmt: skip
    chosen.append(_chosen(reference, known))
  raise_all(problems)
  return chosen


def _chosen(reference: Reference, known: Sequence[str]) -> tuple[str, ...]:
  if not reference.classes:
    return tuple(known)
  return tuple(name for name in known if (name in reference.classes) != reference.excluded)


def _check_roles(seen: Reference, unseen: Sequence[Reference], indexes: dict[str, VideoIndex]) -> None:
  """A class of one data set must not be asked for as seen and as unseen."""
  names = [reference.name for reference in unseen]
  problems: list[str] = [
    f"data set {n!r} is named twice in data.unseen" for n in sorted(set(names)) if names.count(n) > 1
  ]
  for reference in unseen:
    if reference.name == seen.name:
      known = indexes[seen.name].class_names
      both = [c for c in _chosen(seen, known) if c in _chosen(reference, known)]
      problems += [f"class {c!r} of data set {seen.name!r}" for c in both]
  raise_all(problems, "everything must have one role, seen (data.seen) or unseen (data.unseen), for example "
                      "data.seen=NAME:!class and data.unseen=NAME:class; these have two:")  # fmt: skip


class ClipReader(NamedTuple):
  """How a config cuts clips from data sets."""

  config: Config
  eval_batch_size: int  # videos
  words: Int[np.ndarray, "K L"]

  def training(self, data_set: DataSet, first_step: int) -> Iterator[ClipBatch]:
    """Endless batches in the global order, from `first_step` on."""
    from zsar_jax.data.pipeline import ClipSpec, train_batches

    data = self.config.data
    spec = ClipSpec(data.num_frames, data.stride, data.crop)
    return train_batches(
      data_set.videos, data_set.rows, data_set.labels, self.words, spec,
      batch_size=self.config.train.batch_size, seed=self.config.seed, start_step=first_step,
      workers=data.workers or None,
    )  # fmt: skip

  def evaluation(self, data_set: DataSet, num_clips: int, clips: str = "even") -> Iterator[ClipBatch]:
    """Every video once, in order; `clips` is "even" or "released" (see `data.sampling`)."""
    from zsar_jax.data.pipeline import ClipSpec, eval_batches

    data = self.config.data
    spec = ClipSpec(data.num_frames, data.stride, data.crop)
    words = np.zeros((len(data_set.classes.names), self.words.shape[1]), np.int32)
    return eval_batches(
      data_set.videos, data_set.rows, data_set.labels, words, spec,
      batch_size=self.eval_batch_size, num_clips=num_clips, clips=clips,
      workers=data.workers or None,
    )  # fmt: skip
