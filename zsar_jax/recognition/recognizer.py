"""An exported model that names videos: `zsar_jax.load(DIR)`."""

import functools
import os
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from zsar_jax.bundle.contents import Bundle
from zsar_jax.bundle.model import make_bundle_method
from zsar_jax.bundle.read import read_bundle
from zsar_jax.data.decode import Decoder
from zsar_jax.data.killable_pool import map_ahead
from zsar_jax.data.video_clips import ClipOptions, VideoClips
from zsar_jax.data.video_source import VideoError
from zsar_jax.errors import InputError
from zsar_jax.recognition.answers import Failure, Prediction
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.recognition.embedder import Embedder
from zsar_jax.recognition.limits import NO_LIMITS, Limits
from zsar_jax.recognition.meanings import make_candidates
from zsar_jax.recognition.naming import name_video

MOST_CLIPS = 250  # of a video, all of which are in memory together
CACHED = 16  # lists of candidates


def load(folder: str | Path) -> "Recognizer":
  """The exported model in `folder`, its files verified.

  Raises:
    InputError: no exported model, or files of it that are missing, changed or too many.
  """
  return Recognizer(read_bundle(Path(folder)))


class Recognizer:
  """Names videos among any classes. Its methods may be called from several threads."""

  def __init__(self, bundle: Bundle):
    self.bundle = bundle
    self._embedder = Embedder(bundle, make_bundle_method(bundle))
    self._lock = threading.Lock()
    self._made = functools.lru_cache(maxsize=CACHED)(functools.partial(make_candidates, bundle))

  def candidates(
    self, classes: Sequence[str], vectors: str | None = None, *, rules: str = "folder"
  ) -> Candidates:
    """The classes that videos are to be named among, with their prototypes and what of them the model already knows.

    Composed prototypes depend on each other: the same class among others has another prototype (ResT Eq. 5).

    Args:
      classes: at least two names, in words: `juggling balls`, `JugglingBalls`, `juggling_balls`.
      vectors: where the words' meaning comes from: a file of word vectors, hash:300, sentence:DIR; None: what came with the model.
      rules: whose rules turn names into words: a data set's (`classes.words.SOURCES`), else those of a user's names.

    Raises:
      InputError: every name that cannot be used, with suggestions for words without a vector; vectors that do not fit the model.
    """
    if isinstance(classes, str):
      raise InputError(f"classes is the text {classes!r}: expected a list of names")
    return self._made(tuple(classes), vectors, rules)

  def recognize(
    self,
    videos: Iterable[str | Path] | str | Path,
    candidates: Candidates,
    *,
    top: int = 5,
    num_clips: int | None = None,
    timeline: bool = False,
    limits: Limits = NO_LIMITS,
    timeout: float = 120.0,
  ) -> Generator[Prediction | Failure, None, None]:
    """An answer for every video, in order, as they come; closing the generator ends all decoding.

    Videos are decoded ahead by as many processes as there are cores, and batches on the device are filled across videos.

    Args:
      videos: files, or one.
      candidates: see `candidates`.
      top: how many of the best classes are told.
      num_clips: evenly spaced clips whose mean stands for the video; None: as many as in the model's own evaluation.
      timeline: score windows along the video too.
      limits: longer or larger videos are failures.
      timeout: seconds for decoding one video.

    Raises:
      InputError: numbers out of range, a model that reads features.
    """
    videos = [videos] if isinstance(videos, str | Path) else videos
    options = self._options(num_clips, timeline, limits)
    if top < 1:
      raise InputError(f"top is {top}: expected at least 1")
    return self._recognized(videos, candidates, top, options, timeout)

  def classify(
    self,
    videos: Iterable[str | Path] | str | Path,
    classes: Sequence[str] | Candidates,
    *,
    vectors: str | None = None,
    top: int = 5,
    num_clips: int | None = None,
    timeline: bool = False,
  ) -> list[Prediction | Failure]:
    """`recognize` of all videos among `classes`; arguments and errors as there and as `candidates`."""
    candidates = classes if isinstance(classes, Candidates) else self.candidates(classes, vectors)
    return list(self.recognize(videos, candidates, top=top, num_clips=num_clips, timeline=timeline))

  def embed(self, frames: Shaped[np.ndarray, "B N T ..."]) -> Float32[np.ndarray, "B N D"]:
    """One vector a clip, not normalised.

    Args:
      frames: RGB, uint8 [B, N, T, crop, crop, 3], the centres of resized frames (`bundle.facts.preprocessing`); of a model that reads
        precomputed features, float32 [B, N, T, P].

    Raises:
      InputError: another shape or type.
    """
    frames = np.asarray(frames)
    expected, kind = self._expected()
    if frames.shape[2:] != expected or frames.dtype != kind or not frames.size:
      raise InputError(
        f"frames are {frames.dtype} {list(frames.shape)}, expected {np.dtype(kind)} [B, N, {', '.join(map(str, expected))}]"
      )
    with self._lock:
      vectors = self._embedder.clips(frames.reshape(-1, *expected))
    return vectors.reshape(*frames.shape[:2], -1)

  def warm_up(self) -> None:
    """Compiles what videos need."""
    expected, kind = self._expected()
    self.embed(np.zeros((1, 1, *expected), kind))

  def read(
    self,
    decoder: Decoder,
    video: str | Path,
    *,
    num_clips: int | None,
    timeline: bool,
    limits: Limits,
    timeout: float,
  ) -> VideoClips:
    """The clips of one video, decoded in the process of `decoder`. Arguments as `recognize`.

    Raises:
      VideoError: the video cannot be read, or is beyond `limits`.
      InputError: as `recognize`.
    """
    return decoder.clips(str(video), self._options(num_clips, timeline, limits), timeout=timeout)

  def embed_clips(self, clips: Sequence[VideoClips]) -> list[Float32[np.ndarray, "M D"]]:
    """The vectors of every video's clips and windows; one caller at a time, the others wait."""
    with self._lock:
      return [vectors for _, vectors in self._embedder.videos((None, video) for video in clips)]

  def answer(
    self,
    video: str,
    clips: VideoClips,
    vectors: Float32[np.ndarray, "M D"],
    candidates: Candidates,
    top: int = 5,
  ) -> Prediction:
    """What `recognize` says of a video that was read and embedded."""
    return name_video(self.bundle, video, clips, vectors, candidates, top)

  def _recognized(
    self, videos: Iterable[str | Path], candidates: Candidates, top: int, options: ClipOptions, timeout: float
  ) -> Generator[Prediction | Failure, None, None]:
    def read(decoder: Decoder, video: str | Path) -> tuple[str, VideoClips | str]:
      try:
        return str(video), decoder.clips(str(video), options, timeout=timeout)
      except VideoError as error:
        return str(video), str(error)

    with closing(map_ahead(read, videos, Decoder, os.cpu_count() or 1, _num_bytes)) as found:
      for (video, clips), vectors in self._embedder.videos(_with_clips(found)):
        if isinstance(clips, str):
          yield Failure(video, clips)
        elif not np.isfinite(vectors).all():
          yield Failure(video, "the model's numbers for it are not finite")
        else:
          yield self.answer(video, clips, vectors, candidates, top)

  def _options(self, num_clips: int | None, windows: bool, limits: Limits) -> ClipOptions:
    if self.bundle.config.model.backbone == "features":
      raise InputError("this model reads precomputed features, no videos: give them to `embed`")
    make = self.bundle.facts.preprocessing
    num = make.num_clips if num_clips is None else num_clips
    if not 1 <= num <= MOST_CLIPS:
      raise InputError(f"num_clips is {num}: expected 1 to {MOST_CLIPS}")
    return ClipOptions(
      make.short_side, make.crop, make.num_frames, make.stride, num, windows, make.fps, make.jpeg_quality,
      make.stored_short_side, limits.seconds, limits.pixels,
    )  # fmt: skip

  def _expected(self) -> tuple[tuple[int, ...], type]:
    """Shape and type of a clip."""
    make, model = self.bundle.facts.preprocessing, self.bundle.config.model
    if model.backbone == "features":
      return (make.num_frames, model.num_features), np.float32
    return (make.num_frames, make.crop, make.crop, 3), np.uint8


def _num_bytes(found: tuple[str, VideoClips | str]) -> int:
  return 0 if isinstance(found[1], str) else found[1].frames.nbytes


def _with_clips(
  found: Iterable[tuple[str, VideoClips | str]],
) -> Iterator[tuple[tuple[str, VideoClips | str], VideoClips | None]]:
  for pair in found:
    yield pair, None if isinstance(pair[1], str) else pair[1]
