"""Depths of ResT, with the classes of two or of three test sets removed (ResT, Tables 1 and 2).

python -m zsar_jax.study --config configs/studies/rest_depths.py           7 trainings of paper size
python -m zsar_jax.study --config configs/studies/rest_depths.py:demo      3 on generated video
"""

from zsar_jax.studies import generated as demo
from zsar_jax.studies.plan import Metric, Run, Study

TWO, THREE = "664 classes", "587 classes (printed: 605)"
ROWS = [(TWO, "E2E R(2+1)D"), (TWO, "ResT-18"), (TWO, "ResT-34"), (TWO, "ResT-101"), (THREE, "E2E R(2+1)D"),
        (THREE, "ResT-18"), (THREE, "ResT-101")]  # fmt: skip
PRINTED: dict[str, tuple[float | None, ...]] = {
  "UCF101, 0/50": (48.0, 54.7, 55.2, 58.7, 44.1, 50.9, 55.9),
  "UCF101, 0/100": (37.6, 44.3, None, None, 35.3, 41.2, 46.7),
  "HMDB51, 0/50": (32.7, 39.3, 40.6, 41.1, 29.8, 37.6, 40.8),
  "HMDB51, 0/100": (26.9, None, None, None, 24.8, 30.6, 34.4),
  "ActivityNet, 0/50": (None, None, None, None, 26.6, 29.2, 32.5),
  "ActivityNet, 0/100": (None, None, None, None, 20.0, 23.0, 26.3),
}
CONFIGS = {
  "E2E R(2+1)D": "configs/e2e_r2plus1d.py",
  "ResT-18": "configs/rest18.py",
  "ResT-34": "configs/rest34.py",
  "ResT-101": "configs/rest101.py",
}


def get_study(variant: str = "") -> Study:
  """The paper's rows, or `demo`."""
  if variant not in ("", "demo"):
    raise ValueError(f"there is no variant {variant!r}; there is demo")
  study = Study(
    title="ResT by depth, beside E2E",
    shows="every ResT is better than E2E on all three test sets, and deeper ones with fewer frames are better than shallower ones.",
    x_label="network",
    metrics=[
      Metric("UCF101, 0/50", "ucf101", "half"),
      Metric("UCF101, 0/100", "ucf101"),
      Metric("HMDB51, 0/50", "hmdb51", "half"),
      Metric("HMDB51, 0/100", "hmdb51"),
      Metric("ActivityNet, 0/50", "activitynet200", "half"),
      Metric("ActivityNet, 0/100", "activitynet200"),
    ],
    runs=[Run(series, x, CONFIGS[x] + (":activitynet" if series == THREE else "")) for series, x in ROWS],
    printed={label: _by_series(values) for label, values in PRINTED.items()},
  )
  return _demo(study) if variant else study


def _by_series(values: tuple[float | None, ...]) -> dict[str, list[tuple[str, float]]]:
  printed: dict[str, list[tuple[str, float]]] = {}
  for (series, x), value in zip(ROWS, values, strict=True):
    if value is not None:
      printed.setdefault(series, []).append((x, value))
  return printed


def _demo(study: Study) -> Study:
  return study._replace(
    metrics=[demo.ALL, demo.HALF],
    runs=[
      demo.e2e("24 classes", "E2E"),
      demo.rest("24 classes", "ResT, tiny ResNet, 8 frames"),
      demo.rest(
        "24 classes",
        "ResT, ResNet-18, 4 frames",
        {"model.backbone": "resnet18", "data.num_frames": 4, "data.stride": 4},
      ),
    ],
    printed={},
    note=f"{demo.NOTE} ResNets are made for pictures five times as large and for longer training.",
  )
