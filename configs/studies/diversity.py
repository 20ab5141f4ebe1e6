"""Diversity of the training classes (E2E, Fig. 5 and supplementary Fig. 2): 50 classes, all of one cluster in word space.

python -m zsar_jax.study --config configs/studies/diversity.py             40 trainings of paper size: 10 draws a point
python -m zsar_jax.study --config configs/studies/diversity.py:demo        6 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

E2E = "configs/e2e_r2plus1d.py"
CLUSTERS, DRAWS, CLASSES = (1, 2, 3, 6), 10, 50


def get_study(variant: str = "") -> Study:
  """The paper's sizes, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Accuracy by diversity of the training classes",
    shows="the more clusters the classes are divided into before 50 are drawn from one of them, the worse, and the wider the spread.",
    x_label="clusters (1: all classes)",
    scale="linear",
    metrics=[Metric("UCF101, 101 classes", "ucf101"), Metric("HMDB51, 51 classes", "hmdb51")],
    runs=[
      Run("e2e", num, E2E, subset(num, draw, CLASSES), draw=draw) for num in CLUSTERS for draw in range(DRAWS)
    ],
  )
  return _demo(study) if variant else study


def subset(num_clusters: int, draw: int, num_classes: int) -> dict[str, int]:
  """Random classes of one cluster; draws go round the clusters."""
  keys = {"data.max_classes": num_classes, "data.subset_seed": draw}
  if num_clusters > 1:
    keys |= {"data.num_clusters": num_clusters, "data.cluster": draw % num_clusters}
  return keys


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL],
    runs=[
      demo.e2e("e2e", num, demo.SHORTER | subset(num, draw, 8), draw=draw)
      for num in (1, 3)
      for draw in range(3)
    ],
    note=f"{demo.NOTE} 8 classes a run. A cluster here is classes that share words, without meaning: it lacks some actions altogether.",
  )
