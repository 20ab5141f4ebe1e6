"""Encoders of ResT (ResT, Table 4a).

python -m zsar_jax.study --config configs/studies/rest_encoders.py         5 trainings of paper size
python -m zsar_jax.study --config configs/studies/rest_encoders.py:demo    2 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

# Name -> config, and the printed accuracy on half and on all classes.
ROWS = {
  "ResNet-18": ("configs/rest18.py", 54.7, 44.3),
  "VGG16": ("configs/rest_encoder.py:vgg16", 52.5, 42.4),
  "MobileNetV2": ("configs/rest_encoder.py:mobilenet_v2", 50.6, 38.5),
  "GoogLeNet": ("configs/rest_encoder.py:googlenet", 51.6, 40.3),
  "R(2+1)D": ("configs/rest_encoder.py:r2plus1d_18", 59.5, 48.6),
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Encoders of ResT",
    shows="the clip encoder R(2+1)D is best; among picture encoders MobileNetV2 comes near the others at a fraction of the cost.",
    x_label="encoder",
    metrics=[Metric("UCF101, 0/50", "ucf101", "half"), Metric("UCF101, 0/100", "ucf101")],
    runs=[Run("ResT", name, config) for name, (config, _, _) in ROWS.items()],
    printed={
      "UCF101, 0/50": {"ResT": [(name, half) for name, (_, half, _) in ROWS.items()]},
      "UCF101, 0/100": {"ResT": [(name, whole) for name, (_, _, whole) in ROWS.items()]},
    },
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    runs=[
      demo.rest("ResT", "tiny ResNet"),
      demo.rest("ResT", "tiny R(2+1)D", {"model.backbone": "r2plus1d_tiny"}),
    ],
    printed={},
    note=f"{demo.NOTE} The paper's own encoders take too long on a CPU. The clip encoder is behind "
    "here, which is not the paper's direction: small and from scratch it needs more steps (pretrained it is ahead, see rest_pretrained).",
  )
