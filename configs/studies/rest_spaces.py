"""Word vectors, and the space in which videos are named (ResT, Table 5).

python -m zsar_jax.study --config configs/studies/rest_spaces.py           1 training of paper size, 3 evaluations
python -m zsar_jax.study --config configs/studies/rest_spaces.py:demo      1 on generated video, 2 evaluations

The trained model is the same for all vectors: they only say which seen classes an unseen one is near. So that they do not say
which classes are trained on, these are given by their list. Put GloVe's vectors and a sentence encoder (the paper's S2V) where GLOVE and
SENTENCE say, or change them.
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

REST = "configs/rest18.py"
GLOVE, SENTENCE = "data/glove.840B.300d.txt", "sentence:data/sentence_encoder"
TRAIN = {"data.seen": "kinetics700:@kinetics700_664", "data.overlap_threshold": 0.0}
VECTORS: dict[str, dict[str, str]] = {"W2V": {}, "GloVe": {"vectors": GLOVE}, "S2V": {"vectors": SENTENCE}}
SPACES = {"semantic, no transfer": "semantic", "visual, transfer": "visual"}
PRINTED = {
  "UCF101, 0/50": {"semantic, no transfer": (48.9, 48.6, 50.9), "visual, transfer": (54.7, 52.6, 55.9)},
  "UCF101, 0/100": {"semantic, no transfer": (41.5, 40.8, 40.7), "visual, transfer": (44.3, 41.8, 42.8)},
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Word vectors and spaces",
    shows="naming videos in the visual space, with transfer, is better than in the semantic one whatever the word vectors.",
    x_label="word vectors",
    metrics=[Metric("UCF101, 0/50", "ucf101", "half"), Metric("UCF101, 0/100", "ucf101")],
    runs=[
      Run(series, name, REST, TRAIN, keys, space=space)
      for series, space in SPACES.items()
      for name, keys in VECTORS.items()
    ],
    printed={
      label: {series: list(zip(VECTORS, values, strict=True)) for series, values in by_series.items()}
      for label, by_series in PRINTED.items()
    },
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  vectors: dict[str, dict[str, str]] = {"hash:300": {}, "hash:50": {"vectors": "hash:50"}}
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    runs=[
      demo.rest(series, name, evaluate=keys, space=space)
      for series, space in SPACES.items()
      for name, keys in vectors.items()
    ],
    printed={},
    note=f"{demo.NOTE} Shorter made-up vectors blur which words are the same.",
  )
