"""What to read for a batch and how to cut it: arithmetic on the columns of an index, no bytes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from zsar_jax.data import augment, sampling
from zsar_jax.data.augment import Geometry
from zsar_jax.data.index import VideoIndex

# Frames decoded together where videos are taken apart into single frames: enough to make TensorFlow's cost of an
# element small against decoding.
GROUP = 16


class ClipSpec(NamedTuple):
  """The shape of a clip, and what it shows."""

  num_frames: int  # T
  stride: int  # distance in source frames
  crop: int  # pixels: clips are crop x crop
  short_side: int = 0  # pixels that `crop` is measured against; 0: those of the stored frames
  # Sides of random training windows, as shares of the short side; empty: `crop`.
  scales: tuple[float, ...] = ()
  width: int = 0  # D, of features; 0: frames are pictures


class Plan(NamedTuple):
  """One batch: frames to read of B videos, and G elements to decode, each some frames and their cuts."""

  rows: Int[np.ndarray, " B"]  # of the index
  frames: Int[np.ndarray, "B F"]  # to read
  take: Int[np.ndarray, "G E"]  # which of the B·F frames each element decodes
  cuts: tuple[np.ndarray, ...]  # each [G, ...]: the windows or moving boxes of the elements
  # Which of the decoded pictures stand where in the batch: [B, N, T] in training, [B, F] in evaluation.
  places: Int[np.ndarray, "B ..."]
  # Evaluation: which of a video's pictures make which clip.
  positions: Int32[np.ndarray, "B N T"] = np.zeros((0, 0, 0), np.int32)
  # Of the videos among the rows that are read in this run.
  members: Int[np.ndarray, " B"] = np.zeros(0, np.int64)
  mask: Bool[np.ndarray, " B"] = np.zeros(0, bool)  # False: padding


def video_geometry(index: VideoIndex, rows: Int[np.ndarray, " V"], spec: ClipSpec) -> Geometry | None:
  """How the frames of these videos are decoded and cut; None of still images and of features."""
  if index.kind != "video":
    return None
  return augment.geometry(index.height[rows], index.width[rows], spec.crop, spec.short_side, spec.scales)


def training_plan(
  index: VideoIndex, rows: Int[np.ndarray, " B"], numbers: Int64[np.ndarray, " B"], spec: ClipSpec, seed: int,
  geometry: Geometry | None,
) -> Plan:  # fmt: skip
  """One random clip a video (N = 1): a function of the clips' numbers and the seed. `geometry` as `video_geometry`."""
  if index.kind == "image":
    draws = sampling.clip_draws(seed, numbers, 6)
    return _stills(index, rows, draws[:, None], spec)
  draws = sampling.clip_draws(seed, numbers, 4)
  frames = sampling.train_frames(index.num_frames[rows], spec.num_frames, spec.stride, draws[:, 0])
  if geometry is None:
    return _whole(rows, frames[:, None])
  height, width = _decoded_size(index, rows, geometry)
  if spec.scales:
    sides = augment.scaled_sides(height, width, spec.scales, draws[:, 3])
  else:
    sides = augment.sides_of_crop(height, width, spec.crop, spec.short_side)
  windows = augment.random_windows(height, width, sides, draws[:, 1:3])
  whole = _whole(rows, frames[:, None])
  return whole._replace(cuts=(np.repeat(windows[:, None], spec.num_frames, axis=1),))


