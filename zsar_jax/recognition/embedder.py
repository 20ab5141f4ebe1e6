"""Clips to vectors on all devices of this machine, in batches of fixed sizes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float32, Shaped

from zsar_jax.bundle.contents import Bundle
from zsar_jax.bundle.model import abstract_graph
from zsar_jax.data.video_clips import VideoClips
from zsar_jax.methods.base import Method
from zsar_jax.methods.frames import normalize
from zsar_jax.recognition.stream import in_batches
from zsar_jax.train.apply import make_apply
from zsar_jax.train.sharding import make_mesh, place_batch, place_everywhere, round_up

Key = TypeVar("Key")


class Rows(NamedTuple):
  """Of a batch: of frames and clips of their features where the two are computed apart, else of clips."""

  frames: int
  feature_clips: int
  clips: int


# Of all devices together: a processor gains nothing from more, and a short video would wait for the padding.
CPU_ROWS = Rows(frames=16, feature_clips=8, clips=2)
# Of each device: an accelerator needs so many to be busy.
ACCELERATOR_ROWS = Rows(frames=256, feature_clips=128, clips=32)


class Embedder:
  """A model on the devices; each of its functions is compiled at its first call, once."""

  def __init__(self, bundle: Bundle, method: Method):
    config = bundle.config
    self._data, self._dtype = config.data, jnp.dtype(config.model.dtype)
    self._mesh, self._graphdef = make_mesh(), abstract_graph(bundle)
    self._params, self._batch_stats = place_everywhere(self._mesh, (bundle.params, bundle.batch_stats))
    rows = _rows(self._mesh)
    halves = method.halves()
    self._halved = halves is not None
    if halves is None:
      self._first = self._run(
        self._normalized(lambda model, clips: method.embed(model, clips[:, None])[:, 0])
      )
      self._first_size = rows.clips
    else:
      self._first, self._first_size = self._run(self._normalized(halves.frame_features)), rows.frames
      self._second, self._second_size = self._run(halves.embed_features), rows.feature_clips

  def videos(
    self, videos: Iterable[tuple[Key, VideoClips | None]]
  ) -> Iterator[tuple[Key, Float32[np.ndarray, "M D"]]]:
    """(key, the vectors of all clips and windows) in order; [0, 0] for None. Batches are filled across videos."""
    if not self._halved:
      yield from in_batches(((key, _clips(video)) for key, video in videos), self._first_size, self._first)
      return
    frames = (((key, video), _frames(video)) for key, video in videos)
    features = in_batches(frames, self._first_size, self._first)
    clips = ((key, _cut(rows, video)) for (key, video), rows in features)
    yield from in_batches(clips, self._second_size, self._second)

  def clips(self, frames: Shaped[np.ndarray, "M T ..."]) -> Float32[np.ndarray, "M D"]:
    """Vectors of clips that are cut already: pixels or features, as the model reads them."""
    rows, none = frames.reshape(-1, *frames.shape[2:]), np.zeros(0, np.float32)
    positions = np.arange(len(rows), dtype=np.int32).reshape(frames.shape[:2])
    ((_, vectors),) = self.videos([(None, VideoClips(rows, positions, len(frames), none, none, 0.0, 0))])
    return vectors

  def _normalized(self, function: Callable[[Any, Array], Array]) -> Callable[[Any, Array], Array]:
    return lambda model, frames: function(model, normalize(frames, self._data, self._dtype))

  def _run(self, function: Callable[[Any, Array], Array]) -> Callable[[np.ndarray], Array]:
    apply = make_apply(
      self._graphdef, self._mesh, lambda model, rows: function(model, rows).astype(jnp.float32)
    )
    return lambda rows: apply(self._params, self._batch_stats, place_batch(self._mesh, rows))


def _rows(mesh: Mesh) -> Rows:
  if jax.default_backend() == "cpu":
    return Rows(*(round_up(num, mesh.size) for num in CPU_ROWS))
  return Rows(*(num * mesh.size for num in ACCELERATOR_ROWS))


def _frames(video: VideoClips | None) -> np.ndarray:
  return np.zeros(0, np.uint8) if video is None else video.frames


def _clips(video: VideoClips | None) -> np.ndarray:
  return np.zeros(0, np.uint8) if video is None else video.frames[video.positions]


def _cut(features: np.ndarray, video: VideoClips | None) -> np.ndarray:
  return features if video is None else features[video.positions]
