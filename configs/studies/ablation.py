"""What end-to-end training, still-image pretraining and many test clips are worth (E2E, Table 3).

python -m zsar_jax.study --config configs/studies/ablation.py              4 trainings of paper size
python -m zsar_jax.study --config configs/studies/ablation.py:demo         5 on generated video, shared with other studies
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

E2E = "configs/e2e_r2plus1d.py"
ROWS = ("frozen", "e2e", "e2e, augment", "e2e, multi", "e2e, augment, multi")
PRINTED = {
  "UCF101, 50 classes, top-1": (26.8, 43.0, 45.6, 48.0, 49.2),
  "UCF101, 50 classes, top-5": (55.5, 68.2, 73.1, 74.2, 77.0),
  "UCF101, 101 classes, top-1": (19.8, 35.1, 36.8, 37.6, 39.8),
  "UCF101, 101 classes, top-5": (40.5, 56.4, 61.7, 62.5, 65.6),
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Ablation of E2E: end to end, augmented by still images, multiple clips",
    shows="training the encoder gains most, 25 clips instead of one next, and still images on top of either.",
    x_label="row of Table 3",
    metrics=[
      Metric("UCF101, 50 classes, top-1", "ucf101", "half"),
      Metric("UCF101, 50 classes, top-5", "ucf101", "half", "top5"),
      Metric("UCF101, 101 classes, top-1", "ucf101"),
      Metric("UCF101, 101 classes, top-5", "ucf101", "all", "top5"),
    ],
    pretraining=[Run("SUN397", "pretraining", f"{E2E}:sun397")],
    runs=[
      Run("E2E", "frozen", f"{E2E}:baseline", level="single"),
      Run("E2E", "e2e", E2E, level="single"),
      Run("E2E", "e2e, augment", E2E, init_from="SUN397, pretraining", level="single"),
      Run("E2E", "e2e, multi", E2E),
      Run("E2E", "e2e, augment, multi", E2E, init_from="SUN397, pretraining"),
    ],
    printed={label: {"E2E": list(zip(ROWS, values, strict=True))} for label, values in PRINTED.items()},
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    pretraining=[demo.half_encoder(), demo.stills()],
    runs=[
      demo.frozen("E2E", "frozen", level="single"),
      demo.e2e("E2E", "e2e", level="single"),
      demo.e2e("E2E", "e2e, augment", init_from=demo.STILLS, level="single"),
      demo.e2e("E2E", "e2e, multi"),
      demo.e2e("E2E", "e2e, augment, multi", init_from=demo.STILLS),
    ],
    printed={},
    note=f"{demo.NOTE} Videos hold 20 frames, so the 3 clips of `multi` overlap and add little. `augment` costs here (see sun397).",
  )
