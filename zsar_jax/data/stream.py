"""Plans to frames: bytes are read once a batch, decoded in parallel by tf.data, and put together in order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from zsar_jax.data.augment import Geometry
from zsar_jax.data.decoding import motion_decoder, window_decoder
from zsar_jax.data.index import VideoIndex
from zsar_jax.data.plans import ClipSpec, Plan
from zsar_jax.data.tensorflow_import import tensorflow


class Steps(NamedTuple):
  """The batches of one stream before anything is read: each follows from its number alone."""

  videos: VideoIndex
  spec: ClipSpec
  geometry: Geometry | None  # None: still images or features
  plan: Callable[[int], Plan]  # of this process's share of a batch
  first: int
  end: int | None  # None: endless

  @property
  def numbers(self) -> Iterator[int]:
    return count(self.first) if self.end is None else iter(range(self.first, self.end))


def read_steps(steps: Steps, workers: int | None) -> Iterator[tuple[Plan, Shaped[np.ndarray, "B ..."]]]:
  """The frames of one step after another, laid out as the plans' `places`: uint8 [..., crop, crop, 3], of features float32 [..., D].

  What takes long to set up is made at the call; the first frames are read when they are asked for.

  Raises:
    RecordError: stored bytes are not what was written.
  """
  return _read_features(steps) if steps.videos.kind == "features" else _read_pictures(steps, workers)


def _read_features(steps: Steps) -> Iterator[tuple[Plan, np.ndarray]]:
  """One batch ahead of its use, so that the disk's latency is hidden."""
  with ThreadPoolExecutor(1) as pool:
    ahead = None
    for step in steps.numbers:
      following = pool.submit(_features, steps, step)
      if ahead is not None:
        yield ahead.result()
      ahead = following
    if ahead is not None:
      yield ahead.result()


def _features(steps: Steps, step: int) -> tuple[Plan, Float32[np.ndarray, "B ... D"]]:
  plan = steps.plan(step)
  vectors = np.frombuffer(b"".join(steps.videos.frame_bytes(plan.rows, plan.frames)), "<f4")
  return plan, vectors.reshape(plan.places.size, -1)[plan.places].astype(np.float32, copy=False)


def _read_pictures(steps: Steps, workers: int | None) -> Iterator[tuple[Plan, np.ndarray]]:
  plans: dict[int, Plan] = {}
  failures: list[BaseException] = []
  decoded = _Elements(_decoded(steps, plans, failures, workers))
  return _in_order(steps, plans, failures, decoded)


def _in_order(
  steps: Steps, plans: dict[int, Plan], failures: list[BaseException], decoded: "_Elements"
) -> Iterator[tuple[Plan, np.ndarray]]:
  for step in steps.numbers:
    try:
      # The plan is there as soon as the step's first element is.
      decoded.fill()
      plan = plans.pop(step)
      pictures = decoded.take(len(plan.take))
    except Exception as error:
      # tf.data wraps what a Python function raised into text: give back the original.
      raise failures[0] if failures else error from None
    yield plan, _in_place(pictures, plan)


def _in_place(pictures: UInt8[np.ndarray, "G P ..."], plan: Plan) -> UInt8[np.ndarray, "B ..."]:
  num = pictures.shape[0] * pictures.shape[1]
  flat = pictures.reshape(num, *pictures.shape[2:])
  places = plan.places.reshape(-1)
  in_order = num == len(places) and bool((places == np.arange(num)).all())
  return (flat if in_order else flat[places]).reshape(*plan.places.shape, *flat.shape[1:])


class _Elements:
  """Takes any number of decoded elements from a stream of chunks [c, P, crop, crop, 3]."""

  def __init__(self, chunks: Iterator[np.ndarray]):
    self._chunks = chunks
    self._rest = np.zeros(0)

  def fill(self) -> None:
    if not len(self._rest):
      self._rest = next(self._chunks)

  def take(self, num: int) -> UInt8[np.ndarray, "{num} P ..."]:
    parts = []
    while num:
      self.fill()
      parts.append(self._rest[:num])
      self._rest = self._rest[num:]
      num -= len(parts[-1])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _decoded(
  steps: Steps, plans: dict[int, Plan], failures: list[BaseException], workers: int | None
) -> Iterator[np.ndarray]:
  """Decoded elements in order, about as many in a chunk as a step has."""
  tf = tensorflow()
  first = steps.plan(steps.first)
  shapes = [("string", first.take.shape[1:]), *((str(cut.dtype), cut.shape[1:]) for cut in first.cuts)]

  def read(step) -> tuple[np.ndarray, ...]:
    try:
      plan = plans[int(step)] = steps.plan(int(step))
      return read_bytes(steps, plan), *plan.cuts
    except BaseException as error:
      failures.append(error)
      raise

  def read_step(step) -> tuple[Any, ...]:
    parts = tf.numpy_function(read, [step], [tf.as_dtype(kind) for kind, _ in shapes])
    return tuple(
      tf.ensure_shape(part, [None, *shape]) for part, (_, shape) in zip(parts, shapes, strict=True)
    )

  numbers = tf.data.Dataset.range(steps.first, np.iinfo(np.int64).max if steps.end is None else steps.end)
  # Two batches of bytes in flight hide the disk's latency.
  dataset = numbers.map(read_step, num_parallel_calls=2, deterministic=True).unbatch()
  dataset = _decode_elements(dataset, steps, workers)
  return dataset.batch(len(first.take)).prefetch(2 if steps.end is None else 1).as_numpy_iterator()


def _decode_elements(dataset: Any, steps: Steps, workers: int | None) -> Any:
  threads = workers or os.cpu_count() or 1
  dataset = dataset.map(element_decoder(steps), num_parallel_calls=threads, deterministic=True)
  options = tensorflow().data.Options()
  options.threading.private_threadpool_size = threads + 2
  options.autotune.enabled = False
  return dataset.with_options(options)


def decoding_alone(
  steps: Steps, encoded: Sequence[np.ndarray], plans: Sequence[Plan], workers: int | None
) -> Callable[[], object]:
  """A call that decodes all elements of these plans from bytes in memory, once, with nothing else around it: for measuring.

  `encoded` is what `read_bytes` gave for the plans.
  """
  tf = tensorflow()
  cuts = zip(*(plan.cuts for plan in plans), strict=True)
  elements = tf.data.Dataset.from_tensor_slices((np.concatenate(encoded), *map(np.concatenate, cuts)))
  decoded = _decode_elements(elements, steps, workers)

  def together(dataset: Any, num: int) -> Iterator[Any]:
    """All elements as one, without their pictures; nothing runs before it is asked for."""
    return iter(dataset.map(lambda pictures: False).batch(num))

  next(together(decoded.take(1), 1))
  stream = together(decoded, len(elements))
  return lambda: next(stream)


def read_bytes(steps: Steps, plan: Plan) -> np.ndarray:
  """The encoded frames of every element of a plan, objects [G, E], read in one go."""
  return np.array(steps.videos.frame_bytes(plan.rows, plan.frames), object)[plan.take]


def element_decoder(steps: Steps) -> Callable[..., Any]:
  """TensorFlow's function from one element's bytes and cuts to its pictures."""
  crop, encoding = steps.spec.crop, steps.videos.encoding
  if steps.geometry is None:
    return motion_decoder(encoding, crop)
  first = steps.plan(steps.first)
  return window_decoder(encoding, first.take.shape[1], crop, steps.geometry)
