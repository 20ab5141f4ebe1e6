"""Exports a run: collected, written, read back, compared, and only then kept."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int32, Shaped

from zsar_jax.bundle import parity
from zsar_jax.bundle.contents import MOST_CLIPS, Bundle
from zsar_jax.bundle.model import make_bundle_method
from zsar_jax.bundle.parity import Compared, ParityError
from zsar_jax.bundle.read import read_bundle
from zsar_jax.bundle.write import write_bundle
from zsar_jax.classes import sentence
from zsar_jax.classes.embeddings import class_sets
from zsar_jax.config import Config
from zsar_jax.data.datasets import DataSet
from zsar_jax.embedding import make_embedder
from zsar_jax.errors import InputError
from zsar_jax.exporting.contents import collect
from zsar_jax.saved.bundles import STABLEHLO, WORDS
from zsar_jax.saved.folders import files_below
from zsar_jax.session import Session, open_session
from zsar_jax.train.sharding import place_batch
from zsar_jax.train.state import TrainState
from zsar_jax.types import ClassSet


class Exported(NamedTuple):
  """What an export did."""

  compared: list[Compared]
  without_vectors: tuple[str, ...]  # of the words that were asked for by name
  not_evaluated: str  # why the model card holds no accuracy; empty: it does

  def show(self, to: pathlib.Path) -> None:
    """Prints the files with their sizes, and how far the bundle is from the run."""
    for name in files_below(to):
      print(f"{(to / name).stat().st_size / 1e6:10.3f} MB  {name}")
    for one in self.compared:
      print(f"{one.name}: largest relative difference {one.difference:.3g}")
    if self.without_vectors:
      print(
        f"{len(self.without_vectors)} words have no vector and do not come along: {', '.join(self.without_vectors)}"
      )
    if self.not_evaluated:
      print(f"the model card holds no accuracy: {self.not_evaluated}")
    print(f"exported to {to}")


def export(
  config: Config,
  workdir: pathlib.Path,
  to: pathlib.Path,
  *,
  stablehlo: bool,
  more_words: Sequence[str],
  licence: str,
) -> Exported:
  """Writes the newest good checkpoint of the run in `workdir` to `to`.

  Raises:
    InputError: `to` holds other things or cannot be written; the run, its data or its word vectors are not there; more clips a video than
      predictions take.
    CheckpointError: nothing to export.
    ParityError: what was written does not give what the run gives; it was removed.
  """
  if config.eval.num_clips > MOST_CLIPS:
    raise InputError(
      f"'eval.num_clips' is {config.eval.num_clips}, but predictions take at most {MOST_CLIPS} clips a video: give fewer, such as "
      "--config.eval.num_clips=25"
    )
  # Frames out of order are an experiment of evaluation.
  config = dataclasses.replace(config, eval=dataclasses.replace(config.eval, frame_order="natural"))
  session = open_session(config, workdir, must_resume=True)
  state = session.restore()
  bundle, missing = collect(session, state, to.resolve().name, more_words, licence)
  programs: dict[str, bytes] = {}
  compared: list[Compared] = []
  if stablehlo:
    from zsar_jax.bundle.stablehlo import make_programs

    programs = make_programs(bundle)

  def check(folder: pathlib.Path) -> None:
    again = _read_back(folder, to)
    try:
      compared.extend(compare(session, state, again, bundle.seen_visual))
    except OSError as error:  # the records or the word vectors of the run, not the bundle
      raise InputError(
        f"the run could not be compared with what was written, so {to} was not written: {error}; put it back and export again"
      ) from error
    parity.check_all(compared, str(to))

  write_bundle(bundle, to, programs, check)
  return Exported(compared, missing, bundle.facts.not_evaluated)


def _read_back(folder: pathlib.Path, to: pathlib.Path) -> Bundle:
  try:
    return read_bundle(folder)
  except InputError as error:
    raise ParityError(f"what was written cannot be read back, so {to} was not written: {error}") from error


def compare(
  session: Session, state: TrainState, bundle: Bundle, seen_visual: Float32[np.ndarray, "S D"] | None
) -> list[Compared]:
  """The run and its bundle, as it was read back: embeddings of the same clips, and prototypes of every unseen class."""
  # Accelerators would round products, and differently in every program.
  with jax.default_matmul_precision("highest"):
    return [*_compare_embeddings(session, state, bundle), *_compare_prototypes(session, bundle, seen_visual)]


def _compare_embeddings(session: Session, state: TrainState, bundle: Bundle) -> Iterator[Compared]:
  apply, again = make_embedder(session, state).apply, parity.compile_embed(bundle)
  batch = next(iter(session.reader.evaluation(session.corpus.validation, 1)))
  noise = np.random.default_rng(0)
  drawn = (noise.integers(0, 256, batch.frames.shape, np.uint8) if batch.frames.dtype == np.uint8
           else noise.standard_normal(batch.frames.shape, np.float32))  # fmt: skip
  for kind, frames in (("validation videos", batch.frames), ("random frames", drawn)):
    what = f"embeddings of {len(frames)} clips of {kind}"
    ours = apply(state.params, state.batch_stats, place_batch(session.mesh, (frames, batch.positions))).own
    theirs = again(frames, batch.positions)
    yield Compared(what, parity.difference(np.asarray(ours, np.float32), theirs))
    if (bundle.folder / STABLEHLO).is_dir():
      yield Compared(f"StableHLO's {what}", _compare_program(bundle, frames, batch.positions, theirs))


def _compare_program(
  bundle: Bundle,
  frames: Shaped[np.ndarray, "B F ..."],
  positions: Int32[np.ndarray, "B 1 T"],
  embedded: Float32[np.ndarray, "B 1 D"],
) -> float:
  """How far the program for CPUs, which computes in float32, is from the bundle."""
  from zsar_jax.bundle.stablehlo import in_float32, run_on_cpu

  if bundle.config.model.dtype != "float32":
    embedded = parity.compile_embed(in_float32(bundle))(frames, positions)
  clips = np.stack([one[where[0]] for one, where in zip(frames, positions, strict=True)])
  return parity.difference(embedded[:, 0], run_on_cpu(bundle.folder, clips))


def _compare_prototypes(
  session: Session, bundle: Bundle, seen_visual: Float32[np.ndarray, "S D"] | None
) -> Iterator[Compared]:
  method = make_bundle_method(bundle)
  for data_set in session.corpus.unseen:
    ours = parity.unseen_prototypes(session.method, data_set.classes, seen_visual)
    theirs = parity.unseen_prototypes(method, _embedded(session, bundle, data_set), bundle.seen_visual)
    yield Compared(f"prototypes of {len(ours)} classes of {data_set.name}", parity.difference(ours, theirs))


def _embedded(session: Session, bundle: Bundle, data_set: DataSet) -> ClassSet:
  """The unseen classes as the bundle's own word vectors give them."""
  spec = str(bundle.folder / WORDS) if bundle.word_vectors else session.config.vectors
  if sentence.is_sentence(spec):
    return data_set.classes
  return class_sets({data_set.name: data_set.classes.names}, spec)[data_set.name]
