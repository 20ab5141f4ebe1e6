"""Number of training classes (E2E, Fig. 4): subsets of the 664 classes, all their videos.

python -m zsar_jax.study --config configs/studies/num_classes.py           18 trainings of paper size
python -m zsar_jax.study --config configs/studies/num_classes.py:demo      6 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

E2E, BASELINE = "configs/e2e_r2plus1d.py", "configs/e2e_r2plus1d.py:baseline"
CLASSES = (2, 4, 10, 25, 50, 100, 200, 400, 664)


def get_study(variant: str = "") -> Study:
  """The paper's sizes, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Accuracy by number of training classes",
    shows="the more classes, the better, for end-to-end training most of all; with few classes it does not beat the frozen baseline.",
    x_label="training classes",
    scale="log",
    metrics=[Metric("UCF101, 101 classes", "ucf101"), Metric("HMDB51, 51 classes", "hmdb51")],
    runs=[
      Run(series, num, config, {"data.max_classes": num} if num < 664 else {})
      for series, config in (("e2e", E2E), ("frozen", BASELINE))
      for num in CLASSES
    ],
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  def subset(num: int) -> dict[str, int]:
    return {"data.max_classes": num} if num < 24 else {}

  return study._replace(
    metrics=[demo.ALL],
    pretraining=[demo.half_encoder()],
    runs=[demo.e2e("e2e", num, subset(num)) for num in (2, 8, 24)]
    + [demo.frozen("frozen", num, subset(num)) for num in (2, 24)],
    note=f"{demo.NOTE} With 2 classes both are near chance: that the baseline is ahead there is not shown.",
  )
