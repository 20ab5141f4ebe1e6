"""Why a name was given: the seen classes that stand behind it, and how near the video is to them."""

from typing import NamedTuple

from zsar_jax.recognition.answers import Prediction
from zsar_jax.recognition.candidates import Candidates

MOST = 5  # seen classes behind one name


class Part(NamedTuple):
  """A seen class behind a name."""

  name: str
  share: float | None  # of the prototype; None where it is only near by meaning
  meaning: float | None  # cosine of the two names' embeddings; None where the prototype was composed
  video: float  # cosine of this video with the seen class


def parts(name: str, one: Prediction, candidates: Candidates) -> list[Part]:
  """What a candidate's prototype is made of, the largest share first; else the seen classes nearest to it by meaning."""
  near = dict(zip(candidates.seen, map(float, one.seen_scores), strict=True))
  recipe = candidates.recipe(name, MOST)
  if recipe:
    return [Part(seen, share, None, near[seen]) for seen, share in recipe]
  return [Part(seen, None, cosine, near[seen]) for seen, cosine in candidates.nearest_seen(name, MOST)]