def evaluation_plan(
  index: VideoIndex, rows: Int[np.ndarray, " B"], num_clips: int, clips: str, spec: ClipSpec, seed: int,
  geometry: Geometry | None, share: slice = slice(None),
) -> Plan:  # fmt: skip
  """`num_clips` clips a video, centre crops; of still images, the same random motions every time.

  A frame that several clips show is read, decoded and handed over once. The number F of frames that a video is given follows from
  all `rows`, so that processes which plan their own `share` of the same batch agree on it.
  """
  if index.kind == "image":
    rows = rows[share]
    planned = _stills(index, rows, sampling.eval_draws(seed, rows, num_clips, 6), spec)
    positions = np.arange(num_clips * spec.num_frames, dtype=np.int32).reshape(num_clips, -1)
    return planned._replace(
      places=planned.places.reshape(len(rows), -1), positions=np.tile(positions, (len(rows), 1, 1))
    )
  frames, positions = sampling.distinct_frames(_clip_frames(index, rows, num_clips, clips, spec, seed))
  most = num_clips * spec.num_frames
  num = most if num_clips == 1 else sampling.round_up_frames(frames.shape[1], most)
  frames = np.pad(frames, ((0, 0), (0, num - frames.shape[1])), mode="edge")
  rows, frames, positions = rows[share], frames[share], positions[share]
  if geometry is None:
    return _whole(rows, frames[:, None])._replace(
      places=np.arange(frames.size).reshape(frames.shape), positions=positions
    )
  height, width = _decoded_size(index, rows, geometry)
  sides = augment.sides_of_crop(height, width, spec.crop, spec.short_side)
  return _once(rows, frames, augment.centre_windows(height, width, sides))._replace(positions=positions)


def _clip_frames(
  index: VideoIndex, rows: Int[np.ndarray, " B"], num_clips: int, clips: str, spec: ClipSpec, seed: int
) -> Int64[np.ndarray, "B N T"]:
  lengths = index.num_frames[rows]
  if clips == "even":
    return sampling.even_clips(lengths, num_clips, spec.num_frames, spec.stride)
  if clips == "random":
    draws = sampling.eval_draws(seed, rows, num_clips, 1)[..., 0]
    return sampling.random_clips(lengths, spec.num_frames, spec.stride, draws)
  return sampling.released_clips(lengths, num_clips, spec.num_frames)


def _decoded_size(index: VideoIndex, rows: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
  shrink = geometry.shrink
  return augment.shrunk(index.height[rows], shrink), augment.shrunk(index.width[rows], shrink)


def _whole(rows: np.ndarray, frames: Int64[np.ndarray, "B N T"]) -> Plan:
  """Every clip an element of its own, in order, not cut."""
  num, length = frames.shape[0] * frames.shape[1], frames.shape[2]
  places = np.arange(num * length)
  return Plan(
    rows, frames.reshape(len(rows), -1), places.reshape(num, length), (), places.reshape(frames.shape)
  )


def _once(rows: np.ndarray, frames: Int64[np.ndarray, "B F"], windows: np.ndarray) -> Plan:
  """Different frames only, `GROUP` an element, the last filled up with its last frame."""
  keys = rows.astype(np.int64)[:, None] * 2**32 + frames
  _, first, place = np.unique(keys, return_index=True, return_inverse=True)
  take = np.pad(first, (0, -len(first) % GROUP), mode="edge").reshape(-1, GROUP)
  return Plan(rows, frames, take, (windows[take // frames.shape[1]],), place.reshape(frames.shape))


def _stills(index: VideoIndex, rows: np.ndarray, draws: Float64[np.ndarray, "B N 6"], spec: ClipSpec) -> Plan:
  """Every image an element with its one frame and the boxes of all its clips."""
  num_clips, num_frames = draws.shape[1], spec.num_frames
  shrink = augment.still_shrink(index.height[rows], index.width[rows], spec.crop)
  height, width = (augment.shrunk(side[rows], shrink) for side in (index.height, index.width))
  every = np.repeat(np.arange(len(rows)), num_clips)
  boxes = augment.ken_burns(height[every], width[every], num_frames, draws.reshape(-1, 6))
  boxes = augment.sampling_boxes(boxes, height[every], width[every], spec.crop)
  places = np.arange(len(every) * num_frames).reshape(len(rows), num_clips, num_frames)
  cuts = (boxes.reshape(len(rows), -1, 4), shrink)
  return Plan(rows, np.zeros((len(rows), 1), np.int64), np.arange(len(rows))[:, None], cuts, places)
