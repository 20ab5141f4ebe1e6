"""What `--json` prints: one document of JSON. `zsar_jax.predict` says what is in it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from zsar_jax.bundle.contents import Bundle
from zsar_jax.predicting.timeline import Written
from zsar_jax.recognition.answers import Failure, Named, Prediction
from zsar_jax.recognition.candidates import Candidates

_DIGITS = 6  # of scores and seconds: float32 has no more


def document(
  bundle: Bundle,
  candidates: Candidates,
  answers: Sequence[Prediction | Failure],
  timelines: Mapping[str, Written],
  complete: bool,
) -> dict[str, Any]:
  """Everything that is known about the answers; numbers are finite.

  Args:
    timelines: video -> the files that were written of it.
  """
  return {
    "model": _model(bundle),
    "classes": _classes(candidates),
    "notes": list(candidates.notes),
    "videos": [
      _video(one, candidates, timelines.get(one.video)) for one in answers if isinstance(one, Prediction)
    ],
    "failures": [one._asdict() for one in answers if isinstance(one, Failure)],
    "complete": complete,
  }


def _model(bundle: Bundle) -> dict[str, Any]:
  facts = bundle.facts
  return {
    "folder": os.fspath(bundle.folder),
    "name": facts.name,
    "method": bundle.config.method,
    "backbone": bundle.config.model.backbone,
    "space": facts.space,
    "step": facts.step,
    "checkpoint": facts.checkpoint,
    "num_parameters": facts.num_parameters,
    "num_seen_classes": len(bundle.seen.names),
    "num_clips": facts.preprocessing.num_clips,
    "vectors": facts.vectors,
    "pretrained_from": facts.pretrained_from,
    "pretrained_known": facts.pretrained_known,
    "licence": facts.licence,
  }


def _classes(candidates: Candidates) -> list[dict[str, Any]]:
  leaks = {leak.name: leak for leak in candidates.leaks}
  return [
    {
      "name": name,
      "words": list(words),
      "seen_as": leaks[name].known_as if name in leaks else None,
      "distance": _number(leaks[name].distance) if name in leaks else None,
      "recipe": [
        {"name": seen, "share": _number(share)}
        for seen, share in candidates.recipe(name, len(candidates.seen))
      ],
      "nearest_seen": [
        {"name": seen, "score": _number(cosine)} for seen, cosine in candidates.nearest_seen(name)
      ],
    }
    for name, words in zip(candidates.classes.names, candidates.classes.words, strict=True)
  ]


def _video(one: Prediction, candidates: Candidates, timeline: Written | None) -> dict[str, Any]:
  names = candidates.classes.names
  return {
    "video": one.video,
    "seconds": _number(one.seconds),
    "num_frames": one.num_frames,
    "ranking": _ranked(one.ranking),
    "scores": {name: _number(score) for name, score in zip(names, one.scores, strict=True)},
    "nearest_seen": _ranked(one.nearest_seen),
    "timeline": None if timeline is None else timeline._asdict(),
  }


def _ranked(named: Sequence[Named]) -> list[dict[str, Any]]:
  return [{"name": one.name, "score": _number(one.score)} for one in named]


def _number(value: float) -> float:
  return round(float(value), _DIGITS)
