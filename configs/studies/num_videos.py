"""Number of training videos (E2E, Fig. 4): all 664 classes, random subsets of their videos.

python -m zsar_jax.study --config configs/studies/num_videos.py            14 trainings of paper size
python -m zsar_jax.study --config configs/studies/num_videos.py:demo       6 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

E2E, BASELINE = "configs/e2e_r2plus1d.py", "configs/e2e_r2plus1d.py:baseline"
ALL = 510_000  # about: the videos of the 664 classes
VIDEOS = (2_000, 10_000, 25_000, 50_000, 100_000, 200_000, ALL)


def get_study(variant: str = "") -> Study:
  """The paper's sizes, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Accuracy by number of training videos",
    shows="end-to-end training is better than the frozen baseline and goes on gaining where that flattens out, at about 100,000 videos.",
    x_label="training videos",
    scale="log",
    metrics=[Metric("UCF101, 101 classes", "ucf101"), Metric("HMDB51, 51 classes", "hmdb51")],
    runs=[
      Run(series, num, config, {"data.max_videos": num} if num < ALL else {})
      for series, config in (("e2e", E2E), ("frozen", BASELINE))
      for num in VIDEOS
    ],
  )
  return _demo(study) if variant else study


def _demo(study: Study) -> Study:
  def subset(num: int) -> dict[str, int]:
    return {"data.max_videos": num} if num < demo.NUM_TRAINING else {}

  sizes = (48, 240, demo.NUM_TRAINING)
  return study._replace(
    metrics=[demo.ALL],
    pretraining=[demo.half_encoder()],
    runs=[demo.e2e("e2e", num, subset(num)) for num in sizes]
    + [demo.frozen("frozen", num, subset(num)) for num in (sizes[0], sizes[-1])],
    note=demo.NOTE,
  )
