"""Pretrained features, frozen or trained on (ResT, Table 6).

python -m zsar_jax.study --config configs/studies/rest_pretrained.py           3 trainings of paper size
python -m zsar_jax.study --config configs/studies/rest_pretrained.py:demo      4 on generated video

The first two rows start from converted C3D weights (see configs/rest_encoder.py). The table's row on object features is left out: they are
another program's (`model.backbone=features` takes any).
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

ROWS = {
  "C3D, frozen": ("configs/rest_encoder.py:c3d_frozen", 40.5, 26.5),
  "C3D, end to end": ("configs/rest_encoder.py:c3d", 52.7, 37.1),
  "ResT-101, from scratch": ("configs/rest101.py", 58.7, 41.1),
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="ResT with pretrained features",
    shows="features that are trained on gain over 10 points against frozen ones.",
    x_label="encoder",
    metrics=[Metric("UCF101, 0/50", "ucf101", "half"), Metric("HMDB51, 0/50", "hmdb51", "half")],
    runs=[Run("ResT", name, config) for name, (config, _, _) in ROWS.items()],
    printed={
      "UCF101, 0/50": {"ResT": [(name, ucf) for name, (_, ucf, _) in ROWS.items()]},
      "HMDB51, 0/50": {"ResT": [(name, hmdb) for name, (_, _, hmdb) in ROWS.items()]},
    },
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  clips = {"model.backbone": "r2plus1d_tiny"}
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    pretraining=[demo.half_encoder()],
    runs=[
      demo.rest(
        "ResT", "clip encoder, frozen", clips | {"model.freeze_backbone": True}, init_from=demo.HALF_ENCODER
      ),
      demo.rest("ResT", "clip encoder, end to end", clips, init_from=demo.HALF_ENCODER),
      demo.rest("ResT", "tiny ResNet, from scratch"),
    ],
    printed={},
    note=f"{demo.NOTE} The clip encoder was trained by E2E on half the seen classes.",
  )
