"""What is sent back, from what was found."""

from collections.abc import Sequence

import numpy as np

from zsar_jax.bundle.contents import Bundle
from zsar_jax.data.decode import VIDEO_SUFFIXES
from zsar_jax.recognition.answers import Named
from zsar_jax.recognition.answers import Timeline as Scores
from zsar_jax.recognition.candidates import Candidates
from zsar_jax.serving import shapes
from zsar_jax.serving.examples import examples
from zsar_jax.serving.settings import Settings
from zsar_jax.serving.work import Answer

_DIGITS = 6  # float32 has no more
MOST_PARTS = 12  # of a recipe
MOST_NEAR = 5


def classified(bundle: Bundle, answer: Answer) -> shapes.Classified:
  """The answer for one video."""
  candidates, found = answer.candidates, answer.prediction
  names = candidates.classes.names
  return shapes.Classified(
    model=bundle.facts.name,
    video=found.video,
    seconds=_number(found.seconds),
    num_frames=found.num_frames,
    ranking=_scored(found.ranking),
    scores={name: _number(score) for name, score in zip(names, found.scores, strict=True)},
    nearest_seen=_scored(found.nearest_seen),
    classes=_classes(answer),
    timeline=None if found.timeline is None else _timeline(found.timeline),
    notes=list(candidates.notes),
  )


def model(bundle: Bundle, settings: Settings) -> shapes.Model:
  """What is served, and within which limits."""
  facts = bundle.facts
  return shapes.Model(
    name=facts.name,
    method=bundle.config.method,
    backbone=bundle.config.model.backbone,
    space=facts.space,
    vectors=facts.vectors,
    step=facts.step,
    checkpoint=facts.checkpoint,
    num_parameters=facts.num_parameters,
    num_clips=facts.preprocessing.num_clips,
    seen_classes=list(bundle.seen.names),
    licence=facts.licence,
    max_bytes=settings.max_bytes,
    max_seconds=settings.max_seconds,
    suffixes=list(VIDEO_SUFFIXES),
    examples=examples(bundle),
    evaluation=facts.evaluation,
  )


def _classes(answer: Answer) -> list[shapes.Class]:
  candidates = answer.candidates
  leaks = {leak.name: leak for leak in candidates.leaks}
  seen = dict(zip(candidates.seen, map(float, answer.prediction.seen_scores), strict=True))
  explain = answer.form.explain
  return [
    shapes.Class(
      name=name,
      words=list(words),
      seen_as=leaks[name].known_as if name in leaks else None,
      distance=_number(leaks[name].distance) if name in leaks else None,
      recipe=_recipe(candidates, name, seen) if explain else [],
      nearest_seen=_near(candidates, name, seen) if explain else [],
    )
    for name, words in zip(candidates.classes.names, candidates.classes.words, strict=True)
  ]


def _recipe(candidates: Candidates, name: str, seen: dict[str, float]) -> list[shapes.Part]:
  parts = candidates.recipe(name, MOST_PARTS)
  return [shapes.Part(name=one, share=_number(share), video=_number(seen[one])) for one, share in parts]


def _near(candidates: Candidates, name: str, seen: dict[str, float]) -> list[shapes.Near]:
  return [
    shapes.Near(name=one, score=_number(cosine), video=_number(seen[one]))
    for one, cosine in candidates.nearest_seen(name, MOST_NEAR)
  ]


def _scored(named: Sequence[Named]) -> list[shapes.Scored]:
  return [shapes.Scored(name=one.name, score=_number(one.score)) for one in named]


def _timeline(scores: Scores) -> shapes.Timeline:
  rounded = {name: np.round(np.asarray(values, float), _DIGITS).tolist() for name, values in scores._asdict().items()}  # fmt: skip
  return shapes.Timeline(**rounded)


def _number(value: float) -> float:
  return round(float(value), _DIGITS)
