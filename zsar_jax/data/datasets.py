"""From a config to classes and videos: which are seen, which were removed, which are unseen."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from zsar_jax.classes.embeddings import join_class_sets, read_whole_classes
from zsar_jax.classes.overlap import Overlap, find_overlap
from zsar_jax.classes.vocabulary import vocabulary
from zsar_jax.config import Config
from zsar_jax.data import storage
from zsar_jax.data.generated import NAMES as GENERATED
from zsar_jax.data.generated import make_generated
from zsar_jax.data.index import VideoIndex, validation_rows
from zsar_jax.data.opening import check_generated, open_all, vector_problems
from zsar_jax.data.pipeline import eval_batches, train_batches
from zsar_jax.data.plans import ClipSpec
from zsar_jax.data.references import Reference, check_roles, choose_classes, parse_reference
from zsar_jax.data.sampling import global_rows, num_looped
from zsar_jax.data.subsets import keep_classes, keep_videos
from zsar_jax.errors import InputError, raise_all
from zsar_jax.files import parse_json
from zsar_jax.types import ClassSet, ClipBatch, EvalBatch


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
  removed: ClassSet  # the classes of `overlap.removed`, in that order
  # Unit vectors of the words of `seen`, in the order of `vocabulary`; none of a sentence encoder.
  word_vectors: dict[str, Float32[np.ndarray, " E"]]


def open_corpus(config: Config, say: Callable[[str], None] = print) -> Corpus:
  """Opens every data set of the config, embeds the class names and removes leaking seen classes.

  Raises:
    InputError: missing data sets (each with the command that makes it), unknown or doubly used classes, words
      without a vector, nothing left to train on: every problem of a kind at once.
  """
  texts = [config.data.seen, *config.data.unseen] + ([config.data.seen_test] if config.data.seen_test else [])
  references = [parse_reference(text) for text in texts]
  check_generated(references)
  names = sorted({r.name for r in references})
  indexes = open_all(config, [name for name in names if name not in GENERATED], vector_problems(config))
  generated = [name for name in names if name in GENERATED]
  make_generated(config, generated, say)
  indexes |= open_all(config, generated)
  chosen = choose_classes(references, indexes)
  num_roles = 1 + len(config.data.unseen)
  check_roles(references[:num_roles], chosen[:num_roles])
  _check_seen_test(references[0], config.data.seen_test)
  sources = {text: r.name for text, r in zip(texts, references, strict=True)}
  reading = read_whole_classes(dict(zip(texts, chosen, strict=True)), config.vectors, sources)
  data_sets = {text: _data_set(name, indexes[name], reading.sets[text]) for text, name in sources.items()}
  corpus = _assign_roles(config, data_sets, reading.vectors.found, say)
  more = [] if corpus.seen_test is corpus.validation else [corpus.seen_test]
  for data_set in (corpus.train, corpus.validation, *corpus.unseen, *more):
    _say_looped(data_set, config, say)
  return corpus


def _assign_roles(
  config: Config,
  data_sets: dict[str, DataSet],
  vectors: dict[str, Float32[np.ndarray, " E"]],
  say: Callable[[str], None],
) -> Corpus:
  everything = data_sets[config.data.seen]
  unseen = [data_sets[text] for text in config.data.unseen]
  raise_all([
    f"unseen data set {d.name!r} has {len(d.classes.names)} classes ({', '.join(d.classes.names)}), expected at least 2: any guess "
    "among one is right"
    for d in unseen if len(d.classes.names) < 2
  ])  # fmt: skip
  overlap = _find_overlap(config, everything.classes, [d.classes for d in unseen], say)
  removed = everything.classes.subset(np.setdiff1d(np.arange(len(everything.classes.names)), overlap.kept))
  kept_classes = everything.classes.subset(overlap.kept)
  seen = kept_classes.subset(keep_classes(kept_classes.semantic_embeddings, config.data))
  kept = _relabel(everything, everything.classes.names, seen)
  train_rows, held_out = validation_rows(kept.videos, kept.rows, config.data.validation_fraction)
  whole = kept.take(np.flatnonzero(np.isin(kept.rows, train_rows)))
  validation = kept.take(np.flatnonzero(np.isin(kept.rows, held_out)))
  _check_videos(whole, validation, unseen)
  # Validation is the same whatever subset is trained on.
  train = whole.take(keep_videos(whole.videos, whole.rows, whole.labels, config.data))
  if len(train.rows) < len(whole.rows) or len(seen.names) < len(kept_classes.names):
    say(f"training on a subset: {len(seen.names)} of {len(kept_classes.names)} seen classes, {len(train.rows)} of their "
        f"{len(whole.rows)} training videos")  # fmt: skip
  seen_test = _seen_test(config, data_sets, seen, validation)
  words = {word: vectors[word] for word in vocabulary(seen.words) if word in vectors}
  return Corpus(seen, overlap, train, validation, unseen, seen_test, removed, words)


def _find_overlap(
  config: Config, seen: ClassSet, unseen: Sequence[ClassSet], say: Callable[[str], None]
) -> Overlap:
  """Which seen classes are trained on; all of them, said loudly, with `data.remove_overlap` False."""
  threshold = config.data.overlap_threshold
  overlap = find_overlap(seen, join_class_sets(unseen), threshold)
  if not config.data.remove_overlap:
    names = ", ".join(f"{name} (as {other})" for name, other, _ in overlap.removed[:5])
    more = f", … ({len(overlap.removed) - 5} more)" if len(overlap.removed) > 5 else ""
    say(f"NOT A ZERO-SHOT RESULT: 'data.remove_overlap' is False, so {len(overlap.removed)} of {len(seen.names)} seen classes are "
        f"trained on although they lie within {threshold} of an unseen one: {names or 'none'}{more}")  # fmt: skip
    overlap = overlap._replace(kept=np.arange(len(seen.names)), removed=())
  if len(overlap.kept) < 2:
    raise InputError(
      f"data.seen {config.data.seen!r}: {len(overlap.kept)} classes are left after removing those nearer than "
      f"{threshold} to an unseen class, expected at least 2"
    )
  return overlap


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
      f"data.seen_test {config.data.seen_test!r}: no class of it is trained on: too near an unseen one, or not in the subset of "
      "classes that the config takes"
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
  """How many videos `quarantine.jsonl` lists.

  Raises:
    InputError: a line of it is not what the writer writes: the count would be a guess.
  """
  file = storage.join(index.directory, "quarantine.jsonl")
  try:
    lines = b"" if storage.file_size(file) is None else storage.read_bytes(file)
  except OSError as error:
    raise InputError(f"{file} cannot be read: {error}") from error
  for number, line in enumerate(lines.splitlines(), 1):
    try:
      entry = parse_json(line)
    except ValueError:
      entry = None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("path", "reason")):
      raise InputError(
        f"{file}, line {number}: no path and reason of a video that could not be stored: make the records again, or remove the file"
      )
  return len(lines.splitlines())


def _say_looped(data_set: DataSet, config: Config, say: Callable[[str], None]) -> None:
  """Short videos are used whole and over again: worth knowing before training on many of them."""
  if data_set.videos.kind == "image":
    return
  data = config.data
  looped = num_looped(data_set.videos.num_frames[data_set.rows], data.num_frames, data.stride)
  if looped:
    say(f"{data_set.name}: {looped} of {len(data_set.rows)} videos are shorter than a clip ({data.num_frames} frames, "
        f"stride {data.stride}) and are looped")  # fmt: skip


class ClipReader(NamedTuple):
  """How a config cuts clips from data sets."""

  config: Config
  eval_batch_size: int  # videos
  words: Int[np.ndarray, "K L"]
  process_index: int = 0
  process_count: int = 1  # processes that read a share of every batch each

  @property
  def spec(self) -> ClipSpec:
    """The clips that the config asks for."""
    data = self.config.data
    return ClipSpec(
      data.num_frames, data.stride, data.crop, data.short_side, data.scales, self.config.model.num_features
    )

  def training(self, data_set: DataSet, first_step: int) -> Iterator[ClipBatch]:
    """Endless batches in the global order, from `first_step` on."""
    return train_batches(
      data_set.videos, data_set.rows, data_set.labels, self.words, self.spec,
      batch_size=self.config.train.batch_size, seed=self.config.seed, start_step=first_step,
      process_index=self.process_index, process_count=self.process_count, workers=self.config.data.workers or None,
    )  # fmt: skip

  def training_rows(self, data_set: DataSet, step: int) -> Int[np.ndarray, " B"]:
    """Rows of the index in the whole training batch `step` (counted from 0), of all processes, in order; nothing is read."""
    positions, _ = global_rows(len(data_set.rows), self.config.seed, step, self.config.train.batch_size)
    return data_set.rows[positions]

  def evaluation(self, data_set: DataSet, num_clips: int, clips: str = "even") -> Iterator[EvalBatch]:
    """Every video once, in order, every frame of it once; `clips` is "even", "random" or "released" (see `data.sampling`).

    Frames are this process's share of a batch, all else is of the whole batch (see `types.EvalBatch`)."""
    return eval_batches(
      data_set.videos, data_set.rows, data_set.labels, self.spec,
      batch_size=self.eval_batch_size, num_clips=num_clips, clips=clips, seed=self.config.seed,
      process_index=self.process_index, process_count=self.process_count, workers=self.config.data.workers or None,
    )  # fmt: skip
