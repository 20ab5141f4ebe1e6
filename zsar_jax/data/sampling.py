"""Which videos, which frames, which crop: arithmetic on integers, the same on every machine.

Everything random about the g-th clip of a run follows from (seed, g) alone, so order, frames and crops do
not depend on the number of processes, on the batch a clip falls into, or on where a run was resumed.
"""

import functools

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Streams of random bits: training draws count from 1, evaluation's from here, epochs' orders from 2^32.
_EVAL_STREAM, _EPOCH_STREAM = 2**16, 2**32


def _mix(x: UInt64[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
  """A bijection of 64-bit integers that scatters them: the finaliser of SplitMix64."""
  x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return x ^ (x >> np.uint64(31))


def _hash(seed: int, stream: int, numbers: Int[np.ndarray, "..."]) -> UInt64[np.ndarray, "..."]:
  """64 random bits for each of `numbers`, another set for every (seed, stream)."""
  with np.errstate(over="ignore"):
    key = _mix(np.array(seed % 2**64, np.uint64) + _GOLDEN)
    key = _mix(key ^ (np.array(stream, np.uint64) + _GOLDEN))
    return _mix(key + (numbers.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def clip_draws(seed: int, clip_numbers: Int64[np.ndarray, " B"], num: int) -> Float64[np.ndarray, "B {num}"]:
  """`num` uniform draws in [0, 1) for each clip number."""
  return _uniform(np.stack([_hash(seed, 1 + draw, clip_numbers) for draw in range(num)], axis=1))


def eval_draws(
  seed: int, rows: Int[np.ndarray, " B"], num_clips: int, num: int
) -> Float64[np.ndarray, "B {num_clips} {num}"]:
  """`num` uniform draws in [0, 1) for each clip of videos at `rows` of an index: the same at every evaluation."""
  numbers = rows.astype(np.int64)[:, None] * 2**20 + np.arange(num_clips)
  return _uniform(np.stack([_hash(seed, _EVAL_STREAM + draw, numbers) for draw in range(num)], axis=-1))


def _uniform(bits: UInt64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
  return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


@functools.lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, num: int) -> Int64[np.ndarray, " {num}"]:
  """The order in which epoch `epoch` visits 0..num-1: a permutation, read-only."""
  # Sorting hashes rather than numpy's shuffle: numpy does not promise its streams across versions.
  order = np.argsort(_hash(seed, _EPOCH_STREAM + epoch, np.arange(num)), kind="stable")
  order.setflags(write=False)
  return order


def global_rows(
  num: int, seed: int, step: int, batch_size: int
) -> tuple[Int64[np.ndarray, " B"], Int64[np.ndarray, " B"]]:
  """Batch `step` of the endless training stream over `num` videos.

  Clip number g = step · batch_size + i is video `epoch_order(seed, g // num, num)[g % num]`: an epoch ends
  and the next begins inside a batch, no video is dropped, and any step is found without those before it.

  Returns:
    Positions in 0..num-1 and clip numbers g, for the whole batch of all processes.
  """
  clips = np.int64(step) * batch_size + np.arange(batch_size, dtype=np.int64)
  epochs, places = np.divmod(clips, num)
  positions = np.empty(batch_size, np.int64)
  for epoch in np.unique(epochs):
    here = epochs == epoch
    positions[here] = epoch_order(seed, int(epoch), num)[places[here]]
  return positions, clips


def train_frames(
  num_frames: Int[np.ndarray, " B"], clip_frames: int, stride: int, draws: Float64[np.ndarray, " B"]
) -> Int64[np.ndarray, "B T"]:
  """One clip a video: `clip_frames` frames `stride` apart from a random start; a short video is looped.

  Args:
    num_frames: length of each video, in frames.
    clip_frames: T.
    stride: distance between frames of the clip, in frames of the video.
    draws: uniform in [0, 1), one a video.
  """
  length = num_frames.astype(np.int64)
  span = (clip_frames - 1) * stride + 1
  starts = (draws * np.maximum(length - span + 1, 1)).astype(np.int64)
  return (starts[:, None] + np.arange(clip_frames) * stride) % length[:, None]


def even_clips(
  num_frames: Int[np.ndarray, " B"], num_clips: int, clip_frames: int, stride: int
) -> Int64[np.ndarray, "B N T"]:
  """`num_clips` clips with evenly spaced starts, first to last possible; one clip is the centre one.

  Videos shorter than a clip are looped.
  """
  length = num_frames.astype(np.int64)[:, None]
  last = np.maximum(length - (clip_frames - 1) * stride - 1, 0)
  if num_clips == 1:
    starts = last // 2
  else:
    gaps = num_clips - 1
    starts = (2 * np.arange(num_clips) * last + gaps) // (2 * gaps)  # rounded half up, in integers
  return (starts[..., None] + np.arange(clip_frames) * stride) % length[..., None]


def random_clips(
  num_frames: Int[np.ndarray, " B"], clip_frames: int, stride: int, draws: Float64[np.ndarray, "B N"]
) -> Int64[np.ndarray, "B N T"]:
  """One clip for each of `draws` (uniform in [0, 1), see `eval_draws`) of every video, as `train_frames` takes it."""
  num_clips = draws.shape[1]
  clips = train_frames(np.repeat(num_frames, num_clips), clip_frames, stride, draws.reshape(-1))
  return clips.reshape(len(draws), num_clips, clip_frames)


def num_looped(num_frames: Int[np.ndarray, " B"], clip_frames: int, stride: int) -> int:
  """How many of the videos are shorter than a clip, so that it begins again from their first frame."""
  return int((np.asarray(num_frames) < (clip_frames - 1) * stride + 1).sum())


def released_clips(
  num_frames: Int[np.ndarray, " B"], num_clips: int, clip_frames: int
) -> Int64[np.ndarray, "B N T"]:
  """The clips that E2E's released code tests on, of consecutive frames (stride 1).

  It places `num_clips` windows of T frames evenly, keeps each frame that lies in any window *once*, and
  cuts what is kept into clips, looped. Under num_clips · T frames the windows overlap, so the clips are
  plain T-frame tiles.
  """
  clips = [_released(int(length), num_clips, clip_frames) for length in num_frames]
  return np.stack(clips).reshape(len(clips), num_clips, clip_frames)


def _released(length: int, num_clips: int, clip_frames: int) -> Int64[np.ndarray, " NT"]:
  period = max(length // num_clips, 1)
  starts = np.arange(min(num_clips, length // period), dtype=np.int64) * period
  kept = np.unique(starts[:, None] + np.arange(clip_frames))
  return np.resize(kept[kept < length], num_clips * clip_frames)


def distinct_frames(
  frames: Int64[np.ndarray, "B N T"],
) -> tuple[Int64[np.ndarray, "B F"], Int32[np.ndarray, "B N T"]]:
  """The different frames of each video's clips, ascending, and which of them make which clip.

  F is the largest number of them that a video of the batch has; where one has fewer, its last is repeated.
  """
  flat = frames.reshape(len(frames), -1)
  order = flat.argsort(axis=1, kind="stable")
  ascending = np.take_along_axis(flat, order, axis=1)
  rank = np.zeros_like(order)
  rank[:, 1:] = np.cumsum(ascending[:, 1:] != ascending[:, :-1], axis=1)
  distinct = np.repeat(ascending[:, -1:], rank.max() + 1, axis=1)
  np.put_along_axis(distinct, rank, ascending, axis=1)
  positions = np.empty(flat.shape, np.int32)
  np.put_along_axis(positions, order, rank.astype(np.int32), axis=1)
  return distinct, positions.reshape(frames.shape)


def round_up_frames(num: int, most: int) -> int:
  """`num` or a little more, at most `most`: a power of two or one and a half.

  Batches of many different lengths so come in few shapes, each of which is compiled.
  """
  power = 1 << (num - 1).bit_length()
  between = 3 * power // 4
  return min(between if num <= between and power > 2 else power, most)


def random_crops(
  height: Int[np.ndarray, " B"],
  width: Int[np.ndarray, " B"],
  crop: int | Int[np.ndarray, " B"],
  draws: Float64[np.ndarray, "B 2"],
) -> Int32[np.ndarray, "B 2"]:
  """Top-left corner (y, x) in pixels of a crop x crop box, uniform over all that fit; `draws` in [0, 1)."""
  room = np.stack([height, width], axis=1).astype(np.int64) - np.reshape(crop, (-1, 1))
  return (draws * (room + 1)).astype(np.int32)


def centre_crops(
  height: Int[np.ndarray, " B"], width: Int[np.ndarray, " B"], crop: int | Int[np.ndarray, " B"]
) -> Int32[np.ndarray, "B 2"]:
  """Top-left corner (y, x) in pixels of the central crop x crop box."""
  room = np.stack([height, width], axis=1).astype(np.int64) - np.reshape(crop, (-1, 1))
  return (room // 2).astype(np.int32)
