"""From the vectors of a video's clips to its name: cosines with the prototypes. numpy only."""

import numpy as np
from jaxtyping import Float32

from zsar_jax.bundle.contents import Bundle
from zsar_jax.data.video_clips import VideoClips
from zsar_jax.methods.meaning import nearest_meaning
from zsar_jax.recognition.answers import Named, Prediction, Timeline
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.zeroshot.metrics import unit

NEAREST = 5  # seen classes that are told


def name_video(
  bundle: Bundle,
  video: str,
  clips: VideoClips,
  vectors: Float32[np.ndarray, "M D"],
  candidates: Candidates,
  top: int,
) -> Prediction:
  """The mean of the clips stands for the video, every window of the timeline for itself."""
  mean = vectors[: clips.num_clips].mean(axis=0, keepdims=True)
  scores = _scores(bundle, mean, candidates)[0]
  timeline = None
  if len(vectors) > clips.num_clips:
    timeline = Timeline(clips.start, clips.end, _scores(bundle, vectors[clips.num_clips :], candidates))
  seen = bundle.seen.semantic_embeddings if bundle.seen_visual is None else bundle.seen_visual
  near = _cosines(mean, seen)[0]
  return Prediction(
    video,
    _ranked(candidates.classes.names, scores, top),
    scores,
    _ranked(bundle.seen.names, near, NEAREST),
    near,
    clips.seconds,
    clips.num_frames,
    timeline,
  )


def _scores(
  bundle: Bundle, vectors: Float32[np.ndarray, "V D"], candidates: Candidates
) -> Float32[np.ndarray, "V K"]:
  if candidates.prototypes.space == "semantic" and bundle.seen_visual is not None:
    vectors = nearest_meaning(vectors, bundle.seen_visual, candidates.seen_semantic)
  return _cosines(vectors, candidates.prototypes.vectors)


def _cosines(
  left: Float32[np.ndarray, "V D"], right: Float32[np.ndarray, "K D"]
) -> Float32[np.ndarray, "V K"]:
  return np.clip(unit(left) @ unit(right).T, -1, 1).astype(np.float32)


def _ranked(names: tuple[str, ...], scores: Float32[np.ndarray, " K"], most: int) -> tuple[Named, ...]:
  """The best, best first; of equals the first."""
  order = np.argsort(-scores, kind="stable")[:most]
  return tuple(Named(names[i], float(scores[i])) for i in order)
