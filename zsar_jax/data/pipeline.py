"""Index to batches: the bytes of the sampled frames, decoded and cropped by tf.data.

Which clip comes next is arithmetic (see `sampling.py`), not the state of a shuffle buffer: a run resumes at
any step and every process reads its own share of one global order.

  python -m zsar_jax.data.pipeline --config FILE.py --profile

runs the training pipeline of a config alone and says where its time goes (see `profile.py`).
"""

import sys
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, Int32

from zsar_jax.data import sampling
from zsar_jax.data.index import VideoIndex
from zsar_jax.data.plans import ClipSpec, Plan, evaluation_plan, training_plan, video_geometry
from zsar_jax.data.stream import Steps, read_steps
from zsar_jax.errors import raise_all
from zsar_jax.types import ClipBatch, EvalBatch

EVAL_CLIPS = ("even", "random", "released")


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
  A still image becomes T crops along a random motion, another one every epoch (E2E section 3.4).

  Args:
    index: where the videos, still images or features are.
    rows: rows of the index to train on; class filters and subsets are made by choosing them.
    labels: class of each row in the caller's ClassSet.
    words: vocabulary ids of each class.
    spec: frames uint8 [B, 1, T, crop, crop, 3]; float32 [B, 1, T, D] of features.
    batch_size: global, of all processes; this process yields rows p·B/P to (p+1)·B/P of every batch.
    seed: of the order, the clips and the crops.
    start_step: the first batch; those before it are not read.
    workers: threads that decode; None uses every core.

  Raises:
    InputError: no rows, labels of another length, videos smaller than the crop, features of another width, a
      batch that processes cannot share.
    RecordError: while iterating, where stored bytes are not what was written.
  """
  problems = _problems(index, rows, labels, len(words), spec, batch_size, process_index, process_count)
  raise_all(problems)
  share = _share(batch_size, process_index, process_count)
  steps = train_steps(index, rows, spec, batch_size=batch_size, seed=seed, start_step=start_step, share=share)
  return _train_batches(steps, rows, labels, words, workers)


def train_steps(
  index: VideoIndex, rows: Int[np.ndarray, " V"], spec: ClipSpec,
  *, batch_size: int, seed: int, start_step: int = 0, share: slice = slice(None),
) -> Steps:  # fmt: skip
  """The plans behind `train_batches`; `share` is this process's part of every batch."""
  geometry = video_geometry(index, rows, spec)

  def plan(step: int) -> Plan:
    positions, numbers = (a[share] for a in sampling.global_rows(len(rows), seed, step, batch_size))
    planned = training_plan(index, rows[positions], numbers, spec, seed, geometry)
    return planned._replace(members=positions, mask=np.ones(len(positions), bool))

  return Steps(index, spec, geometry, plan, start_step, None)


