"""Accuracy against cost at test time (ResT, Table 4b): one clip or 25, deeper networks with fewer frames.

python -m zsar_jax.study --config configs/studies/rest_clips.py            4 trainings of paper size
python -m zsar_jax.study --config configs/studies/rest_clips.py:demo       2 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

# Network, config, GFLOPs a clip as printed, and the printed accuracy (0/50, 0/100) with 1 and with 25 clips.
ROWS = [
  ("E2E R(2+1)D, 16 frames", "configs/e2e_r2plus1d.py", 40.8, (43.0, 35.1), (48.0, 37.6)),
  ("ResT-18, 16 frames", "configs/rest18.py", 30.8, (54.0, 43.5), (54.7, 44.3)),
  ("ResT-34, 8 frames", "configs/rest34.py", 30.3, (54.7, 43.8), (55.2, None)),
  ("ResT-101, 4 frames", "configs/rest101.py", 32.0, (57.0, 47.7), (58.7, None)),
]
CLIPS = 25


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="Accuracy against multiply-adds a video",
    shows="one clip is within a point of 25, at a 25th of the cost, and depth is worth more than frames.",
    x_label="GFLOPs a video",
    scale="log",
    metrics=[Metric("UCF101, 0/50", "ucf101", "half"), Metric("UCF101, 0/100", "ucf101")],
    runs=[
      Run(name, cost * clips, config, level="single" if clips == 1 else "video")
      for name, config, cost, *_ in ROWS
      for clips in (1, CLIPS)
    ],
    printed={"UCF101, 0/50": _printed(0), "UCF101, 0/100": _printed(1)},
  )
  return _demo(study) if variant else study


def _printed(which: int) -> dict[str, list[tuple[float, float]]]:
  return {
    name: [
      (cost * clips, values[which])
      for clips, values in ((1, one), (CLIPS, many))
      if values[which] is not None
    ]
    for name, _, cost, one, many in ROWS
  }


def _demo(study: Study) -> Study:
  fewer = {"data.num_frames": 4, "data.stride": 4}
  return study._replace(
    x_label="frames seen of a video",
    metrics=[demo.ALL, demo.HALF],
    runs=[
      demo.rest("tiny ResNet, 8 frames", 8, level="single"),
      demo.rest("tiny ResNet, 8 frames", 24),
      demo.rest("tiny ResNet, 4 frames", 4, fewer, level="single"),
      demo.rest("tiny ResNet, 4 frames", 12, fewer),
    ],
    printed={},
    note=f"{demo.NOTE} One clip or three, which overlap: videos hold 20 frames. The cost of a frame is the same.",
  )
