"""What requests and answers hold, as the OpenAPI page tells it. Names mean what they mean in `predict --json`."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from zsar_jax.serving.settings import MOST_CLIPS, MOST_LETTERS, MOST_NAMES

Name = Annotated[str, StringConstraints(max_length=MOST_LETTERS)]
EXAMPLE = "fencing, archery, juggling balls"


class Form(BaseModel):
  """The fields of `POST /v1/classify` beside the video."""

  model_config = ConfigDict(extra="forbid")

  classes: str = Field(
    description=f"class names, separated by commas or new lines: 2 to {MOST_NAMES}, each of at most {MOST_LETTERS} letters",
    examples=[EXAMPLE],
  )
  top: int = Field(5, ge=1, le=MOST_NAMES, description="how many names the ranking holds")
  num_clips: int | None = Field(
    None, ge=1, le=MOST_CLIPS, description="clips per video, evenly spaced; left out: as the model's"
  )
  timeline: bool = Field(False, description="also scores along the video")
  explain: bool = Field(False, description="also what the names' prototypes are made of")


class Scored(BaseModel):
  """A class and how near the video is to it."""

  name: str
  score: float = Field(description="cosine, -1 to 1")


class Part(BaseModel):
  """A seen class in a prototype."""

  name: str
  share: float = Field(description="of the prototype, 0 to 1")
  video: float = Field(description="cosine of this video with the seen class")


class Near(BaseModel):
  """A seen class that is near in meaning."""

  name: str
  score: float = Field(description="cosine of the two names' embeddings")
  video: float = Field(description="cosine of this video with the seen class")


class Class(BaseModel):
  """One of the given classes."""

  name: str
  words: list[str]
  seen_as: str | None = Field(
    description="the class of the training that it is, by name or meaning: naming it is no zero-shot answer"
  )
  distance: float | None = Field(description="cosine distance of the two names' embeddings")
  recipe: list[Part] = Field(
    description="seen classes that its prototype is made of, the largest share first; empty unless `explain`, or where it is not composed"
  )
  nearest_seen: list[Near] = Field(
    description="seen classes nearest by meaning, nearest first; empty unless `explain`"
  )


class Timeline(BaseModel):
  """Scores along the video in W windows."""

  start: list[float] = Field(description="seconds, W of them")
  end: list[float] = Field(description="seconds, W of them")
  scores: list[list[float]] = Field(description="cosines, [W][K], classes in the order of `classes`")


class Classified(BaseModel):
  """The answer for one video."""

  model: str
  video: str = Field(description="the file's name, as it was sent")
  seconds: float
  num_frames: int
  ranking: list[Scored] = Field(description="best first")
  scores: dict[str, float] = Field(description="cosine of every class")
  nearest_seen: list[Scored] = Field(description="seen classes that the video is nearest to, best first")
  classes: list[Class]
  timeline: Timeline | None
  notes: list[str] = Field(description="what is odd about the prototypes, a sentence each")


class Names(BaseModel):
  """Class names to look at."""

  model_config = ConfigDict(extra="forbid")

  classes: list[Name] = Field(max_length=MOST_NAMES, examples=[EXAMPLE.split(", ")])


class Unknown(BaseModel):
  """A word without a vector."""

  word: str
  suggestions: list[str] = Field(description="spellings that have one, best first")


class Checked(BaseModel):
  """What is known of a class name."""

  name: str
  words: list[str]
  unknown: list[Unknown]
  seen_as: str | None
  distance: float | None


class NamesChecked(BaseModel):
  """The names in their order, and what keeps them from being used together."""

  usable: bool
  classes: list[Checked]
  problems: list[str]


class Model(BaseModel):
  """The model that is served, and this server's limits."""

  name: str
  method: str
  backbone: str
  space: str
  vectors: str
  step: int
  checkpoint: str
  num_parameters: int
  num_clips: int
  seen_classes: list[str]
  licence: str
  max_bytes: int
  max_seconds: float
  suffixes: list[str]
  examples: list[str] = Field(description="class names to begin with")
  evaluation: list[dict[str, Any]]


class Health(BaseModel):
  """Whether it answers, and whether it takes videos."""

  live: bool
  ready: bool
