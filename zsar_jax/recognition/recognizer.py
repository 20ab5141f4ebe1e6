"""An exported model that names videos: `zsar_jax.load(DIR)`."""

import functools
import threading
import weakref
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from zsar_jax.bundle.contents import MOST_CLIPS, Bundle
from zsar_jax.bundle.model import make_bundle_method
from zsar_jax.bundle.read import read_bundle
from zsar_jax.data.decode import Decoder
from zsar_jax.data.video_clips import ClipOptions, VideoClips
from zsar_jax.errors import InputError, raise_all
from zsar_jax.recognition.answers import Failure, Prediction
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.recognition.checks import (
  check_classes,
  check_paths,
  check_same_model,
  check_vectors,
  is_whole,
  numbers_problems,
)
from zsar_jax.recognition.decoders import Decoders, read_ahead
from zsar_jax.recognition.embedder import Embedder
from zsar_jax.recognition.limits import NO_LIMITS, Limits
from zsar_jax.recognition.meanings import make_candidates
from zsar_jax.recognition.naming import name_video

CACHED = 16  # lists of candidates


def load(folder: str | Path) -> "Recognizer":
  """The exported model in `folder`, its files verified; nothing of it is read again later.

  Raises:
    InputError: no path, no exported model, or files of it that are missing, changed or too many.
  """
  if not isinstance(folder, str | Path):
    raise InputError(f"load: {folder!r} is no path: expected the folder of an exported model")
  return Recognizer(read_bundle(Path(folder)))


class Recognizer:
  """Names videos among any classes. Its methods may be called from several threads.

  A few decoding processes stay between calls, for starting one takes longer than most videos; `close`, or leaving a `with`,
  ends them, as do the end of the program and of the last reference.
  """

  def __init__(self, bundle: Bundle):
    self.bundle = bundle
    self._decoders = Decoders()
    weakref.finalize(self, self._decoders.end)
    self._embedder = Embedder(bundle, make_bundle_method(bundle))
    self._lock = threading.Lock()
    self._made = functools.lru_cache(maxsize=CACHED)(functools.partial(make_candidates, bundle))

  def close(self) -> None:
    """Ends the idle decoding processes; a later call starts others."""
    self._decoders.close()

  def __enter__(self) -> "Recognizer":
    return self

  def __exit__(self, *exc_info: object) -> None:
    self.close()

  def candidates(
    self, classes: Sequence[str], vectors: str | Path | None = None, *, rules: str = "folder"
  ) -> Candidates:
    """The classes that videos are to be named among, with their prototypes and what of them the model already knows.

    Composed prototypes depend on each other: the same class among others has another prototype (ResT Eq. 5).

    Args:
      classes: at least two names, in words: `juggling balls`, `JugglingBalls`, `juggling_balls`.
      vectors: where the words' meaning comes from: a file of word vectors, hash:300, sentence:DIR; None: what came with the model.
      rules: whose rules turn names into words: a data set's (`classes.words.SOURCES`), else those of a user's names.

    Raises:
      InputError: every name that cannot be used, with suggestions for words without a vector; vectors that do not fit the model;
        something else than texts.
    """
    return self._made(check_classes(classes), check_vectors(vectors), rules)

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
      candidates: of this model; see `candidates`.
      top: how many of the best classes are told.
      num_clips: evenly spaced clips whose mean stands for the video, 1 to 250; None: as many as in the model's own evaluation.
      timeline: score windows along the video too.
      limits: longer or larger videos are failures.
      timeout: seconds for decoding one video.

    Raises:
      InputError: numbers out of range, videos that are no paths, candidates of another model, a model that reads features.
    """
    check_same_model(candidates, self.bundle.facts)
    raise_all(numbers_problems(top, timeout))
    options = self._options(num_clips, timeline, limits)
    return self._recognized(check_paths(videos), candidates, top, options, timeout)

  def classify(
    self,
    videos: Iterable[str | Path] | str | Path,
    classes: Sequence[str] | Candidates,
    *,
    vectors: str | Path | None = None,
    top: int = 5,
    num_clips: int | None = None,
    timeline: bool = False,
  ) -> list[Prediction | Failure]:
    """What is seen in each video: one answer a video, in the order of the videos.

    A `Prediction` ranks the `top` best classes, best first; a video that cannot be read is a `Failure` and stops nobody.

    Args:
      videos: files, or one.
      classes: at least two names to choose from, in words, or what `candidates` made of them.
      vectors: as `candidates`; goes with names alone.
      top: how many of the best classes are told, by default five; `Prediction.scores` has all.
      num_clips: evenly spaced clips whose mean stands for the video, 1 to 250; None: as many as in the model's own evaluation.
      timeline: score windows along the video too.

    Raises:
      InputError: as `candidates` and `recognize`; `vectors` beside classes that were made already.
    """
    if not isinstance(classes, Candidates):
      candidates = self.candidates(classes, vectors)
    elif vectors is None:
      candidates = classes
    else:
      raise InputError("vectors: these classes have their meaning already: give it to `candidates`")
    return list(self.recognize(videos, candidates, top=top, num_clips=num_clips, timeline=timeline))

  def embed(self, frames: Shaped[np.ndarray, "B N T ..."]) -> Float32[np.ndarray, "B N D"]:
    """One vector a clip, not normalised, where videos are compared with classes.

    D is the width of a word vector (`bundle.seen.semantic_embeddings`) for a model by E2E, and of the seen classes' visual means
    (`bundle.seen_visual`) for one by ResT.

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
    """What `recognize` says of a video that was read and embedded.

    Raises:
      InputError: candidates of another model.
    """
    check_same_model(candidates, self.bundle.facts)
    return name_video(self.bundle, video, clips, vectors, candidates, top)

  def _recognized(
    self, videos: Iterable[str | Path], candidates: Candidates, top: int, options: ClipOptions, timeout: float
  ) -> Generator[Prediction | Failure, None, None]:
    with closing(read_ahead(self._decoders, videos, options, timeout)) as found:
      with_clips = ((pair, None if isinstance(pair[1], str) else pair[1]) for pair in found)
      for (video, clips), vectors in self._embedder.videos(with_clips):
        if isinstance(clips, str):
          yield Failure(video, clips)
        elif not np.isfinite(vectors).all():
          yield Failure(video, "the model's numbers for it are not finite")
        else:
          yield name_video(self.bundle, video, clips, vectors, candidates, top)

  def _options(self, num_clips: int | None, windows: bool, limits: Limits) -> ClipOptions:
    if self.bundle.config.model.backbone == "features":
      raise InputError("this model reads precomputed features, no videos: give them to `embed`")
    if not isinstance(limits, Limits):
      raise InputError(f"limits is {limits!r}: expected zsar_jax.Limits(seconds, pixels)")
    make = self.bundle.facts.preprocessing
    num = make.num_clips if num_clips is None else num_clips
    if not is_whole(num) or not 1 <= num <= MOST_CLIPS:
      raise InputError(f"num_clips is {num!r}: expected a whole number from 1 to {MOST_CLIPS}")
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