def eval_batches(
  index: VideoIndex,
  rows: Int[np.ndarray, " V"],
  labels: Int[np.ndarray, " V"],
  spec: ClipSpec,
  *,
  batch_size: int,
  num_clips: int,
  clips: str = "even",
  seed: int = 0,
  process_index: int = 0,
  process_count: int = 1,
  workers: int | None = None,
) -> Iterator[EvalBatch]:
  """Each row once, in order, `num_clips` centre-cropped clips a video; `spec.scales` is not used.

  Frames are uint8 [B, F, crop, crop, 3], float32 [B, F, D] of features: those that a video's clips show, each once and
  ascending, then its last one over again. F is what the video of the batch with most frames needs, rounded up (see
  `sampling.round_up_frames`), T for one clip, and N·T for still images; the same in every process.
  The last batch is padded with rows whose `mask` is False; every process yields the same number of batches. Frames and positions
  are its share, rows p·B/P to (p+1)·B/P; label, mask and row are of the whole batch, for what the devices make of it is too.
  Arguments and errors as `train_batches`, and:

  Args:
    num_clips: N.
    clips: "even" (evenly spaced starts), "random" (random starts, the same ones at every call) or "released" (as
      E2E's released code tests; stride 1 only). A still image has N random motions whatever this says.
    seed: of the random starts and motions, with the row of the video and the number of the clip.
  """
  problems = _problems(index, rows, labels, None, spec, batch_size, process_index, process_count)
  if clips not in EVAL_CLIPS:
    problems.append(f"clips={clips!r}: expected one of {', '.join(map(repr, EVAL_CLIPS))}")
  if clips == "released" and spec.stride != 1:
    problems.append(f"clips='released' takes consecutive frames: stride {spec.stride} cannot be used with it")
  raise_all(problems)
  spec = spec._replace(scales=())
  share = _share(batch_size, process_index, process_count)
  geometry = video_geometry(index, rows, spec)

  def plan(step: int) -> Plan:
    places = step * batch_size + np.arange(batch_size)
    members = np.minimum(places, len(rows) - 1)  # padding repeats the last video
    planned = evaluation_plan(index, rows[members], num_clips, clips, spec, seed, geometry, share)
    return planned._replace(members=members, mask=places < len(rows))

  steps = Steps(index, spec, geometry, plan, 0, -(-len(rows) // batch_size))
  return _eval_batches(steps, rows, labels, workers)


def _share(batch_size: int, process_index: int, process_count: int) -> slice:
  return slice(*(p * batch_size // process_count for p in (process_index, process_index + 1)))


def _train_batches(
  steps: Steps, rows: np.ndarray, labels: np.ndarray, words: np.ndarray, workers: int | None
) -> Iterator[ClipBatch]:
  """Labels and words never go through TensorFlow."""
  labels, words = np.asarray(labels, np.int32), np.asarray(words, np.int32)
  for plan, frames in read_steps(steps, workers):
    label = labels[plan.members]
    yield ClipBatch(frames, label, words[label], plan.mask, np.asarray(rows)[plan.members].astype(np.int32))


def _eval_batches(
  steps: Steps, rows: np.ndarray, labels: np.ndarray, workers: int | None
) -> Iterator[EvalBatch]:
  labels, rows = np.asarray(labels, np.int32), np.asarray(rows, np.int32)
  for plan, frames in read_steps(steps, workers):
    yield EvalBatch(frames, plan.positions, labels[plan.members], plan.mask, rows[plan.members])


def _problems(index, rows, labels, num_classes, spec, batch_size, process_index, process_count) -> list[str]:
  problems = []
  labels = np.asarray(labels)
  if not len(rows):
    problems.append(f"no videos to read from {index.directory}: every row was filtered out")
  if len(rows) != len(labels):
    problems.append(f"{len(rows)} rows but {len(labels)} labels")
  if num_classes is not None and len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
    problems.append(f"labels from {labels.min()} to {labels.max()}, but words for {num_classes} classes")
  if batch_size < 1 or batch_size % process_count:
    problems.append(
      f"batch_size {batch_size} is not a multiple of the {process_count} processes: each reads an equal share"
    )
  if not 0 <= process_index < process_count:
    problems.append(f"process_index {process_index} is not below process_count {process_count}")
  if len(rows):
    problems += content_problems(index, np.asarray(rows), spec)
  return problems


def content_problems(index: VideoIndex, rows: Int[np.ndarray, " V"], spec: ClipSpec) -> list[str]:
  """Why clips of `spec` cannot be cut from what these rows hold; empty where they can."""
  kind = index.kind
  if kind == "features":
    widths = np.unique(index.width[rows]).tolist()
    if widths == [spec.width]:
      return []
    found = f"{index.directory}: holds features of {' and '.join(map(str, widths))} numbers"
    if not spec.width:
      return [f"{found}, not pictures: use the backbone 'features' with 'model.num_features' {widths[0]}"]
    return [f"{found}, 'model.num_features' is {spec.width}"]
  if spec.width:
    return [
      f"{index.directory}: holds {kind}s, but 'model.backbone' features reads precomputed features of 'model.num_features' "
      f"{spec.width} numbers"
    ]
  short = np.minimum(index.height[rows], index.width[rows])
  if kind == "video" and not spec.short_side and short.min() < spec.crop:
    return [
      f"{index.directory}: crop {spec.crop} is larger than the short side, {short.min()} pixels, of video "
      f"{index.video_id(rows[short.argmin()])}: build the records with --short_side {spec.crop} or more"
    ]
  return []


if __name__ == "__main__":
  from zsar_jax.data.profile import main

  sys.exit(main())
