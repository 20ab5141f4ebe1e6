"""What the studies' `:demo` versions share: runs on generated video, mostly shorter than the demo's own, that several studies use.

24 classes in one domain, 12 unseen ones in another (see `data/synthetic.py`). Word vectors are made of letters: classes
that share a word are near, nothing else is.
"""

from typing import Any

from zsar_jax.data.synthetic import split_classes
from zsar_jax.studies.plan import Metric, Place, Run

E2E, REST = "configs/demo.py:e2e", "configs/demo.py:rest"
# Long enough to train an encoder, or a frozen one would be ahead by what it was trained before; ResT trains as in `make demo`.
SHORT_E2E: dict[str, Any] = {
  "train.joint.steps": 500,
  "train.joint.ramp_epochs": 0.5,
  "logging.validate_every_steps": 500,
  "checkpoint.every_steps": 250,
}
SHORTER = {"train.joint.steps": 300, "logging.validate_every_steps": 300}  # where only such runs are compared
SEEN, UNSEEN = split_classes(0)
NUM_TRAINING = 1296  # videos of the 24 seen classes that are trained on
ALL = Metric("12 unseen classes", "figures_test")
HALF = Metric("6 of 12 unseen classes", "figures_test", "half")
NOTE = "Generated video, short runs and word vectors made of letters: only the direction can be compared with the paper."
# Encoders that E2E's frozen baseline starts from: trained on half the seen classes.
HALF_ENCODER = "encoder, 12 classes"


def e2e(series: str, x: Place, train: dict[str, Any] | None = None, **of_run: Any) -> Run:
  """A short run of E2E; `of_run` are fields of Run."""
  return Run(series, x, E2E, SHORT_E2E | (train or {}), **of_run)


def rest(series: str, x: Place, train: dict[str, Any] | None = None, **of_run: Any) -> Run:
  """The demo's run of ResT: in fewer steps its transformer stays behind an RNN."""
  return Run(series, x, REST, train or {}, **of_run)


def half_encoder() -> Run:
  """The run called HALF_ENCODER."""
  return e2e("encoder", "12 classes", SHORTER | {"data.max_classes": 12, "data.subset_seed": 7})


def frozen(series: str, x: Place, train: dict[str, Any] | None = None, **of_run: Any) -> Run:
  """E2E's baseline: the regressor alone learns, on the encoder of `half_encoder`."""
  keys = {"model.freeze_backbone": True} | (train or {})
  return e2e(series, x, keys, init_from=HALF_ENCODER, **of_run)


def stills() -> Run:
  """Pretraining on still pictures made to move, called "stills, pretraining"."""
  return e2e("stills", "pretraining", SHORTER | {"data.seen": "figures_stills", "data.seen_test": ""})


STILLS = "stills, pretraining"
