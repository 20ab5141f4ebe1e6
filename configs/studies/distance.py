"""Accuracy as test classes move away from the training classes (E2E section 5.4, Fig. 7).

python -m zsar_jax.study --config configs/studies/distance.py              4 trainings of paper size
python -m zsar_jax.study --config configs/studies/distance.py:demo         5 on generated video, shared with other studies
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

E2E = "configs/e2e_r2plus1d.py"
SUN397 = "SUN397, pretraining"


def get_study(variant: str = "") -> Study:
  """The paper's runs, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Accuracy on classes farther from the training classes than a distance",
    shows="the frozen baseline falls to zero at a distance of about 0.57, end-to-end training never, and SUN397 lifts it further.",
    x_label="mean distance to the 10 nearest training classes",
    scale="linear",
    by_distance=True,
    metrics=[Metric("UCF101, 101 classes", "ucf101")],
    pretraining=[Run("SUN397", "pretraining", f"{E2E}:sun397")],
    runs=[
      Run("frozen", "all", f"{E2E}:baseline"),
      Run("e2e", "all", E2E),
      Run("e2e, pretrained on SUN397", "all", E2E, init_from=SUN397),
    ],
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL],
    pretraining=[demo.half_encoder(), demo.stills()],
    runs=[
      demo.frozen("frozen", 24),
      demo.e2e("e2e", 24),
      demo.e2e("e2e, pretrained on stills", 24, init_from=demo.STILLS),
    ],
    note=f"{demo.NOTE} All 12 classes are about equally far: distances without meaning do not tell hard classes from easy ones.",
  )
