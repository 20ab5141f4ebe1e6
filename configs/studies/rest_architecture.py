"""The transformer, its two tasks and its attention (ResT, Tables 3a, 3b and 3c).

python -m zsar_jax.study --config configs/studies/rest_architecture.py         6 trainings of paper size
python -m zsar_jax.study --config configs/studies/rest_architecture.py:demo    6 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

REST = "configs/rest18.py"
ALONE = {"transfer.space": "semantic"}  # one task ties no space to the other
# Row -> (keys, the row of the report that it is read from, printed 0/50, 0/100)
ROWS: dict[str, tuple[dict[str, str], str, float, float]] = {
  "RNN": ({"model.temporal": "rnn"}, "", 28.2, 20.5),
  "LSTM": ({"model.temporal": "lstm"}, "", 29.7, 21.8),
  "transformer": ({}, "", 54.7, 44.3),
  "CLS alone, no transfer": ({"model.tasks": "cls"} | ALONE, "semantic", 47.4, 40.0),
  "MLM alone, no transfer": ({"model.tasks": "mlm"} | ALONE, "semantic", 45.0, 38.7),
  "CLS and MLM, no transfer": ({}, "semantic", 48.9, 41.5),
  "cross-modal attention": ({"model.cross_modal": "true"}, "", 39.0, 30.7),
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Parts of ResT",
    shows="the transformer is far better than an RNN or LSTM, transfer needs both tasks and gains most, cross-modal attention loses much.",
    x_label="variant",
    metrics=[Metric("UCF101, 0/50", "ucf101", "half"), Metric("UCF101, 0/100", "ucf101")],
    runs=[Run("ResT-18", name, REST, keys, space=space) for name, (keys, space, _, _) in ROWS.items()],
    printed={
      "UCF101, 0/50": {"ResT-18": [(name, half) for name, (_, _, half, _) in ROWS.items()]},
      "UCF101, 0/100": {"ResT-18": [(name, whole) for name, (_, _, _, whole) in ROWS.items()]},
    },
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    runs=[demo.rest("tiny ResT", name, keys, space=space) for name, (keys, space, _, _) in ROWS.items()],
    printed={},
    note=f"{demo.NOTE} Without transfer everything is near chance here: the neighbours of a seen name are those that share a word of it.",
  )
