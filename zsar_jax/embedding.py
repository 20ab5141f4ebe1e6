"""Videos to vectors: every video of a data set goes through the model once, and what is kept of it."""

import functools
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Shaped
from rich.console import Console
from rich.progress import track

from zsar_jax.data.datasets import DataSet
from zsar_jax.errors import InputError
from zsar_jax.methods.base import ClipEmbeddings
from zsar_jax.methods.frames import reorder
from zsar_jax.seen_embeddings import Origin, SeenStore
from zsar_jax.session import Session
from zsar_jax.train.apply import Apply
from zsar_jax.train.distributed import is_first
from zsar_jax.train.sharding import place_everywhere
from zsar_jax.train.state import TrainState
from zsar_jax.types import EvalBatch, VideoEmbeddings
from zsar_jax.zeroshot.metrics import unit


class SetEmbeddings(NamedTuple):
  """The embedded videos of one data set."""

  own: VideoEmbeddings  # in the method's own space
  words: VideoEmbeddings | None  # by what the word head says (ResT)


class Embedder(NamedTuple):
  """A model ready to embed."""

  session: Session
  state: TrainState
  apply: Apply

  def data_set(self, data_set: DataSet, title: str) -> SetEmbeddings:
    """Every video, `eval.num_clips` clips each, in the order of the data set.

    Raises:
      InputError: embeddings that are not finite, with the videos they are of.
    """
    config = self.session.config.eval
    # Videos of like length together: few shapes, and little padding of the frames that a batch shares.
    order = np.argsort(-data_set.videos.num_frames[data_set.rows], kind="stable")
    own, words = [], []
    for batch, clips in self._batches(data_set.take(order), config.num_clips, config.clips, title):
      own.append(_kept(batch, clips.own))
      words += [] if clips.words is None else [_kept(batch, clips.words)]
    back = np.argsort(order)
    embedded = SetEmbeddings(_joined(own, back), _joined(words, back) if words else None)
    for kept in (embedded.own, embedded.words):
      if kept is not None:
        check_finite(data_set, np.isfinite(kept.mean).all(1))
    return embedded

  def seen_prototypes(self, store: SeenStore) -> Float32[np.ndarray, "S D"]:
    """Visual prototypes of the seen classes: the mean over their training videos, one evenly placed clip each.

    Sums and counts stay on the device, in float32. Written to `store`, with every embedding where it wants them.

    Raises:
      InputError: embeddings that are not finite, with the videos they are of.
    """
    train, num_classes = self.session.corpus.train, len(self.session.corpus.seen.names)
    sums: Any = None
    counts: Any = None
    finite = np.ones(len(train.rows), bool)
    done = 0
    for batch, clips in self._batches(train, 1, "even", "training videos"):
      vectors = clips.own[:, 0]
      label, mask = place_everywhere(self.session.mesh, (batch.label, batch.mask))
      if sums is None:
        zeros = np.zeros((num_classes, vectors.shape[1]), np.float32), np.zeros(num_classes, np.int32)
        sums, counts = place_everywhere(self.session.mesh, zeros)
      sums, counts, ok = _accumulate(sums, counts, vectors, label, mask)
      num = int(batch.mask.sum())
      finite[done : done + num] = np.asarray(ok)[:num]
      done += num
      if store.keeps_embeddings:
        store.add(np.asarray(vectors)[batch.mask], batch.label[batch.mask], batch.row[batch.mask])
    check_finite(train, finite)
    # Every seen class has a video: the corpus makes sure.
    counts = np.asarray(counts)
    prototypes = np.asarray(sums) / counts[:, None].astype(np.float32)
    if is_first():
      store.finish(prototypes, counts)
    return prototypes

  def _batches(
    self, data_set: DataSet, num_clips: int, clips: str, title: str
  ) -> Iterator[tuple[EvalBatch, ClipEmbeddings]]:
    """Batches with their clips' embeddings, behind a progress bar."""
    num_batches = -(-len(data_set.rows) // self.session.reader.eval_batch_size)
    console = Console()
    batches = self.session.apply(self.apply, self.state, data_set, num_clips, clips)
    yield from track(
      batches, f"embedding {title}", num_batches, console=console, disable=not console.is_terminal
    )


def make_embedder(session: Session, state: TrainState) -> Embedder:
  """Compiles nothing yet; `eval.frame_order` is applied to every clip."""
  method, frame_order = session.method, session.config.eval.frame_order

  def embed(model: Any, frames: Array, positions: Array) -> ClipEmbeddings:
    return method.embed_clips(model, frames, reorder(positions, frame_order))

  return Embedder(session, state, session.compile(embed))


def origin_of(session: Session, state: TrainState, checkpoint: str) -> Origin:
  """What prototypes of the seen classes are of."""
  corpus = session.corpus
  order = session.config.eval.frame_order
  return Origin(
    checkpoint, int(state.step), corpus.seen.names, len(corpus.train.rows), _digest(session), order
  )


def _digest(session: Session) -> str:
  """A hash of the training videos and of how their clips are cut."""
  data, train = session.config.data, session.corpus.train
  shape = (
    data.num_frames,
    data.stride,
    data.short_side,
    data.crop,
    data.mean,
    data.std,
    session.config.model.dtype,
  )
  ids = "\n".join(train.videos.video_ids(train.rows))
  return hashlib.sha256(f"{shape}\n{train.name}\n{ids}".encode()).hexdigest()[:16]


def check_finite(data_set: DataSet, finite: Shaped[np.ndarray, " V"]) -> None:
  """Raises InputError that names the videos (the first ten) whose embedding is not finite."""
  bad = np.flatnonzero(~np.asarray(finite, bool))
  if not len(bad):
    return
  names = ", ".join(data_set.videos.video_id(int(row)) for row in data_set.rows[bad[:10]])
  raise InputError(
    f"{data_set.name}: the embeddings of {len(bad)} of {len(data_set.rows)} videos are not finite: {names}"
    f"{', …' if len(bad) > 10 else ''}; the model diverged or its checkpoint is damaged: evaluate an earlier one, or "
    "compute with --config.model.dtype=float32 if it ran in bfloat16"
  )


@functools.partial(jax.jit, donate_argnums=(0, 1))
def _accumulate(sums: Array, counts: Array, vectors: Float[Array, "B D"], label: Array, mask: Array) -> Any:
  """Adds a batch to the sums and counts of its classes; also says which vectors are finite."""
  ok = jnp.isfinite(vectors).all(1)
  chosen = (label[:, None] == jnp.arange(len(counts))) & mask[:, None]
  # Padding repeats a video; where one is not finite nothing must spread.
  vectors = jnp.where((mask & ok)[:, None], vectors, 0)
  more = jnp.matmul(chosen.astype(jnp.float32).T, vectors, precision=jax.lax.Precision.HIGHEST)
  return sums + more, counts + chosen.sum(0), ok


def _kept(batch: EvalBatch, clips: Float[Array, "B N D"]) -> VideoEmbeddings:
  vectors = np.asarray(clips, np.float32)
  units = unit(vectors)
  kept = VideoEmbeddings(
    vectors.mean(1), units.mean(1), vectors[:, vectors.shape[1] // 2], units.astype(np.float16),
    batch.label, batch.row,
  )  # fmt: skip
  return VideoEmbeddings(*(array[batch.mask] for array in kept))


def _joined(parts: list[VideoEmbeddings], order: np.ndarray) -> VideoEmbeddings:
  return VideoEmbeddings(*(np.concatenate(arrays)[order] for arrays in zip(*parts, strict=True)))
