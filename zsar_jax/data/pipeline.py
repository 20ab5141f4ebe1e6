"""Index to batches: the bytes of the sampled frames, decoded and cropped by tf.data.

Which clip comes next is arithmetic (see `sampling.py`), not the state of a shuffle buffer: a run resumes at
any step and every process reads its own share of one global order.
"""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from zsar_jax.data import sampling
from zsar_jax.data.index import VideoIndex
from zsar_jax.data.tensorflow_import import tensorflow
from zsar_jax.errors import InputError, raise_all
from zsar_jax.types import ClipBatch


class ClipSpec(NamedTuple):
  """The shape of a clip."""

  num_frames: int  # T
  stride: int  # distance in source frames
  crop: int  # pixels: clips are crop x crop


class _Clips(NamedTuple):
  """Clips of one batch still to be read: which frames of which videos, cropped where. R clips."""

  rows: Int[np.ndarray, " R"]  # of the index
  frames: Int[np.ndarray, "R T"]
  corners: Int32[np.ndarray, "R 2"]  # y, x


def train_batches(
  index: VideoIndex,
  rows: Int[np.ndarray, " V"],
  labels: Int[np.ndarray, " V"],
  words: Int32[np.ndarray, "K L"],
  spec: ClipSpec,
  *,
  batch_size: int,
  seed: int,
  start_step: int = 0,
  process_index: int = 0,
  process_count: int = 1,
  workers: int | None = None,
) -> Iterator[ClipBatch]:
  """Endless training batches: one clip a video (N = 1), random in time and place. The device flips.

  Clip g of the run depends on (rows, seed, g) alone: not on `process_count`, `workers` or `start_step`.

  Args:
    index: where the videos are.
    rows: rows of the index to train on; class filters and subsets are made by choosing them.
    labels: class of each row in the caller's ClassSet.
    words: vocabulary ids of each class.
    spec: frames uint8 [B, 1, T, crop, crop, 3].
    batch_size: global, of all processes; this process yields rows p·B/P to (p+1)·B/P of every batch.
    seed: of the order, the clips and the crops.
    start_step: the first batch; those before it are not read.
    workers: threads that decode; None uses every core.

  Raises:
    InputError: no rows, labels of another length, videos smaller than the crop, a batch that processes
      cannot share.
    RecordError: while iterating, where stored bytes are not what was written.
  """
  rows, labels, words = _checked(index, rows, labels, words, spec, batch_size, process_index, process_count)
  share = slice(*(p * batch_size // process_count for p in (process_index, process_index + 1)))

  def clips(positions: np.ndarray, numbers: np.ndarray) -> _Clips:
    chosen = rows[positions]
    draws = sampling.clip_draws(seed, numbers, 3)
    frames = sampling.train_frames(index.num_frames[chosen], spec.num_frames, spec.stride, draws[:, 0])
    corners = sampling.random_crops(index.height[chosen], index.width[chosen], spec.crop, draws[:, 1:])
    return _Clips(chosen, frames, corners)

  def plan(step: int) -> tuple[_Clips, np.ndarray, np.ndarray]:
    positions, numbers = (a[share] for a in sampling.global_rows(len(rows), seed, step, batch_size))
    return clips(positions, numbers), positions, np.ones(len(positions), bool)

  return _batches(
    index, labels, words, spec, plan, range_of_steps=(start_step, None), num_clips=1, workers=workers
  )


def eval_batches(
  index: VideoIndex,
  rows: Int[np.ndarray, " V"],
  labels: Int[np.ndarray, " V"],
  words: Int32[np.ndarray, "K L"],
  spec: ClipSpec,
  *,
  batch_size: int,
  num_clips: int,
  clips: str = "even",
  process_index: int = 0,
  process_count: int = 1,
  workers: int | None = None,
) -> Iterator[ClipBatch]:
  """Each row once, in order, `num_clips` centre-cropped clips a video.

  The last batch is padded with rows whose `mask` is False; every process yields the same number of batches.
  Arguments and errors as `train_batches`, and:

  Args:
    num_clips: N.
    clips: "even" (evenly spaced starts) or "released" (as E2E's released code tests; stride 1 only).
  """
  rows, labels, words = _checked(index, rows, labels, words, spec, batch_size, process_index, process_count)
  if clips not in ("even", "released"):
    raise InputError(f"clips={clips!r}: expected 'even' or 'released'")
  if clips == "released" and spec.stride != 1:
    raise InputError(
      f"clips='released' takes consecutive frames: stride {spec.stride} cannot be used with it"
    )
  share = slice(*(p * batch_size // process_count for p in (process_index, process_index + 1)))

  def plan(step: int) -> tuple[_Clips, np.ndarray, np.ndarray]:
    places = step * batch_size + np.arange(batch_size)[share]
    positions = np.minimum(places, len(rows) - 1)  # padding repeats the last video
    chosen = rows[positions]
    lengths = index.num_frames[chosen]
    if clips == "even":
      frames = sampling.even_clips(lengths, num_clips, spec.num_frames, spec.stride)
    else:
      frames = sampling.released_clips(lengths, num_clips, spec.num_frames)
    corners = sampling.centre_crops(index.height[chosen], index.width[chosen], spec.crop)
    each = np.repeat(np.arange(len(chosen)), num_clips)
    flat = _Clips(chosen[each], frames.reshape(-1, spec.num_frames), corners[each])
    return flat, positions, places < len(rows)

  steps = (0, -(-len(rows) // batch_size))
  return _batches(
    index, labels, words, spec, plan, range_of_steps=steps, num_clips=num_clips, workers=workers
  )


def _checked(index, rows, labels, words, spec, batch_size, process_index, process_count):
  rows, labels, words = np.asarray(rows, np.int64), np.asarray(labels, np.int32), np.asarray(words, np.int32)
  problems = []
  if not len(rows):
    problems.append(f"no videos to read from {index.directory}: every row was filtered out")
  if len(rows) != len(labels):
    problems.append(f"{len(rows)} rows but {len(labels)} labels")
  if len(labels) and not 0 <= labels.min() <= labels.max() < len(words):
    problems.append(f"labels from {labels.min()} to {labels.max()}, but words for {len(words)} classes")
  if batch_size < 1 or batch_size % process_count:
    problems.append(f"batch_size {batch_size} is not a multiple of the {process_count} processes")
  if not 0 <= process_index < process_count:
    problems.append(f"process_index {process_index} is not below process_count {process_count}")
  if len(rows):
    short = np.minimum(index.height[rows], index.width[rows])
    if short.min() < spec.crop:
      problems.append(
        f"{index.directory}: crop {spec.crop} is larger than the short side, {short.min()} pixels, of video "
        f"{index.video_id(rows[short.argmin()])}: build the records with --short_side {spec.crop} or more"
      )
  raise_all(problems)
  return rows, labels, words


def _batches(
  index: VideoIndex,
  labels: np.ndarray,
  words: np.ndarray,
  spec: ClipSpec,
  plan: Callable[[int], tuple[_Clips, np.ndarray, np.ndarray]],
  *,
  range_of_steps: tuple[int, int | None],
  num_clips: int,
  workers: int | None,
) -> Iterator[ClipBatch]:
  """Reads and decodes what `plan(step)` says. What is known without reading never goes through TensorFlow."""
  failures: list[BaseException] = []
  stream = _frames(index, plan, spec, failures, range_of_steps=range_of_steps, workers=workers)
  step = range_of_steps[0]
  while True:
    try:
      frames = next(stream)
    except StopIteration:
      return
    except Exception as error:
      # tf.data wraps what a Python function raised into text: give back the original.
      raise failures[0] if failures else error from None
    clips, positions, mask = plan(step)
    label = labels[positions]
    yield ClipBatch(
      frames.reshape(len(positions), num_clips, *frames.shape[1:]),
      label,
      words[label],
      mask,
      clips.rows[::num_clips].astype(np.int32),
    )
    step += 1


def _frames(index, plan, spec, failures, *, range_of_steps, workers) -> Iterator[np.ndarray]:
  """Decoded clips [R, T, crop, crop, 3] of one step after another."""
  tf = tensorflow()
  threads = workers or os.cpu_count() or 1
  start, end = range_of_steps

  def read(step):
    try:
      clips = plan(int(step))
      jpegs = index.frame_bytes(clips[0].rows, clips[0].frames)
    except BaseException as error:
      failures.append(error)
      raise
    return np.array(jpegs, object).reshape(-1, spec.num_frames), clips[0].corners

  def read_step(step):
    jpegs, corners = tf.numpy_function(read, [step], [tf.string, tf.int32])
    return tf.ensure_shape(jpegs, [None, spec.num_frames]), tf.ensure_shape(corners, [None, 2])

  def decode(jpegs, corner):
    window = tf.concat([corner, [spec.crop, spec.crop]], axis=0)
    # Unrolled: mapping over frames inside TensorFlow costs more than the decoding.
    frames = [tf.image.decode_and_crop_jpeg(jpegs[t], window, channels=3) for t in range(spec.num_frames)]
    return tf.ensure_shape(tf.stack(frames), [spec.num_frames, spec.crop, spec.crop, 3])

  num_rows = len(plan(start)[0].rows)
  steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max if end is None else end)
  # Two batches of bytes in flight hide the disk's latency.
  dataset = steps.map(read_step, num_parallel_calls=2, deterministic=True).unbatch()
  dataset = dataset.map(decode, num_parallel_calls=threads, deterministic=True)
  dataset = dataset.batch(num_rows, drop_remainder=True).prefetch(2 if end is None else 1)
  options = tf.data.Options()
  options.threading.private_threadpool_size = threads + 2
  options.autotune.enabled = False
  return dataset.with_options(options).as_numpy_iterator()
